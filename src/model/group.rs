//! A middleware group: members, their roles, and who follows whom. General on purpose: no kind has a type of its own above `source/`.

use std::net::IpAddr;

use serde::Serialize;

use super::fact::{Denied, Row};
use super::id::{GroupKey, Kind, Name, Target};
use super::limits::Limits;
use super::reason::Reason;
use super::verdict::Judgement;
use crate::base::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// `mysql`, `redis`, `rabbitmq` ...
    pub kind: Name,
    pub name: Name,
    pub members: Vec<Member>,
    /// Who gets data from whom, as far as any observer tells. The panes draw the tree from these.
    pub edges: Vec<Edge>,
    /// What a registry gives to clients, to be held against what runs. Empty for every other kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Endpoint>,
    /// Of the group as a whole, from several observers.
    pub reasons: Vec<Reason>,
}

/// An instance of a service that is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    pub service: Name,
    pub ip: IpAddr,
    pub port: u16,
    pub offer: Offer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Offer {
    /// Clients get its address.
    Given,
    /// Called unhealthy, or taken out by hand.
    Withheld,
}

impl Group {
    /// Nobody in it yet.
    pub fn new(kind: impl Into<Name>, name: impl Into<Name>) -> Self {
        Self { kind: kind.into(), name: name.into(), members: Vec::new(), edges: Vec::new(), endpoints: Vec::new(), reasons: Vec::new() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Member {
    pub address: Name,
    /// What the server calls itself (`server_uuid`, `run_id`, node name); empty until known.
    pub identity: Name,
    /// source, replica, master, sentinel, node ...
    pub role: Name,
    /// The identity or address it follows.
    pub upstream: Option<Name>,
    pub answered_at: Option<Moment>,
    pub metrics: Vec<Metric>,
    /// What has no number: versions, positions, names of files. In the order in which a person would read it.
    pub details: Vec<Detail>,
    /// What the account may not see; the rest of the row lives on.
    pub denied: Vec<Denied>,
    pub reasons: Vec<Reason>,
}

impl Member {
    /// A member of which nothing is known but its address.
    pub fn new(address: impl Into<Name>) -> Self {
        Self {
            address: address.into(),
            identity: Name::from(""),
            role: Name::from(""),
            upstream: None,
            answered_at: None,
            metrics: Vec::new(),
            details: Vec::new(),
            denied: Vec::new(),
            reasons: Vec::new(),
        }
    }

    pub fn metric(&mut self, key: &'static str, unit: Unit, value: Option<f64>) {
        self.metrics.extend(value.map(|value| Metric { key, unit, value }));
    }

    /// Notes a text; an empty one is left out.
    pub fn detail(&mut self, key: &'static str, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.details.push(Detail { key, text });
        }
    }
}

/// A fact without a number. The words for `key` are `[detail]` in `locales/*.toml`; `text` is the remote's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    pub key: &'static str,
    pub text: String,
}

/// Data flows along it from a source to its follower.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edge {
    /// The address of the member it comes from; what the follower calls it when it is none of ours.
    pub from: Name,
    /// What the follower has learned that its source calls itself; empty when it does not know.
    pub from_identity: Name,
    /// The address of the member that follows.
    pub to: Name,
    /// Tells the edges of one follower apart (a replication channel); mostly empty.
    pub channel: Name,
    pub state: EdgeState,
    pub metrics: Vec<Metric>,
    pub details: Vec<Detail>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeState {
    /// Data arrives and is applied.
    Flowing,
    /// The follower tries to reach its source.
    Connecting,
    /// An error holds it up.
    Broken,
    /// Stopped by hand.
    Stopped,
    /// The follower does not answer.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Metric {
    pub key: &'static str,
    pub unit: Unit,
    pub value: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    Count,
    Bytes,
    Seconds,
    Percent,
    PerSecond,
}

impl Row for Group {
    type Key = GroupKey;
    const KIND: Kind = Kind::Group;

    fn key(&self) -> GroupKey {
        GroupKey { kind: self.kind.clone(), name: self.name.clone() }
    }
    fn target(&self) -> Target {
        Target::Group(self.key())
    }
    fn order(&self) -> (&str, &str) {
        (&self.kind, &self.name)
    }
    /// The source has compared the observers; here only the worst of what they say is taken.
    fn judge(&self, _: Moment, _: &Limits) -> Judgement {
        let mut j = Judgement::default();
        for reason in self.reasons.iter().chain(self.members.iter().flat_map(|m| &m.reasons)) {
            j.add(reason.clone());
        }
        j
    }
}
