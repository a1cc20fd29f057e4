//! `[[host]]` and `[defaults.ssh]`.

use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::jump::{self, Jump};
use super::pattern::expand;
use super::reader::{Fields, Reader, Span, Value};
use super::refs::{Ref, RefKind};
use super::spec::{Escalation, HostSpec, LogOwner, LogSpec, Reach, SecretRef, SshSpec};
use super::{logs, schema, secret};
use crate::model::id::Name;

/// How often a host is sampled when nobody says otherwise.
pub(super) const EVERY: Duration = Duration::from_secs(5);

/// The keys that a host shares with `[defaults.ssh]`.
#[derive(Clone, Default)]
pub(super) struct Login {
    user: Option<String>,
    port: Option<u16>,
    identities: Option<Vec<PathBuf>>,
    jump: Option<Vec<(String, Span)>>,
    sudo: Option<bool>,
    become_password: Option<SecretRef>,
    password: Option<SecretRef>,
    passphrase: Option<SecretRef>,
    every: Option<Duration>,
    ssh_config: Option<SshConfig>,
    known_hosts: Option<Vec<PathBuf>>,
}

/// Which configuration of OpenSSH is read.
#[derive(Clone)]
enum SshConfig {
    Unread,
    File(PathBuf),
}

/// One entry, expanded, and what it refers to.
pub(super) struct Entry {
    pub(super) names: Vec<(String, Span)>,
    pub(super) hosts: Vec<HostSpec>,
    pub(super) refs: Vec<Ref>,
    pub(super) jumps: Vec<Jump>,
    pub(super) logs: Vec<LogSpec>,
}

pub(super) fn login(r: &mut Reader<'_>, f: &Fields<'_>) -> Login {
    let sudo = r.choice(f, "become", &[("sudo", true), ("none", false)]);
    let become_password = secret::read(r, f, "become_password");
    Login {
        user: r.string(f, "user").map(|s| s.0),
        port: r.port(f, "port"),
        identities: r.strings(f, "identity").map(|list| {
            list.into_iter()
                .map(|(text, span)| {
                    let path = secret::file(r, &text);
                    secret::check(r, &path, &span, "the key file");
                    path
                })
                .collect()
        }),
        jump: r.strings(f, "jump"),
        sudo,
        become_password,
        password: secret::read(r, f, "password"),
        passphrase: secret::read(r, f, "passphrase"),
        every: r.duration(f, "every"),
        ssh_config: ssh_config(r, f),
        known_hosts: r.strings(f, "known_hosts").map(|list| list.iter().map(|(text, _)| secret::file(r, text)).collect()),
    }
}

fn ssh_config(r: &mut Reader<'_>, f: &Fields<'_>) -> Option<SshConfig> {
    let value = f.table.get("ssh_config")?;
    match value.get_ref() {
        DeValue::Boolean(false) => Some(SshConfig::Unread),
        DeValue::String(text) => Some(SshConfig::File(secret::file(r, text))),
        _ => {
            r.wrong_type("ssh_config", value, "a path in quotes or false");
            None
        }
    }
}

