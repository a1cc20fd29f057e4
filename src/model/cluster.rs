//! A Kubernetes cluster as a whole: its API and its control plane.

use serde::Serialize;

use super::fact::{Denied, Row};
use super::id::{Kind, Name, Target};
use super::judge;
use super::limits::Limits;
use super::verdict::Judgement;
use crate::base::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    pub name: Name,
    pub context: Name,
    pub server: Name,
    /// `v1.20.2`; empty until known.
    pub version: Name,
    /// The round trip of the last `/readyz`.
    pub latency_ms: Option<u64>,
    /// Names of the `/readyz?verbose` checks that fail.
    pub failing_checks: Vec<String>,
    pub leases: Vec<ControlLease>,
    pub endpoints: Vec<ControlEndpoint>,
    /// When the API server's certificate runs out, from the TLS handshake.
    pub certificate_expires_at: Option<Moment>,
    pub metrics: bool,
    pub tls_verified: bool,
    pub denied: Vec<Denied>,
}

/// The lock that the scheduler or controller-manager holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlLease {
    pub name: Name,
    pub holder: String,
    pub renewed_at: Moment,
}

/// One master dialled directly, beside the address in the kubeconfig.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlEndpoint {
    pub address: String,
    pub ready: bool,
    pub error: String,
    pub certificate_expires_at: Option<Moment>,
}

impl Row for Cluster {
    type Key = Name;
    const KIND: Kind = Kind::Cluster;

    fn key(&self) -> Name {
        self.name.clone()
    }
    fn target(&self) -> Target {
        Target::Cluster(self.name.clone())
    }
    fn order(&self) -> (&str, &str) {
        ("", &self.name)
    }
    fn judge(&self, now: Moment, limits: &Limits) -> Judgement {
        judge::cluster(self, now, limits)
    }
}
