//! F4: ways to reach things.

pub mod http;
pub mod kube;
pub mod secret;
pub mod shell;
pub mod ssh;
pub mod sudo;
pub mod tls;
