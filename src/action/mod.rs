//! F5: what is done on demand. One file a kind.

pub mod host_inspect;
pub mod kube_inspect;
