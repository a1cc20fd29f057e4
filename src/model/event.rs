//! A Warning event of Kubernetes, deduplicated by the object it is about and its reason.

use serde::Serialize;

use super::fact::Row;
use super::id::{Kind, Name, ObjectKey, Target, Uid};
use super::limits::Limits;
use super::verdict::Judgement;
use crate::base::clock::Moment;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    pub cluster: Name,
    pub namespace: Name,
    pub uid: Uid,
    /// The object it is about.
    pub about_kind: Name,
    pub about_name: Name,
    pub about_uid: Option<Uid>,
    pub reason: Name,
    pub message: Box<str>,
    pub count: u32,
    pub last_seen_at: Moment,
}

impl Row for Event {
    type Key = ObjectKey;
    const KIND: Kind = Kind::Event;
    const WATCHED: bool = true;

    fn key(&self) -> ObjectKey {
        ObjectKey { cluster: self.cluster.clone(), uid: self.uid }
    }
    fn target(&self) -> Target {
        Target::Event(self.key())
    }
    fn namespace(&self) -> Option<&Name> {
        Some(&self.namespace)
    }
    fn order(&self) -> (&str, &str) {
        (&self.namespace, &self.about_name)
    }
    /// An event is evidence, not a state: its object carries the verdict.
    fn judge(&self, _: Moment, _: &Limits) -> Judgement {
        Judgement::default()
    }
}
