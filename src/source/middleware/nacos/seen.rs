//! What one server said in one poll.

use std::time::Duration;

use super::answer::{Instance, Metrics, Node, Service};
use super::dialect::Dialect;
use crate::base::clock::Moment;
use crate::model::fact::Denied;

#[derive(Clone, Debug)]
pub struct Seen {
    pub dialect: Dialect,
    /// What it calls itself: `ip:port`; empty when unknown.
    pub own: String,
    pub version: String,
    pub door: Door,
    /// A client's round trip.
    pub round_trip: Duration,
    /// Every server as this one sees it, itself included.
    pub nodes: Option<Vec<Node>>,
    pub metrics: Option<Metrics>,
    pub services: Option<Services>,
    /// Asked of one server only, and seldom.
    pub registered: Option<Registered>,
    pub grpc: Grpc,
    pub denied: Vec<Denied>,
    /// Polls in a row in which its count of instances differed from that of most others.
    pub odd: u32,
}

/// What a server answers when nobody logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    #[default]
    Locked,
    /// Whoever reaches it is let in.
    Open,
}

/// The services of the namespaces that are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// All that there are, also those that were not fetched.
    pub count: u64,
    pub list: Vec<Service>,
}

impl Services {
    pub fn instances(&self) -> u64 {
        self.list.iter().map(|s| s.ip_count).sum()
    }
    pub fn healthy(&self) -> u64 {
        self.list.iter().map(|s| s.healthy_instance_count).sum()
    }
}

/// Every instance of the services, with the service's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Registered {
    pub at: Moment,
    pub list: Vec<(String, Instance)>,
}

/// The port at which clients of 2.0 and later keep their connection: the HTTP port and 1000.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Grpc {
    /// Servers before 2.0 have none.
    #[default]
    NotTried,
    Open {
        at: Moment,
    },
    /// In the words of whoever refused.
    Closed {
        port: u16,
        text: String,
        at: Moment,
    },
}

impl Seen {
    /// Its own entry in its list.
    pub fn own_node(&self) -> Option<&Node> {
        self.nodes.as_ref()?.iter().find(|n| n.address == self.own)
    }
    pub fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(match self.dialect {
            Dialect::First => 1,
            Dialect::Second => 2,
            Dialect::Third => 3,
        })
    }
}
