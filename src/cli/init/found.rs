//! What `init` gathers, whatever it came from.

/// A host that some file knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    /// The same as `name` where empty.
    pub address: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity: Option<String>,
    /// The first hop first, each as `[user@]host[:port]`.
    pub jump: Vec<String>,
    pub sudo: bool,
    pub groups: Vec<String>,
    /// What was said about the host and could not be taken over, with the reason.
    pub notes: Vec<String>,
}

/// A context of a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub name: String,
    pub file: String,
}

/// What a machine's `virsh` answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guests {
    /// The host that was asked; `None` is this machine.
    pub host: Option<String>,
    pub names: Vec<String>,
}
