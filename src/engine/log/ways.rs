//! From a target to whoever can be asked for its lines.

use std::collections::HashMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::link::kube::Api;
use crate::model::id::Name;
use crate::model::log::{LogQuery, LogTarget, Note};
use crate::port::LogCx;
use crate::source::log::kube::{self, Asked, Wanted};

#[derive(Debug)]
pub(in crate::engine) struct Ways {
    clusters: HashMap<Name, Arc<Api>>,
}

impl Ways {
    pub(in crate::engine) fn new(clusters: HashMap<Name, Arc<Api>>) -> Self {
        Self { clusters }
    }

    /// One future for each thing that speaks.
    pub(super) fn start(&self, query: &LogQuery, stamps: Wanted, cx: &LogCx) -> Vec<BoxFuture<'static, ()>> {
        query.targets.iter().map(|target| self.one(target, query, stamps, cx)).collect()
    }

    fn one(&self, target: &LogTarget, query: &LogQuery, stamps: Wanted, cx: &LogCx) -> BoxFuture<'static, ()> {
        match target {
            LogTarget::Pod { cluster, .. } | LogTarget::Workload { cluster, .. } | LogTarget::Selector { cluster, .. } => match self.clusters.get(cluster) {
                Some(api) => kube::run(Asked::new(api.clone(), query, stamps, cx.clone()), target.clone()).boxed(),
                None => unknown(cx, format!("there is no cluster {cluster} in the configuration")),
            },
            _ => unknown(cx, "logs of hosts cannot be read yet".to_owned()),
        }
    }
}

/// Nobody can be asked: that is said where the lines would be.
fn unknown(cx: &LogCx, text: String) -> BoxFuture<'static, ()> {
    let cx = cx.clone();
    async move { cx.remark(Note::Failed { text }).await }.boxed()
}
