//! The configuration as the rest of the program sees it: expanded, defaulted, checked.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::theme::Themes;
use crate::model::id::{GroupKey, Name};
use crate::model::limits::Limits;
use crate::model::log::{Encoding, LogTarget};
use crate::model::source::Subject;

#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The file it came from; `None` when there is none and the defaults are used.
    pub path: Option<PathBuf>,
    pub ui: UiConfig,
    pub environments: Vec<Environment>,
    pub hosts: Vec<HostSpec>,
    pub clusters: Vec<ClusterSpec>,
    pub middleware: Vec<MiddlewareSpec>,
    pub limits: Limits,
    /// What speaks beside what is found by itself.
    pub logs: Vec<LogSpec>,
    /// Those built in, and the user's own.
    pub themes: Themes,
    /// The folder that this program may write to; `None` where there is no home for it.
    pub state: Option<PathBuf>,
    /// Entries that cannot be used. Each is a row that says why; the rest runs.
    pub broken: Vec<BrokenEntry>,
    /// Everything found wrong, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

/// A log that the configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSpec {
    pub owner: LogOwner,
    pub target: LogTarget,
    pub encoding: Encoding,
}

/// Whose row shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogOwner {
    Host(Name),
    Group(GroupKey),
}

/// Something wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub file: PathBuf,
    /// Counted from 1; 0 when the whole file is meant.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What was found and what was expected.
    pub message: String,
    /// What to write instead, or what to do.
    pub help: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenEntry {
    pub subject: Subject,
    pub why: Diagnostic,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UiConfig {
    /// `harbor` when empty.
    pub theme: String,
    /// `auto`, `en`, `zh-CN`.
    pub lang: String,
    pub keys: KeyPreset,
    pub glyphs: GlyphChoice,
    pub mouse: bool,
    /// Overrides: command name -> keys.
    pub bindings: Vec<(String, Vec<String>)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPreset {
    #[default]
    Default,
    K9s,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GlyphChoice {
    #[default]
    Auto,
    Unicode,
    Ascii,
}

/// A named slice of everything, with its colour and its own lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    pub name: Name,
    pub color: String,
    pub read_only: ReadOnly,
    pub clusters: Vec<Name>,
    pub namespaces: Vec<Name>,
    pub groups: Vec<Name>,
    pub middleware: Vec<Name>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadOnly {
    /// Changes need `--write` or `:write`.
    #[default]
    Default,
    /// Nothing unlocks it.
    Locked,
}

/// A host after its pattern was expanded (`kvm-[1-4]` is four of these).
#[derive(Clone, Debug)]
pub struct HostSpec {
    pub name: Name,
    pub reach: Reach,
    pub groups: Vec<Name>,
    pub escalation: Escalation,
    /// How often it is sampled.
    pub every: Duration,
}

/// How a host is reached.
#[derive(Clone, Debug)]
pub enum Reach {
    /// This machine, without SSH.
    Local,
    Ssh(Box<SshSpec>),
}

#[derive(Clone, Debug)]
pub struct SshSpec {
    /// A name that `~/.ssh/config` may know, a host name or an address.
    pub address: String,
    pub port: Option<u16>,
    pub user: Option<String>,
    pub identities: Vec<PathBuf>,
    /// The names of hosts of this configuration, or addresses, to go through, the first hop first. Empty: what `~/.ssh/config` says.
    pub jump: Vec<String>,
    /// Passwords asked once serve every host of the same group.
    pub password: Option<SecretRef>,
    pub passphrase: Option<SecretRef>,
    /// `~/.ssh/config` unless the file names another; `None` reads none (`ssh_config = false`).
    pub config_file: Option<PathBuf>,
    /// Empty: those that `~/.ssh/config` names, else the usual ones.
    pub known_hosts: Vec<PathBuf>,
}

#[derive(Clone, Debug, Default)]
pub enum Escalation {
    #[default]
    None,
    /// `sudo -n` without a password, else `sudo -S` with it on stdin.
    Sudo { password: Option<SecretRef> },
}

/// Where a secret is; resolved late, by `link::secret`.
#[derive(Clone, Debug)]
pub enum SecretRef {
    Env(String),
    File(PathBuf),
    Command(Vec<String>),
    /// Asked once for the group of this name, kept in memory only.
    Ask(Name),
    Plain(SecretString),
}

#[derive(Clone, Debug)]
pub struct ClusterSpec {
    pub name: Name,
    pub kubeconfig: KubeconfigRef,
    /// The current one of the kubeconfig when `None`.
    pub context: Option<String>,
    /// The host whose SSH connection carries the API's; by name.
    pub via: Option<Name>,
    /// gzip on the wire: for slow lines only.
    pub compression: bool,
    /// Watch these only; all that are allowed when empty.
    pub namespaces: Vec<Name>,
}

#[derive(Clone, Debug)]
pub enum KubeconfigRef {
    /// `$KUBECONFIG` or `~/.kube/config`, as kubectl finds it.
    Default,
    File(PathBuf),
    /// Read over SSH from a host of this configuration.
    Ssh {
        host: Name,
        path: String,
        with_sudo: bool,
    },
}

/// A group of middleware members as the file describes it. What a kind makes of it is its source's business.
#[derive(Clone, Debug)]
pub struct MiddlewareSpec {
    /// `mysql`, `redis` ...
    pub kind: Name,
    pub name: Name,
    /// Addresses or URLs; may be empty where `via` names pods.
    pub members: Vec<String>,
    pub via: Option<Via>,
    pub user: Option<String>,
    pub password: Option<SecretRef>,
    pub api_key: Option<SecretRef>,
    pub tls: Option<TlsSpec>,
    pub amqp: Option<AmqpSpec>,
    pub sentinel: Option<SentinelSpec>,
    /// Announced address -> the one to dial.
    pub address_map: Vec<(String, String)>,
    /// What only this kind knows, by name.
    pub settings: Vec<(String, String)>,
    pub every: Duration,
}

/// What carries the connections to a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// A channel of this host's SSH connection.
    Host(Name),
    Docker {
        host: Name,
        container: Name,
    },
    /// A port-forward to every ready pod of an object.
    KubeObject {
        cluster: Name,
        namespace: Name,
        kind: Name,
        name: Name,
    },
    /// A port-forward to every ready pod that the label selector matches.
    KubeSelector {
        cluster: Name,
        namespace: Name,
        selector: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    pub ca: Option<PathBuf>,
    pub cert: Option<PathBuf>,
    pub key: Option<PathBuf>,
    /// The name that the certificate must carry, where it is not the member's own.
    pub server_name: Option<String>,
    /// SHA-256 of the certificate, in hex.
    pub fingerprint: Option<String>,
    /// `false` trusts anything; the row then says so.
    pub verify: bool,
}

#[derive(Clone, Debug)]
pub struct AmqpSpec {
    pub vhost: String,
    pub user: Option<String>,
    pub password: Option<SecretRef>,
}

#[derive(Clone, Debug)]
pub struct SentinelSpec {
    pub members: Vec<String>,
    pub master: String,
    pub user: Option<String>,
    pub password: Option<SecretRef>,
}
