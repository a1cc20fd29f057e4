//! What `init` gathers, whatever it came from.

/// A host that some file knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) name: String,
    /// The same as `name` where empty.
    pub(super) address: String,
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) identity: Option<String>,
    /// The first hop first, each as `[user@]host[:port]`.
    pub(super) jump: Vec<String>,
    pub(super) sudo: bool,
    pub(super) groups: Vec<String>,
    /// What was said about the host and could not be taken over, with the reason.
    pub(super) notes: Vec<String>,
}

/// A context of a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) name: String,
    pub(super) file: String,
}

/// What a machine's `virsh` answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guests {
    /// The host that was asked; `None` is this machine.
    pub(super) host: Option<String>,
    pub(super) names: Vec<String>,
}
