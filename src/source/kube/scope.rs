//! Which namespaces are followed, and what happens where a right is missing.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use serde::Deserialize;

use super::feed::{Events, Pods, Workloads};
use super::row::AsWorkload;
use super::session::{Listing, Session};
use super::watch::{End, Feed, Path, follow};
use crate::base::intern::Interner;
use crate::link::kube::Failure;
use crate::model::fact::Change;
use crate::model::id::{Kind, Name};
use crate::model::workload::Workload;
use crate::port::IntoFact;

/// A resource of the API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource {
    pub(super) kind: Kind,
    /// `/api/v1`, `/apis/apps/v1`.
    pub(super) group: &'static str,
    pub(super) plural: &'static str,
    pub(super) select: &'static str,
}

pub(super) const PODS: Resource = Resource { kind: Kind::Pod, group: "/api/v1", plural: "pods", select: "" };
pub(super) const NODES: Resource = Resource { kind: Kind::Node, group: "/api/v1", plural: "nodes", select: "" };
pub(super) const EVENTS: Resource = Resource { kind: Kind::Event, group: "/api/v1", plural: "events", select: "fieldSelector=type%3DWarning" };
pub(super) const DEPLOYMENTS: Resource = Resource { kind: Kind::Workload, group: "/apis/apps/v1", plural: "deployments", select: "" };
pub(super) const STATEFULSETS: Resource = Resource { kind: Kind::Workload, group: "/apis/apps/v1", plural: "statefulsets", select: "" };
pub(super) const DAEMONSETS: Resource = Resource { kind: Kind::Workload, group: "/apis/apps/v1", plural: "daemonsets", select: "" };
pub(super) const JOBS: Resource = Resource { kind: Kind::Workload, group: "/apis/batch/v1", plural: "jobs", select: "" };
pub(super) const CRONJOBS: Resource = Resource { kind: Kind::Workload, group: "/apis/batch/v1", plural: "cronjobs", select: "" };
/// Before 1.21.
pub(super) const CRONJOBS_BETA: Resource = Resource { kind: Kind::Workload, group: "/apis/batch/v1beta1", plural: "cronjobs", select: "" };

impl Resource {
    pub(super) fn path(&self, namespace: Option<&Name>) -> Path {
        let path = match namespace {
            None => format!("{}/{}", self.group, self.plural),
            Some(space) => format!("{}/namespaces/{}/{}", self.group, crate::base::text::percent(space), self.plural),
        };
        Path { path, select: self.select }
    }
}

/// How the objects of one resource are taken in, in all namespaces or in one.
pub(super) trait Intake: Sync {
    type Feed: Feed;
    fn feed(&self, session: &Session, namespace: Option<&Name>, path: &Path) -> Self::Feed;
    /// This scope will be listed; told before any of it is.
    fn expect(&self, _: &Path) {}
    /// This scope will not be listed.
    fn give_up(&self, _: &Session, _: &Path) -> impl Future<Output = ()> + Send {
        async {}
    }
}

pub(super) struct PodIntake;

impl Intake for PodIntake {
    type Feed = Pods;
    fn feed(&self, session: &Session, namespace: Option<&Name>, _: &Path) -> Pods {
        Pods { cluster: session.cluster.clone(), namespace: namespace.cloned(), names: Interner::default(), changes: 0 }
    }
}

pub(super) struct EventIntake;

impl Intake for EventIntake {
    type Feed = Events;
    fn feed(&self, session: &Session, namespace: Option<&Name>, _: &Path) -> Events {
        Events {
            cluster: session.cluster.clone(),
            namespace: namespace.cloned(),
            names: Interner::default(),
            kept: std::collections::HashMap::new(),
            by_age: std::collections::BTreeMap::new(),
        }
    }
}

pub(super) struct WorkloadIntake<T> {
    pub(super) listing: Arc<Listing>,
    pub(super) kind: PhantomData<fn() -> T>,
}

