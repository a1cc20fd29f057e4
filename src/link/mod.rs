//! F4: ways to reach things.

pub mod kube;
pub mod secret;
pub mod shell;
pub mod ssh;
pub mod sudo;
