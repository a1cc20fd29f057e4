//! A Kubernetes cluster: nodes, pods, the workloads behind them, Warning events and the control plane, listed once and
//! watched. Works by the protocol, not by a client's idea of a version: what a server lacks is left out.

mod beat;
mod feed;
mod glance;
mod json;
mod metrics;
mod object;
mod outbox;
mod row;
mod scope;
mod selecting;
mod session;
mod status;
mod watch;
mod wire;

#[cfg(test)]
mod captured;
#[cfg(test)]
mod tests;

pub(crate) use selecting::Selecting;

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::task::JoinSet;

use self::feed::{ControlLeases, NodeLeases, Nodes};
use self::object::{CronJob, DaemonSet, Deployment, Job, StatefulSet};
use self::row::AsWorkload;
use self::scope::{EventIntake, Intake, PodIntake, Resource, WorkloadIntake, expect, follow_allowed, refused};
use self::session::{Listing, Session};
use self::watch::{End, Path, follow};
use crate::base::clock::Moment;
use crate::base::intern::Interner;
use crate::link::kube::{Api, Failure};
use crate::model::cluster::Cluster;
use crate::model::fact::{Change, Denied, Fact};
use crate::model::id::{Kind, Name};
use crate::model::source::{SourceState, Subject};
use crate::model::workload::Workload;
use crate::port::{Cx, IntoFact, Source, SourceError};

/// One cluster.
#[derive(Debug)]
pub struct KubeSource {
    api: Arc<Api>,
    /// Watch these only; all that are allowed when empty.
    namespaces: Vec<Name>,
    looked: bool,
}

impl KubeSource {
    pub fn new(api: Arc<Api>, namespaces: Vec<Name>) -> Self {
        Self { api, namespaces, looked: false }
    }

    /// Waits until the kubeconfig says something new; `false` when stopped first.
    async fn news(&self, cx: &Cx) -> bool {
        loop {
            tokio::select! {
                () = cx.stop.cancelled() => return false,
                () = tokio::time::sleep(self.api.news_every()) => {}
            }
            if self.api.has_news().await {
                return true;
            }
        }
    }

    async fn serve(&mut self, cx: Cx) -> Result<(), SourceError> {
        // Asked for by a person or after a break: a plugin may give another credential now.
        self.api.forget();
        let mut renewed: Option<Moment> = None;
        loop {
            let error = tokio::select! {
                () = cx.stop.cancelled() => return Ok(()),
                error = self.once(&cx) => error,
            };
            // A plugin's token may have been revoked early: it is asked for another one, once.
            let now = cx.clock.now();
            if error.state == SourceState::AuthLost && self.has_plugin(now).await && renewed.is_none_or(|at| now.since(at) > Duration::from_mins(5)) {
                renewed = Some(now);
                self.api.forget();
                continue;
            }
            if !matches!(error.state, SourceState::AuthLost | SourceState::Broken) {
                return Err(error);
            }
            cx.out.trouble(error).await;
            if !self.news(&cx).await {
                return Ok(());
            }
            self.api.forget();
        }
    }

    /// Does a connection stand whose credential came from a plugin? Never runs one.
    async fn has_plugin(&self, now: Moment) -> bool {
        self.api.is_connected() && self.api.connection(now).await.is_ok_and(|c| c.plugin)
    }