impl<T: AsWorkload> Intake for WorkloadIntake<T> {
    type Feed = Workloads<T>;
    fn feed(&self, session: &Session, _: Option<&Name>, path: &Path) -> Workloads<T> {
        Workloads::new(&session.cluster, &self.listing, &path.path)
    }
    fn expect(&self, path: &Path) {
        self.listing.waits_for(&path.path);
    }
    async fn give_up(&self, session: &Session, path: &Path) {
        if self.listing.done(&path.path) {
            session.cx.out.send(vec![Workload::fact(Change::End(None))]).await;
        }
    }
}

/// Registers what `follow_allowed` will list, before any of it is.
pub(super) fn expect<I: Intake>(session: &Session, resource: &Resource, wanted: &[Name], intake: &I) {
    let everywhere = wanted.is_empty().then(|| resource.path(None));
    for path in everywhere.into_iter().chain(wanted.iter().map(|space| resource.path(Some(space)))) {
        session.whole.waits_for(&path.path);
        intake.expect(&path);
    }
}

async fn give_up<I: Intake>(session: &Session, path: &Path, intake: &I) {
    intake.give_up(session, path).await;
    session.settled(&path.path).await;
}

/// Follows a resource: everywhere, or where that is not allowed in each namespace that is. Ends when it is stopped, the
/// credentials are refused, or there is nothing left that it may see.
pub(super) async fn follow_allowed<I: Intake>(session: &Session, resource: Resource, wanted: &[Name], intake: &I) -> End {
    let spaces: Vec<Name> = if wanted.is_empty() {
        let path = resource.path(None);
        match follow(session, &path, &mut intake.feed(session, None, &path)).await {
            End::Forbidden => {}
            other => {
                give_up(session, &path, intake).await;
                return other;
            }
        }
        session.deny(resource.kind, None, resource.plural).await;
        let spaces = namespaces(session).await;
        if !spaces.is_empty() {
            expect(session, &resource, &spaces, intake);
        }
        give_up(session, &path, intake).await;
        spaces
    } else {
        wanted.to_vec()
    };
    let each = spaces.iter().map(|space| async move {
        let path = resource.path(Some(space));
        let end = follow(session, &path, &mut intake.feed(session, Some(space), &path)).await;
        give_up(session, &path, intake).await;
        if let End::Forbidden = &end {
            session.deny(resource.kind, Some(space), resource.plural).await;
        }
        end
    });
    // The first refused credential ends them all; otherwise each lives on by itself.
    let (refused, other): (Vec<End>, Vec<End>) = join_all(each).await.into_iter().partition(|end| matches!(end, End::Unauthorized(_)));
    refused.into_iter().next().or_else(|| other.into_iter().next()).unwrap_or(End::Missing)
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Meta,
}

#[derive(Deserialize)]
struct Meta {
    name: String,
}

/// The group version under which this server has CronJobs; the newer one where it does not say.
pub(super) async fn cron_jobs(session: &Session) -> Resource {
    #[derive(Deserialize)]
    struct Resources {
        #[serde(default)]
        resources: Vec<Meta>,
    }
    let answer = session.api.get(CRONJOBS.group, "application/json", Duration::from_secs(15), session.cx.clock.now(), &session.cx.meter).await;
    match answer {
        Ok((StatusCode::OK, body)) => match serde_json::from_slice::<Resources>(&body) {
            Ok(list) if list.resources.iter().all(|r| r.name != CRONJOBS.plural) => CRONJOBS_BETA,
            _ => CRONJOBS,
        },
        _ => CRONJOBS,
    }
}

/// The namespaces to try: all where they may be listed, else that of the context.
async fn namespaces(session: &Session) -> Vec<Name> {
    const LIMIT: Duration = Duration::from_secs(15);
    let now = session.cx.clock.now();
    let answer = session.api.get("/api/v1/namespaces", "application/json", LIMIT, now, &session.cx.meter).await;
    if let Ok((StatusCode::OK, body)) = &answer
        && let Ok(list) = serde_json::from_slice::<List>(body)
    {
        return list.items.into_iter().map(|i| Name::from(i.metadata.name)).collect();
    }
    session.api.connection(now).await.map(|c| vec![c.namespace.clone()]).unwrap_or_default()
}

/// A failure that the whole source must hear of.
pub(super) fn refused(end: End) -> Option<Failure> {
    match end {
        End::Unauthorized(failure) => Some(failure),
        End::Stopped | End::Forbidden | End::Missing => None,
    }
}
