//! What to dial for a host: the configuration first, then what OpenSSH's own client would do (`ssh -G`), then plain defaults.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::config::spec::SshSpec;

/// The answer of `ssh -G`, or nothing where there is no OpenSSH or no file to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said(Vec<(String, String)>);

impl Said {
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(|l| l.trim().split_once(' ')).map(|(k, v)| (k.to_ascii_lowercase(), v.trim().to_owned())).collect())
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, v)| k == key && !v.is_empty() && v != "none").map(|(_, v)| v.as_str())
    }

    fn first(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, v)| k == key && !v.is_empty() && v != "none").map(|(_, v)| v.as_str())
    }
}

/// The effective options of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) identities: Vec<PathBuf>,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) identities_only: bool,
    pub(super) jump: Vec<String>,
    pub(super) proxy_command: Option<String>,
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) agent: Option<PathBuf>,
    /// The name to look the key up by, where it is not the address.
    pub(super) alias: Option<String>,
}

/// Where this process stands: what the defaults come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Here {
    pub(super) home: PathBuf,
    pub(super) user: String,
    pub(super) agent: Option<PathBuf>,
}

impl Here {
    pub(super) fn find() -> Self {
        let var = |name| std::env::var(name).ok().filter(|v: &String| !v.is_empty());
        Self {
            home: var("HOME").unwrap_or_else(|| "/root".to_owned()).into(),
            user: var("USER").or_else(|| var("LOGNAME")).unwrap_or_else(|| "root".to_owned()),
            agent: var("SSH_AUTH_SOCK").map(PathBuf::from),
        }
    }
}

/// Asks OpenSSH's client what it would do. Nothing where it is not installed.
pub(super) async fn ask_openssh(spec: &SshSpec, here: &Here) -> Said {
    let Some(file) = &spec.config_file else { return Said::default() };
    let mut command = Command::new("ssh");
    command.arg("-G");
    // Its own file is not named: with -F the system-wide one would not be read.
    if *file != here.home.join(".ssh/config") {
        command.arg("-F").arg(file);
    }
    if let Some(user) = &spec.user {
        command.arg("-l").arg(user);
    }
    if let Some(port) = spec.port {
        command.arg("-p").arg(port.to_string());
    }
    let run = command.arg("--").arg(&spec.address).stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(Duration::from_secs(10), run).await {
        Ok(Ok(out)) if out.status.success() => Said::parse(&String::from_utf8_lossy(&out.stdout)),
        _ => Said::default(),
    }
}

pub(super) fn merge(spec: &SshSpec, said: &Said, here: &Here) -> Options {
    let address = said.first("hostname").unwrap_or(&spec.address).to_owned();
    let port = spec.port.or_else(|| said.first("port")?.parse().ok()).unwrap_or(22);
    let user = spec.user.clone().or_else(|| said.first("user").map(str::to_owned)).unwrap_or_else(|| here.user.clone());
    let path =
        |text: &str| PathBuf::from(tilde(&expand(text, &[('d', &here.home.to_string_lossy()), ('h', &address), ('r', &user), ('u', &here.user)]), &here.home));
    let mut identities = spec.identities.clone();
    let mut more: Vec<PathBuf> = said.all("identityfile").map(path).collect();
    if more.is_empty() {
        more = ["id_ed25519", "id_ecdsa", "id_rsa"].iter().map(|n| here.home.join(".ssh").join(n)).collect();
    }
    for file in more {
        if !identities.contains(&file) {
            identities.push(file);
        }
    }
    let mut known_hosts = spec.known_hosts.clone();
    if known_hosts.is_empty() {
        known_hosts = ["userknownhostsfile", "globalknownhostsfile"].iter().flat_map(|key| said.all(key)).flat_map(str::split_whitespace).map(path).collect();
    }
    if known_hosts.is_empty() {
        known_hosts = vec![here.home.join(".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts".into()];
    }
    let agent = match said.0.iter().find(|(k, _)| k == "identityagent").map(|(_, v)| v.as_str()) {
        Some("none") => None,
        None | Some("SSH_AUTH_SOCK" | "") => here.agent.clone(),
        Some(socket) => Some(path(socket)),
    };
    let jump = if spec.jump.is_empty() {
        said.first("proxyjump").map(|j| j.split(',').map(|s| s.trim().to_owned()).collect()).unwrap_or_default()
    } else {
        spec.jump.clone()
    };
    let proxy_command = said
        .first("proxycommand")
        .filter(|_| jump.is_empty())
        .map(|c| expand(c, &[('h', &address), ('p', &port.to_string()), ('r', &user), ('n', &spec.address)]));
    Options {
        certificates: said.all("certificatefile").map(path).collect(),
        identities_only: said.first("identitiesonly") == Some("yes"),
        alias: said.first("hostkeyalias").map(str::to_owned),
        address,
        port,
        user,
        identities,
        jump,
        proxy_command,
        known_hosts,
        agent,
    }
}

/// A hop as people write it: `user@host:port`; the user may contain `@` (bastions that log in to an asset by name).
pub(super) fn hop(text: &str) -> (Option<String>, String, Option<u16>) {
    let text = text.strip_prefix("ssh://").unwrap_or(text);
    let (user, rest) = text.rsplit_once('@').map_or((None, text), |(u, r)| (Some(u.to_owned()), r));
    if let Some((host, port)) = rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
        return (user, host.to_owned(), port.strip_prefix(':').and_then(|p| p.parse().ok()));
    }
    match rest.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => (user, host.to_owned(), port.parse().ok()),
        _ => (user, rest.to_owned(), None),
    }
}