/// Reads one `[[host]]`. The names come back also where the entry is broken, so that each has its row.
pub(super) fn read(r: &mut Reader<'_>, value: &Value<'_>, defaults: &Login) -> Entry {
    let mut out = Entry { names: Vec::new(), hosts: Vec::new(), refs: Vec::new(), jumps: Vec::new(), logs: Vec::new() };
    let Some(f) = r.fields("host", value, "[[host]]", schema::HOST) else { return out };
    let name = r.required(&f, "name");
    let own = login(r, &f);
    let local = r.boolean(&f, "local").unwrap_or(false);
    let groups: Vec<_> = r.strings(&f, "groups").unwrap_or_default().into_iter().map(|(g, _)| g.into()).collect();
    let address = r.string(&f, "address");
    let logs = logs::read(r, &f, logs::At::Host, &mut out.refs);
    let Some((pattern, span)) = name else { return out };
    let names = match expand(&pattern) {
        Ok(names) => names,
        Err(why) => {
            r.error(&span, why, "ranges are written `kvm-[1-4]`, `web[01-10]` or `db-[a,b]`");
            out.names.push((pattern, span));
            return out;
        }
    };
    out.names = names.iter().map(|n| (n.clone(), span.clone())).collect();
    let addresses = addresses(r, &names, address);
    let login = over(own, defaults);
    if login.sudo != Some(true) && f.table.contains_key("become_password") {
        r.warning(
            &f.table.get("become_password").map_or(f.span.clone(), Spanned::span),
            "`become_password` is not used without `become`",
            "add become = \"sudo\"",
        );
    }
    let shared = names.len() > 1 || !f.table.contains_key("jump");
    for (name, address) in names.iter().zip(addresses) {
        let chain: Vec<String> = login.jump.iter().flatten().map(|(hop, _)| hop.clone()).collect();
        let jump = if shared { jump::before(&chain, name, &address) } else { chain };
        let reach = if local { Reach::Local } else { Reach::Ssh(Box::new(ssh(r, &login, address, jump))) };
        if let Reach::Ssh(spec) = &reach {
            for (hop, at) in login.jump.iter().flatten().take(spec.jump.len()) {
                out.jumps.push(Jump { from: name.clone(), hop: hop.clone(), span: at.clone() });
                let kind = RefKind::Jump { ssh_config: spec.config_file.clone() };
                out.refs.push(Ref { kind, name: hop.clone(), span: at.clone() });
            }
        }
        let host: Name = name.as_str().into();
        out.logs.extend(logs.iter().map(|l| l.spec(LogOwner::Host(host.clone()), &host)));
        out.hosts.push(HostSpec {
            name: name.as_str().into(),
            reach,
            groups: groups.clone(),
            escalation: if login.sudo == Some(true) { Escalation::Sudo { password: login.become_password.clone() } } else { Escalation::None },
            every: login.every.unwrap_or(EVERY),
        });
    }
    out
}

fn addresses(r: &mut Reader<'_>, names: &[String], address: Option<(String, Span)>) -> Vec<String> {
    let Some((pattern, span)) = address else { return names.to_vec() };
    match expand(&pattern) {
        Ok(list) if list.len() == names.len() => list,
        Ok(list) => {
            let message = format!("`address` stands for {} and `name` for {}", list.len(), names.len());
            r.error(&span, message, "give both patterns the same count, as in name = \"kvm-[1-4]\" and address = \"10.0.0.[1-4]\"");
            Vec::new()
        }
        Err(why) => {
            r.error(&span, why, "ranges are written `10.0.0.[1-4]`");
            Vec::new()
        }
    }
}

fn over(own: Login, base: &Login) -> Login {
    let base = base.clone();
    Login {
        user: own.user.or(base.user),
        port: own.port.or(base.port),
        identities: own.identities.or(base.identities),
        jump: own.jump.or(base.jump),
        sudo: own.sudo.or(base.sudo),
        become_password: own.become_password.or(base.become_password),
        password: own.password.or(base.password),
        passphrase: own.passphrase.or(base.passphrase),
        every: own.every.or(base.every),
        ssh_config: own.ssh_config.or(base.ssh_config),
        known_hosts: own.known_hosts.or(base.known_hosts),
    }
}

fn ssh(r: &Reader<'_>, login: &Login, address: String, jump: Vec<String>) -> SshSpec {
    let below_home = |path: &str| secret::file(r, path);
    SshSpec {
        address,
        port: login.port,
        user: login.user.clone(),
        identities: login.identities.clone().unwrap_or_default(),
        jump,
        password: login.password.clone(),
        passphrase: login.passphrase.clone(),
        config_file: match &login.ssh_config {
            None => Some(below_home("~/.ssh/config")),
            Some(SshConfig::Unread) => None,
            Some(SshConfig::File(path)) => Some(path.clone()),
        },
        known_hosts: login.known_hosts.clone().unwrap_or_default(),
    }
}
