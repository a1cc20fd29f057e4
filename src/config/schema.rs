//! The keys that exist, table by table. The parser knows no others, and `config.example.toml` shows every one.

pub const ROOT: &[&str] = &["ui", "keys", "defaults", "limits", "environment", "host", "cluster", "middleware"];
pub const UI: &[&str] = &["theme", "lang", "keys", "glyphs", "mouse"];
pub const DEFAULTS: &[&str] = &["ssh"];
pub const SSH: &[&str] = &["user", "port", "identity", "jump", "become", "become_password", "password", "passphrase", "every", "ssh_config", "known_hosts"];
pub const HOST: &[&str] = &[
    "name",
    "address",
    "groups",
    "local",
    "user",
    "port",
    "identity",
    "jump",
    "become",
    "become_password",
    "password",
    "passphrase",
    "every",
    "ssh_config",
    "known_hosts",
    "logs",
];
pub const CLUSTER: &[&str] = &["name", "kubeconfig", "context", "via", "compression", "namespaces"];
pub const KUBECONFIG: &[&str] = &["ssh", "become"];
pub const ENVIRONMENT: &[&str] = &["name", "color", "read_only", "clusters", "namespaces", "groups", "middleware"];
pub const MIDDLEWARE: &[&str] =
    &["kind", "name", "members", "via", "user", "password", "api_key", "tls", "amqp", "sentinel", "address_map", "settings", "every", "logs"];
pub const LOG: &[&str] = &["path", "encoding"];
pub const TLS: &[&str] = &["ca", "cert", "key", "server_name", "fingerprint", "verify"];
pub const AMQP: &[&str] = &["vhost", "user", "password"];
pub const SENTINEL: &[&str] = &["members", "master", "user", "password"];
pub const SECRET: &[&str] = &["env", "file", "command", "ask"];

/// Every table with the words that a message names it by.
pub const ALL: &[(&str, &[&str])] = &[
    ("the file", ROOT),
    ("[ui]", UI),
    ("[defaults]", DEFAULTS),
    ("[defaults.ssh]", SSH),
    ("[[host]]", HOST),
    ("[[cluster]]", CLUSTER),
    ("kubeconfig", KUBECONFIG),
    ("[[environment]]", ENVIRONMENT),
    ("[[middleware]]", MIDDLEWARE),
    ("tls", TLS),
    ("amqp", AMQP),
    ("sentinel", SENTINEL),
    ("a log", LOG),
    ("a secret", SECRET),
];
