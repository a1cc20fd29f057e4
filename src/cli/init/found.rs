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
    pub jump: Option<String>,
    pub sudo: bool,
    pub groups: Vec<String>,
}

/// A context of a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub name: String,
    pub file: String,
}
