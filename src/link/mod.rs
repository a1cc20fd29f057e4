//! F4: ways to reach things.

pub mod kube;
pub mod shell;
