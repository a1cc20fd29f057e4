//! The effective configuration as text, patterns expanded and defaults filled in, secrets hidden.

use std::fmt::Write as _;

use std::path::Path;

use super::spec::{
    AmqpSpec, ClusterSpec, Config, Diagnostic, Environment, Escalation, GlyphChoice, HostSpec, KeyPreset, KubeconfigRef, LogOwner, LogSpec, MiddlewareSpec,
    Reach, ReadOnly, SecretRef, SentinelSpec, Severity, SshSpec, TlsSpec, UiConfig, Via,
};

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
        SecretRef::Env(name) => format!("{{ env = {} }}", text(name)),
        SecretRef::File(path) => format!("{{ file = {} }}", self::path(path)),
        // Its arguments may hold a secret themselves.
        SecretRef::Command(words) => {
            let hidden = if words.len() > 1 { ", \"***\"" } else { "" };
            format!("{{ command = [{}{hidden}] }}", text(words.first().map_or("", String::as_str)))
        }
        SecretRef::Ask(group) => format!("{{ ask = {} }}", text(group)),
        SecretRef::Plain(_) => "\"***\"".to_owned(),
    }
}

/// The configuration in the shape of the file: it can be read again, but for the secrets, which are hidden.
pub fn config(c: &Config) -> String {
    let mut out = String::new();
    ui(&mut out, &c.ui);
    c.environments.iter().for_each(|e| environment(&mut out, e));
    c.hosts.iter().for_each(|h| host(&mut out, h, &c.logs));
    c.clusters.iter().for_each(|k| cluster(&mut out, k));
    c.middleware.iter().for_each(|m| middleware(&mut out, m, &c.logs));
    if let Ok(limits) = toml::Table::try_from(&c.limits) {
        let table = toml::Table::from_iter([("limits".to_owned(), toml::Value::Table(limits))]);
        let _ = write!(out, "\n{table}");
    }
    for b in &c.broken {
        let _ = writeln!(out, "\n# not in use: {} ({})", one_line(b.subject.name()), one_line(&b.why.message));
    }
    out
}

fn ui(out: &mut String, ui: &UiConfig) {
    let theme = if ui.theme.is_empty() { "harbor" } else { &ui.theme };
    let lang = if ui.lang.is_empty() { "auto" } else { &ui.lang };
    let keys = match ui.keys {
        KeyPreset::Default => "default",
        KeyPreset::K9s => "k9s",
    };
    let glyphs = match ui.glyphs {
        GlyphChoice::Auto => "auto",
        GlyphChoice::Unicode => "unicode",
        GlyphChoice::Ascii => "ascii",
    };
    out.push_str("[ui]\n");
    for (key, value) in [("theme", theme), ("lang", lang), ("keys", keys), ("glyphs", glyphs)] {
        line(out, key, text(value));
    }
    line(out, "mouse", ui.mouse);
    if !ui.bindings.is_empty() {
        out.push_str("\n[keys]\n");
        ui.bindings.iter().for_each(|(command, keys)| line(out, &key(command), list(keys)));
    }
}

fn environment(out: &mut String, e: &Environment) {
    out.push_str("\n[[environment]]\n");
    line(out, "name", text(&e.name));
    optional(out, "color", (!e.color.is_empty()).then(|| text(&e.color)));
    let lock = match e.read_only {
        ReadOnly::Default => "default",
        ReadOnly::Locked => "locked",
    };
    line(out, "read_only", text(lock));
    for (key, names) in [("clusters", &e.clusters), ("namespaces", &e.namespaces), ("groups", &e.groups), ("middleware", &e.middleware)] {
        line(out, key, list(names));
    }
}

fn host(out: &mut String, h: &HostSpec, logs: &[LogSpec]) {
    out.push_str("\n[[host]]\n");
    line(out, "name", text(&h.name));
    line(out, "groups", list(&h.groups));
    line(out, "every", h.every.as_secs_f64());
    match &h.reach {
        Reach::Local => line(out, "local", true),
        Reach::Ssh(spec) => ssh(out, spec),
    }
    let (way, password) = match &h.escalation {
        Escalation::None => ("none", None),
        Escalation::Sudo { password } => ("sudo", password.as_ref()),
    };
    line(out, "become", text(way));
    optional(out, "become_password", password.map(secret));
    told(out, logs, |owner| matches!(owner, LogOwner::Host(name) if *name == h.name));
}

fn told(out: &mut String, logs: &[LogSpec], of: impl Fn(&LogOwner) -> bool) {
    let own: Vec<String> = logs.iter().filter(|l| of(&l.owner)).map(super::logs::written).collect();
    optional(out, "logs", (!own.is_empty()).then(|| format!("[{}]", own.join(", "))));
}

