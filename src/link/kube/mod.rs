//! A cluster's API: from the kubeconfig to a client that follows its changes.
//!
//! The kubeconfig is read again before every reconnect, so that a renewed certificate, a new token or a context that
//! came back is noticed without a restart of the cockpit.

mod api;
mod build;
mod dial;
mod exec;
mod forward;
mod kubeconfig;
mod pod;
mod tls;

pub use api::{Api, Connection, Direct, Failure};
pub use dial::{Dialer, Stream};
pub use exec::Login;
pub use forward::{Forwarded, NoForward, forward};
pub use kubeconfig::{Fetch, Reader};
pub use pod::Pod;
