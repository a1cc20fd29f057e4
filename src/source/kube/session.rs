//! What the tasks of one connected cluster share.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use crate::link::kube::Api;
use crate::model::cluster::Cluster;
use crate::model::fact::{Change, Denied, Fact};
use crate::model::id::{Kind, Name};
use crate::port::Cx;

/// Several lists that make one whole.
#[derive(Debug, Default)]
pub(super) struct Listing(Mutex<HashSet<String>>);

impl Listing {
    pub(super) fn waits_for(&self, what: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned());
    }

    /// `what` is listed, or will not be. True when it was the last one waited for.
    pub(super) fn done(&self, what: &str) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(what) && open.is_empty()
    }
}

/// The resources refused, by pane and namespace.
type Refusals = BTreeMap<(Kind, Option<Name>), Vec<String>>;

#[derive(Clone)]
pub(super) struct Session {
    pub(super) api: Arc<Api>,
    pub(super) cx: Cx,
    pub(super) cluster: Name,
    /// Counts the times the API answered again after it did not.
    pub(super) healed: tokio::sync::watch::Receiver<u64>,
    /// The cluster's own row, published by the heartbeat.
    pub(super) row: Arc<Mutex<Cluster>>,
    /// The first whole picture, by path.
    pub(super) whole: Arc<Listing>,
    denied: Arc<Mutex<Refusals>>,
}

impl Session {
    pub(super) fn new(api: Arc<Api>, cx: Cx, healed: tokio::sync::watch::Receiver<u64>, row: Cluster) -> Self {
        Self { cluster: api.name.clone(), api, cx, healed, row: Arc::new(Mutex::new(row)), whole: Arc::default(), denied: Arc::default() }
    }

    /// A seed for a back-off, different for each target and each start.
    pub(super) fn seed(&self, about: &str) -> u64 {
        let mut hash = DefaultHasher::new();
        (&self.cluster, about, self.cx.clock.now()).hash(&mut hash);
        hash.finish()
    }

    /// A part of the first picture is there, or will not come.
    pub(super) async fn settled(&self, path: &str) {
        if self.whole.done(path) {
            self.cx.out.complete().await;
        }
    }

    /// Changes the cluster's row; the heartbeat sends it.
    pub(super) fn with_row<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        change(&mut self.row.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn row_fact(&self) -> Fact {
        Fact::Cluster(Box::new(Change::Upsert(self.with_row(|row| row.clone()))))
    }

    /// What the account may not see. Several refusals of one pane are told together.
    pub(super) async fn deny(&self, kind: Kind, namespace: Option<&Name>, resource: &str) {
        let all = {
            let mut known = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
            let all = known.entry((kind, namespace.cloned())).or_default();
            if !all.iter().any(|r| r == resource) {
                all.push(resource.to_owned());
            }
            all.join(",")
        };
        let denied = match namespace {
            None => Denied { fact: format!("list {all}").into(), need: format!("a ClusterRole with get,list,watch on {all}, bound to this account").into() },
            Some(space) => Denied {
                fact: format!("list {all} in {space}").into(),
                need: format!("a Role in {space} with get,list,watch on {all}, bound to this account").into(),
            },
        };
        self.with_row(|row| {
            row.denied.retain(|d| !denied.fact.starts_with(&*d.fact));
            row.denied.push(denied.clone());
        });
        self.cx.out.send(vec![Fact::Denied { kind, namespace: namespace.cloned(), denied }]).await;
    }
}
