//! The effective configuration as text, patterns expanded and defaults filled in, secrets hidden.

use std::fmt::Write as _;

use super::spec::{Config, Diagnostic, Escalation, KubeconfigRef, Reach, SecretRef, Severity};

/// One diagnostic as compilers print them: `file:line:column: error: message`, the help below.
pub fn diagnostic(d: &Diagnostic) -> String {
    let word = match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = if d.line == 0 { d.file.display().to_string() } else { format!("{}:{}:{}", d.file.display(), d.line, d.column) };
    let help = if d.help.is_empty() { String::new() } else { format!("\n  help: {}", d.help) };
    format!("{place}: {word}: {}{help}", d.message)
}

/// Where a secret comes from; never the secret.
pub fn secret(secret: &SecretRef) -> String {
    match secret {
        SecretRef::Env(name) => format!("{{ env = {name:?} }}"),
        SecretRef::File(path) => format!("{{ file = {:?} }}", path.display().to_string()),
        // Its arguments may hold a secret themselves.
        SecretRef::Command(words) => format!("{{ command = [{:?}, ...] }}", words.first().map_or("", String::as_str)),
        SecretRef::Ask(group) => format!("{{ ask = {group:?} }}"),
        SecretRef::Plain(_) => "\"***\"".to_owned(),
    }
}

/// The configuration in the shape of the file. For reading; hidden secrets make it no input.
pub fn config(c: &Config) -> String {
    let mut out = String::new();
    let theme = if c.ui.theme.is_empty() { "harbor" } else { &c.ui.theme };
    let lang = if c.ui.lang.is_empty() { "auto" } else { &c.ui.lang };
    let _ = writeln!(
        out,
        "[ui]\ntheme = {theme:?}\nlang = {lang:?}\nkeys = {:?}\nglyphs = {:?}\nmouse = {}",
        format!("{:?}", c.ui.keys).to_lowercase(),
        format!("{:?}", c.ui.glyphs).to_lowercase(),
        c.ui.mouse
    );
    if !c.ui.bindings.is_empty() {
        let _ = writeln!(out, "\n[keys]");
        for (command, keys) in &c.ui.bindings {
            let _ = writeln!(out, "{command} = {keys:?}");
        }
    }
    for e in &c.environments {
        let _ = writeln!(out, "\n[[environment]]\nname = {:?}\ncolor = {:?}\nread_only = {:?}", e.name, e.color, format!("{:?}", e.read_only).to_lowercase());
        let _ = writeln!(out, "clusters = {:?}\nnamespaces = {:?}\ngroups = {:?}\nmiddleware = {:?}", e.clusters, e.namespaces, e.groups, e.middleware);
    }
    for h in &c.hosts {
        let _ = writeln!(out, "\n[[host]]\nname = {:?}\ngroups = {:?}\nevery = {}", h.name, h.groups, h.every.as_secs_f64());
        match &h.reach {
            Reach::Local => out.push_str("local = true\n"),
            Reach::Ssh(s) => {
                let _ = writeln!(out, "address = {:?}\nidentity = {:?}\njump = {:?}\nknown_hosts = {:?}", s.address, s.identities, s.jump, s.known_hosts);
                let _ = match &s.config_file {
                    Some(path) => writeln!(out, "ssh_config = {path:?}"),
                    None => writeln!(out, "ssh_config = false"),
                };
                optional(&mut out, "port", s.port);
                optional(&mut out, "user", s.user.as_ref().map(|u| format!("{u:?}")));
                optional(&mut out, "password", s.password.as_ref().map(secret));
                optional(&mut out, "passphrase", s.passphrase.as_ref().map(secret));
            }
        }
        if let Escalation::Sudo { password } = &h.escalation {
            out.push_str("become = \"sudo\"\n");
            optional(&mut out, "become_password", password.as_ref().map(secret));
        }
    }
    for k in &c.clusters {
        let _ = writeln!(out, "\n[[cluster]]\nname = {:?}\ncompression = {}\nnamespaces = {:?}", k.name, k.compression, k.namespaces);
        let _ = match &k.kubeconfig {
            KubeconfigRef::Default => writeln!(out, "# kubeconfig: as kubectl finds it"),
            KubeconfigRef::File(path) => writeln!(out, "kubeconfig = {path:?}"),
            KubeconfigRef::Ssh { host, path, with_sudo } => writeln!(out, "kubeconfig = {{ ssh = \"{host}:{path}\", become = {with_sudo} }}"),
        };
        optional(&mut out, "context", k.context.as_ref().map(|x| format!("{x:?}")));
        optional(&mut out, "via", k.via.as_ref().map(|x| format!("\"host:{x}\"")));
    }
    for m in &c.middleware {
        let _ = writeln!(out, "\n[[middleware]]\nkind = {:?}\nname = {:?}\nmembers = {:?}\nevery = {}", m.kind, m.name, m.members, m.every.as_secs_f64());
        optional(&mut out, "user", m.user.as_ref().map(|u| format!("{u:?}")));
        optional(&mut out, "password", m.password.as_ref().map(secret));
        optional(&mut out, "api_key", m.api_key.as_ref().map(secret));
    }
    if let Ok(limits) = toml::Table::try_from(&c.limits) {
        let mut table = toml::Table::new();
        table.insert("limits".to_owned(), toml::Value::Table(limits));
        let _ = write!(out, "\n{table}");
    }
    for b in &c.broken {
        let _ = writeln!(out, "\n# not in use: {} ({})", b.subject.name(), b.why.message);
    }
    out
}

fn optional(out: &mut String, key: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        let _ = writeln!(out, "{key} = {value}");
    }
}