fn expand(text: &str, tokens: &[(char, &str)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('%') | None => out.push('%'),
            Some(t) => match tokens.iter().find(|(name, _)| *name == t) {
                Some((_, value)) => out.push_str(value),
                None => out.extend(['%', t]),
            },
        }
    }
    out
}

fn tilde(text: &str, home: &Path) -> String {
    text.strip_prefix("~/").map_or_else(|| text.to_owned(), |rest| home.join(rest).to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> SshSpec {
        SshSpec {
            address: "db".into(),
            port: None,
            user: None,
            identities: vec!["/keys/mine".into()],
            jump: Vec::new(),
            password: None,
            passphrase: None,
            config_file: Some("/home/li/.ssh/config".into()),
            known_hosts: Vec::new(),
        }
    }

    fn here() -> Here {
        Here { home: "/home/li".into(), user: "li".into(), agent: Some("/tmp/agent".into()) }
    }

    #[test]
    fn the_client_s_own_answer_fills_what_the_configuration_leaves_open() {
        let said = Said::parse(
            "host db\nuser ops\nhostname 10.0.0.7\nport 2222\nidentityfile ~/.ssh/id_%r\nidentityagent SSH_AUTH_SOCK\nproxyjump li@gw:22,gw2\nuserknownhostsfile /home/li/.ssh/known_hosts /home/li/.ssh/known_hosts2\nproxycommand nc %h %p\ncertificatefile ~/.ssh/c-cert.pub\n",
        );
        let o = merge(&spec(), &said, &here());
        assert_eq!((o.address.as_str(), o.port, o.user.as_str()), ("10.0.0.7", 2222, "ops"));
        assert_eq!(o.identities, [PathBuf::from("/keys/mine"), "/home/li/.ssh/id_ops".into()]);
        assert_eq!(o.jump, ["li@gw:22", "gw2"]);
        assert_eq!(o.proxy_command, None, "a jump list wins over a command");
        assert_eq!(o.known_hosts.len(), 2);
        assert_eq!(o.agent, Some("/tmp/agent".into()));
        let proxied =
            merge(&SshSpec { user: Some("a@b@c".into()), port: Some(22), ..spec() }, &Said::parse("proxycommand nc %h %p %r %%\nidentityagent none"), &here());
        assert_eq!(proxied.proxy_command.as_deref(), Some("nc db 22 a@b@c %"));
        assert_eq!((proxied.agent, proxied.user.as_str()), (None, "a@b@c"));
    }

    #[test]
    fn without_openssh_plain_defaults() {
        let o = merge(&spec(), &Said::default(), &here());
        assert_eq!((o.address.as_str(), o.port, o.user.as_str()), ("db", 22, "li"));
        assert_eq!(o.known_hosts[0], PathBuf::from("/home/li/.ssh/known_hosts"));
        assert_eq!(o.identities.len(), 4);
    }

    #[test]
    fn hops_as_people_write_them() {
        assert_eq!(hop("li@db1@gw:2222"), (Some("li@db1".into()), "gw".into(), Some(2222)));
        assert_eq!(hop("gw"), (None, "gw".into(), None));
        assert_eq!(hop("[fe80::1]:22"), (None, "fe80::1".into(), Some(22)));
        assert_eq!(hop("fe80::1"), (None, "fe80::1".into(), None));
    }
}
