//! Ways to members that only others can reach. Each connection is a stream of its own, so a broken one is dialled anew by whoever
//! uses it, and nothing listens on this machine: it is shared.
//!
//! - `host`: a channel of a host's SSH login. `docker`: into a container's network, by its address or by a command inside it.
//! - `kube`: a port-forward to a pod; also who the pods are.

mod docker;
mod host;
mod kube;

use std::time::Duration;

pub(super) use docker::ThroughContainer;
pub(super) use host::ThroughHost;
pub(super) use kube::{Pick, ThroughCluster};

/// How long the far side may take to open its connection.
const OPEN: Duration = Duration::from_secs(10);
