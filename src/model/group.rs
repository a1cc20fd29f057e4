//! A middleware group: members, their roles, and who follows whom. General on purpose: no kind has a type of its own above `source/`.

use serde::Serialize;

use super::fact::Row;
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
    /// Of the group as a whole, from several observers.
    pub reasons: Vec<Reason>,
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
    pub reasons: Vec<Reason>,
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
