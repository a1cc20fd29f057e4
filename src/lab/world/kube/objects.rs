//! What etcd is to a real cluster: every object with its version, and the changes of late for those who watch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::kind::{KINDS, KindId};
use crate::base::clock::Moment;

/// So much of the past a watch may ask for; what is older is `410 Gone`.
const LOG_CHANGES: usize = 20_000;
const LOG_BYTES: usize = 8 << 20;

/// Namespace (empty for none) and name.
pub type Key = (Arc<str>, Arc<str>);

pub fn key(namespace: &str, name: &str) -> Key {
    (namespace.into(), name.into())
}

/// One object in one version, as JSON.
#[derive(Debug)]
pub struct Object {
    pub kind: KindId,
    pub key: Key,
    pub version: u64,
    pub json: Bytes,
}

impl Object {
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.json).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
}

impl Change {
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// The store.
#[derive(Debug)]
pub struct Objects {
    version: u64,
    tables: Vec<BTreeMap<Key, Arc<Object>>>,
    log: VecDeque<(Change, Arc<Object>)>,
    log_bytes: usize,
    /// The newest version that is not in the log any more.
    forgotten: u64,
}

/// The version asked for is too old; the oldest that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired(pub u64);

/// `2026-11-21T08:00:00Z`
pub fn stamp(at: Moment) -> String {
    let text = Moment::from_seconds(at.0.div_euclid(1000)).to_string();
    text.replace(".000Z", "Z")
}

impl Default for Objects {
    fn default() -> Self {
        // A cluster that has lived for some weeks.
        const FIRST: u64 = 4_180_000;
        Self { version: FIRST, tables: KINDS.iter().map(|_| BTreeMap::new()).collect(), log: VecDeque::new(), log_bytes: 0, forgotten: FIRST }
    }
}

impl Objects {
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The newest version that no watch can begin with any more.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub fn get(&self, kind: KindId, namespace: &str, name: &str) -> Option<&Arc<Object>> {
        self.tables[kind.0].get(&key(namespace, name))
    }

    /// All of a kind, in one namespace or everywhere, in the order of their names.
    pub fn list(&self, kind: KindId, namespace: Option<&str>) -> Vec<Arc<Object>> {
        match namespace {
            None => self.tables[kind.0].values().cloned().collect(),
            Some(space) => self.tables[kind.0].range(key(space, "")..).take_while(|((s, _), _)| **s == *space).map(|(_, o)| o.clone()).collect(),
        }
    }

    pub fn count(&self, kind: KindId) -> usize {
        self.tables[kind.0].len()
    }

    /// Stores `value` with a new version. What it lacks of kind, uid and creation time is filled in.
    pub fn put(&mut self, kind: KindId, mut value: Value, now: Moment, uid: impl FnOnce() -> String) -> Arc<Object> {
        self.version += 1;
        let definition = kind.of();
        value["apiVersion"] = definition.api_version().into();
        value["kind"] = definition.kind.into();
        let meta = &mut value["metadata"];
        if meta["uid"].as_str().is_none_or(str::is_empty) {
            meta["uid"] = uid().into();
        }
        if !meta["creationTimestamp"].is_string() {
            meta["creationTimestamp"] = stamp(now).into();
        }
        meta["resourceVersion"] = self.version.to_string().into();
        let text = |field: &str| meta[field].as_str().unwrap_or_default().to_owned();
        let namespace = if definition.namespaced { text("namespace") } else { String::new() };
        let key = key(&namespace, &text("name"));
        let json = serde_json::to_vec(&value).unwrap_or_default().into();
        let object = Arc::new(Object { kind, key: key.clone(), version: self.version, json });
        let change = if self.tables[kind.0].insert(key, object.clone()).is_some() { Change::Modified } else { Change::Added };
        self.remember(change, object.clone());
        object
    }

    pub fn delete(&mut self, kind: KindId, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let gone = self.tables[kind.0].remove(&key(namespace, name))?;
        self.version += 1;
        // A deletion has a version of its own, and the object carries it.
        let mut value = gone.value();
        value["metadata"]["resourceVersion"] = self.version.to_string().into();
        let json = serde_json::to_vec(&value).unwrap_or_default().into();
        let last = Arc::new(Object { kind, key: gone.key.clone(), version: self.version, json });
        self.remember(Change::Deleted, last.clone());
        Some(last)
    }

    fn remember(&mut self, change: Change, object: Arc<Object>) {
        self.log_bytes += object.json.len();
        self.log.push_back((change, object));
        while self.log.len() > LOG_CHANGES || self.log_bytes > LOG_BYTES {
            let Some((_, old)) = self.log.pop_front() else { break };
            self.log_bytes -= old.json.len();
            self.forgotten = old.version;
        }
    }

    /// Forgets all changes: who watched from before must list again.
    pub fn compact(&mut self) {
        self.log.clear();
        self.log_bytes = 0;
        self.forgotten = self.version;
    }

    /// What happened to a kind after `version`.
    ///
    /// # Errors
    /// That is too long ago.
    pub fn since(&self, version: u64, kind: KindId) -> Result<Vec<(Change, Arc<Object>)>, Expired> {
        if version < self.forgotten {
            return Err(Expired(self.forgotten));
        }
        let first = self.log.partition_point(|(_, o)| o.version <= version);
        Ok(self.log.range(first..).filter(|(_, o)| o.kind == kind).cloned().collect())
    }
}

/// A reference to an owner that controls.
pub fn owned_by(kind: &str, api_version: &str, name: &str, uid: &str) -> Value {
    json!([{ "apiVersion": api_version, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true }])
}

#[cfg(test)]
mod tests {
    use super::super::kind::{NAMESPACES, PODS};
    use super::*;

    fn put(objects: &mut Objects, name: &str) -> u64 {
        objects.put(PODS, json!({"metadata": {"name": name, "namespace": "a"}}), Moment::default(), || "u".into()).version
    }

    #[test]
    fn changes_are_told_from_any_version_that_is_known() {
        let mut objects = Objects::default();
        let first = put(&mut objects, "x");
        put(&mut objects, "y");
        put(&mut objects, "x");
        objects.put(NAMESPACES, json!({"metadata": {"name": "a"}}), Moment::default(), || "n".into());
        let gone = objects.delete(PODS, "a", "y").unwrap();
        assert_eq!(gone.value()["metadata"]["resourceVersion"], objects.version().to_string());
        let told: Vec<_> = objects.since(first, PODS).unwrap().iter().map(|(c, o)| (c.word(), o.key.1.to_string())).collect();
        assert_eq!(told, [("ADDED", "y".into()), ("MODIFIED", "x".into()), ("DELETED", "y".into())]);
        assert_eq!(objects.list(PODS, Some("a")).len(), 1);
        objects.compact();
        assert!(objects.since(first, PODS).is_err() && objects.since(objects.version(), PODS).unwrap().is_empty());
    }
}
