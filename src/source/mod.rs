//! F5: what says facts. A folder or a file for each kind of thing.

pub mod host;
pub mod kube;
pub mod log;
pub mod middleware;