fn ssh(out: &mut String, s: &SshSpec) {
    line(out, "address", text(&s.address));
    optional(out, "port", s.port);
    optional(out, "user", s.user.as_deref().map(text));
    line(out, "identity", format!("[{}]", s.identities.iter().map(|p| path(p)).collect::<Vec<_>>().join(", ")));
    line(out, "jump", list(&s.jump));
    optional(out, "password", s.password.as_ref().map(secret));
    optional(out, "passphrase", s.passphrase.as_ref().map(secret));
    line(out, "ssh_config", s.config_file.as_deref().map_or_else(|| "false".to_owned(), path));
    line(out, "known_hosts", format!("[{}]", s.known_hosts.iter().map(|p| path(p)).collect::<Vec<_>>().join(", ")));
}

fn cluster(out: &mut String, k: &ClusterSpec) {
    out.push_str("\n[[cluster]]\n");
    line(out, "name", text(&k.name));
    match &k.kubeconfig {
        KubeconfigRef::Default => out.push_str("# kubeconfig: as kubectl finds it\n"),
        KubeconfigRef::File(file) => line(out, "kubeconfig", path(file)),
        KubeconfigRef::Ssh { host, path, with_sudo } => {
            line(out, "kubeconfig", format!("{{ ssh = {}, become = {with_sudo} }}", text(&format!("{host}:{path}"))));
        }
    }
    optional(out, "context", k.context.as_deref().map(text));
    optional(out, "via", k.via.as_ref().map(|host| text(&format!("host:{host}"))));
    line(out, "compression", k.compression);
    line(out, "namespaces", list(&k.namespaces));
}

fn middleware(out: &mut String, m: &MiddlewareSpec, logs: &[LogSpec]) {
    out.push_str("\n[[middleware]]\n");
    line(out, "kind", text(&m.kind));
    line(out, "name", text(&m.name));
    line(out, "members", list(&m.members));
    optional(out, "via", m.via.as_ref().map(|v| text(&via(v))));
    optional(out, "user", m.user.as_deref().map(text));
    optional(out, "password", m.password.as_ref().map(secret));
    optional(out, "api_key", m.api_key.as_ref().map(secret));
    optional(out, "tls", m.tls.as_ref().map(tls));
    optional(out, "amqp", m.amqp.as_ref().map(amqp));
    optional(out, "sentinel", m.sentinel.as_ref().map(sentinel));
    let pairs: Vec<String> = m.address_map.iter().map(|(from, to)| format!("{} = {}", key(from), text(to))).collect();
    optional(out, "address_map", (!pairs.is_empty()).then(|| format!("{{ {} }}", pairs.join(", "))));
    let pairs: Vec<String> = m.settings.iter().map(|(name, value)| format!("{} = {}", key(name), text(value))).collect();
    optional(out, "settings", (!pairs.is_empty()).then(|| format!("{{ {} }}", pairs.join(", "))));
    line(out, "every", m.every.as_secs_f64());
    told(out, logs, |owner| matches!(owner, LogOwner::Group(key) if key.kind == m.kind && key.name == m.name));
}

/// As it is written in the file.
pub fn via(via: &Via) -> String {
    match via {
        Via::Host(host) => format!("host:{host}"),
        Via::Docker { host, container } => format!("docker:{host}/{container}"),
        Via::KubeObject { cluster, namespace, kind, name } => format!("k8s:{cluster}/{namespace}/{kind}/{name}"),
        Via::KubeSelector { cluster, namespace, selector } => format!("k8s:{cluster}/{namespace}?selector={selector}"),
    }
}

fn tls(t: &TlsSpec) -> String {
    let files = [("ca", &t.ca), ("cert", &t.cert), ("key", &t.key)].map(|(key, p)| (key, p.as_deref().map(path)));
    let texts = [("server_name", &t.server_name), ("fingerprint", &t.fingerprint)].map(|(key, s)| (key, s.as_deref().map(text)));
    inline(files.into_iter().chain(texts).chain([("verify", Some(t.verify.to_string()))]))
}

fn amqp(a: &AmqpSpec) -> String {
    inline([("vhost", Some(text(&a.vhost))), ("user", a.user.as_deref().map(text)), ("password", a.password.as_ref().map(secret))])
}

fn sentinel(s: &SentinelSpec) -> String {
    inline([
        ("members", Some(list(&s.members))),
        ("master", Some(text(&s.master))),
        ("user", s.user.as_deref().map(text)),
        ("password", s.password.as_ref().map(secret)),
    ])
}

fn inline(pairs: impl IntoIterator<Item = (&'static str, Option<String>)>) -> String {
    let pairs: Vec<String> = pairs.into_iter().filter_map(|(key, value)| Some(format!("{key} = {}", value?))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn text(value: &str) -> String {
    toml::Value::String(value.to_owned()).to_string()
}

fn path(value: &Path) -> String {
    text(&value.display().to_string())
}

fn list<T: std::ops::Deref<Target = str>>(values: &[T]) -> String {
    format!("[{}]", values.iter().map(|v| text(v)).collect::<Vec<_>>().join(", "))
}

/// A key, quoted where it must be.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { text(name) }
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn line(out: &mut String, key: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{key} = {value}");
}

fn optional(out: &mut String, key: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        line(out, key, value);
    }
}