    /// From the first request to the error that ends them all.
    async fn once(&mut self, cx: &Cx) -> SourceError {
        let connection = match self.api.connection(cx.clock.now()).await {
            Ok(connection) => connection,
            Err(error) => return error,
        };
        let (heal, healed) = tokio::sync::watch::channel(0);
        let row = Cluster {
            name: self.api.name.clone(),
            context: connection.context.clone(),
            server: connection.server.clone(),
            version: Name::from(""),
            latency_ms: None,
            failing_checks: Vec::new(),
            leases: Vec::new(),
            endpoints: Vec::new(),
            certificate_expires_at: None,
            metrics: false,
            tls_verified: connection.tls_verified,
            denied: Vec::new(),
        };
        let session = Session::new(self.api.clone(), cx.clone(), healed, row);
        if let Err(failure) = beat::greet(&session).await {
            return failure.source_error(&self.api.name);
        }
        cx.out.answered().await;
        let withdraw = |kind| Fact::Denied { kind, namespace: None, denied: Denied { fact: Name::from(""), need: Name::from("") } };
        let mut first: Vec<Fact> = [Kind::Cluster, Kind::Node, Kind::Pod, Kind::Workload, Kind::Event].map(withdraw).into();
        first.push(session.row_fact());
        first.push(Workload::fact(Change::Begin(None)));
        cx.out.send(first).await;
        // Nothing is whole before everything that makes it up is known.
        session.whole.waits_for("start");
        let mut tasks = self.start(&session, heal);
        session.settled("start").await;
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(Some(failure)) => return failure.source_error(&self.api.name),
                Ok(None) => {}
                Err(broken) => return SourceError::unreachable(format!("a task of cluster {} ended: {broken}", self.api.name)),
            }
        }
        SourceError::unreachable(format!("nothing is left to ask of cluster {}", self.api.name))
    }

    /// Starts all tasks; the first that gives a failure ends the session.
    fn start(&mut self, session: &Session, heal: tokio::sync::watch::Sender<u64>) -> JoinSet<Option<Failure>> {
        let mut tasks = JoinSet::new();
        let (listed, nodes_listed) = tokio::sync::watch::channel(false);
        let wanted: Arc<[Name]> = self.namespaces.as_slice().into();
        if !std::mem::replace(&mut self.looked, true) && wanted.is_empty() {
            let s = session.clone();
            tasks.spawn(async move {
                glance::look(&s).await;
                None
            });
        }
        let s = session.clone();
        tasks.spawn(async move { Some(beat::beat(s, heal).await) });
        let s = session.clone();
        tasks.spawn(async move {
            beat::masters(s).await;
            None
        });
        spawn_scoped(&mut tasks, session, scope::PODS, &wanted, PodIntake);
        let (s, nodes) = (session.clone(), scope::NODES.path(None));
        s.whole.waits_for(&nodes.path);
        tasks.spawn(async move {
            let mut feed = Nodes { cluster: s.cluster.clone(), names: Interner::default(), listed };
            let end = follow(&s, &nodes, &mut feed).await;
            s.settled(&nodes.path).await;
            if let End::Forbidden = &end {
                s.deny(Kind::Node, None, "nodes").await;
            }
            refused(end)
        });
        let listing = Arc::new(Listing::default());
        spawn_cron_jobs(&mut tasks, session, &wanted, &listing);
        spawn_workloads::<Deployment>(&mut tasks, session, scope::DEPLOYMENTS, &wanted, &listing);
        spawn_workloads::<StatefulSet>(&mut tasks, session, scope::STATEFULSETS, &wanted, &listing);
        spawn_workloads::<DaemonSet>(&mut tasks, session, scope::DAEMONSETS, &wanted, &listing);
        spawn_workloads::<Job>(&mut tasks, session, scope::JOBS, &wanted, &listing);
        spawn_scoped(&mut tasks, session, scope::EVENTS, &wanted, EventIntake);
        let s = session.clone();
        tasks.spawn(async move {
            let mut feed = ControlLeases(s.clone());
            let path = Path { path: "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases".to_owned(), select: "" };
            let end = follow(&s, &path, &mut feed).await;
            if let End::Forbidden = &end {
                s.deny(Kind::Cluster, None, "leases (kube-system)").await;
            }
            refused(end)
        });
        let (s, mut known) = (session.clone(), nodes_listed.clone());
        tasks.spawn(async move {
            // Without the nodes themselves nobody waits for their leases.
            known.wait_for(|listed| *listed).await.ok()?;
            let mut feed = NodeLeases { cluster: s.cluster.clone(), told: HashMap::new() };
            let path = Path { path: "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases".to_owned(), select: "" };
            let end = follow(&s, &path, &mut feed).await;
            if let End::Forbidden = &end {
                s.deny(Kind::Cluster, None, "leases (kube-node-lease)").await;
            }
            refused(end)
        });
        let (s, mut known) = (session.clone(), nodes_listed);
        tasks.spawn(async move {
            known.wait_for(|listed| *listed).await.ok()?;
            metrics::poll(s).await;
            None
        });
        tasks
    }
}

fn spawn_scoped<I: Intake + Send + 'static>(tasks: &mut JoinSet<Option<Failure>>, session: &Session, resource: Resource, wanted: &Arc<[Name]>, intake: I)
where
    I::Feed: Send,
{
    expect(session, &resource, wanted, &intake);
    let (s, wanted) = (session.clone(), wanted.clone());
    tasks.spawn(async move { refused(follow_allowed(&s, resource, &wanted, &intake).await) });
}

fn spawn_workloads<T: AsWorkload>(tasks: &mut JoinSet<Option<Failure>>, session: &Session, resource: Resource, wanted: &Arc<[Name]>, listing: &Arc<Listing>) {
    let intake = WorkloadIntake::<T> { listing: listing.clone(), kind: PhantomData };
    spawn_scoped(tasks, session, resource, wanted, intake);
}

/// CronJobs moved from v1beta1 to v1 in 1.21: the server says which it has.
fn spawn_cron_jobs(tasks: &mut JoinSet<Option<Failure>>, session: &Session, wanted: &Arc<[Name]>, listing: &Arc<Listing>) {
    // The table's listing must not end before it is known which path it waits for.
    const UNDECIDED: &str = "cronjobs";
    listing.waits_for(UNDECIDED);
    session.whole.waits_for(UNDECIDED);
    let intake = WorkloadIntake::<CronJob> { listing: listing.clone(), kind: PhantomData };
    let (s, wanted) = (session.clone(), wanted.clone());
    tasks.spawn(async move {
        let resource = scope::cron_jobs(&s).await;
        expect(&s, &resource, &wanted, &intake);
        intake.give_up(&s, &Path { path: UNDECIDED.to_owned(), select: "" }).await;
        s.settled(UNDECIDED).await;
        refused(follow_allowed(&s, resource, &wanted, &intake).await)
    });
}

impl Source for KubeSource {
    fn subject(&self) -> Subject {
        Subject::Cluster(self.api.name.clone())
    }

    fn every(&self) -> Duration {
        beat::EVERY
    }

    fn run(&mut self, cx: Cx) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(self.serve(cx))
    }
}
