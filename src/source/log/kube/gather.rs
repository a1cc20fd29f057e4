//! From what was asked for to containers: one pod, or all pods that a selector matches, also those that come later.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use super::container::{Who, follow};
use super::object::{Event, Pod, PodList};
use super::{Asked, told};
use crate::base::backoff::Backoff;
use crate::base::text::percent;
use crate::link::kube::Failure;
use crate::model::id::{Name, Uid};
use crate::model::log::{Containers, Mode, Run};
use crate::model::workload::WorkloadKind;
use crate::source::kube::Selecting;

const LIMIT: Duration = Duration::from_secs(20);
/// What a watch is asked to last.
const WATCH_SECONDS: u64 = 290;

async fn get<T: serde::de::DeserializeOwned>(asked: &Asked, path: &str) -> Result<T, Failure> {
    let (status, body) = asked.api.get(path, "application/json", LIMIT, asked.now(), &asked.cx.meter).await?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|e| Failure::Transport(format!("the answer cannot be read: {e}")));
    }
    let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = crate::base::text::clean(said["message"].as_str().unwrap_or_default()).into_owned();
    Err(Failure::Status { code: status, text, retry_after: None })
}

/// Asks until there is an answer, where the log is followed; a refusal is an answer.
async fn insist<T: serde::de::DeserializeOwned>(asked: &Asked, path: &str) -> Result<T, Failure> {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10), path.len() as u64);
    let mut told_once = false;
    loop {
        match get(asked, path).await {
            Err(failure @ Failure::Transport(_)) if asked.mode == Mode::Follow => {
                if !std::mem::replace(&mut told_once, true) {
                    asked.cx.remark(told(&failure)).await;
                }
                if asked.pause(backoff.next()).await {
                    return Err(failure);
                }
            }
            other => return other,
        }
    }
}

fn who(pod: &Pod, container: &str, run: Run) -> Who {
    Who {
        namespace: pod.metadata.namespace.as_str().into(),
        pod: pod.metadata.name.as_str().into(),
        uid: pod.uid(),
        container: container.into(),
        run,
        restarts: pod.restarts(container),
    }
}

pub(super) async fn pod(asked: &Asked, namespace: &Name, name: &Name, uid: Option<Uid>, containers: &Containers, run: Run) -> Result<(), Failure> {
    let path = format!("/api/v1/namespaces/{}/pods/{}", percent(namespace), percent(name));
    let pod: Pod = insist(asked, &path).await?;
    if uid.is_some_and(|uid| uid != pod.uid()) {
        let text = format!("the pod {namespace}/{name} is gone; another one has its name now");
        return Err(Failure::Status { code: StatusCode::NOT_FOUND, text, retry_after: None });
    }
    let mut names = pod.containers(containers);
    if run == Run::Previous && *containers == Containers::All {
        names.retain(|c| pod.restarts(c) > 0);
        if names.is_empty() {
            let text = format!("no container of {namespace}/{name} has been started anew: there is no previous life");
            return Err(Failure::Status { code: StatusCode::BAD_REQUEST, text, retry_after: None });
        }
    }
    let asked = &asked.of_streams(names.len());
    futures::future::join_all(names.iter().map(|c| follow(asked, who(&pod, c, run)))).await;
    Ok(())
}

pub(super) async fn workload(asked: &Asked, namespace: &Name, kind: WorkloadKind, name: &Name, containers: &Containers) -> Result<(), Failure> {
    if kind == WorkloadKind::CronJob {
        // A CronJob selects nothing itself; the pods of its jobs are told by the job that made them.
        let of = name.to_string();
        return Gather::new(asked, Some(namespace), "job-name".to_owned(), containers.clone(), Some(of)).run().await;
    }
    let group = match kind {
        WorkloadKind::Deployment => "apps/v1/namespaces/{}/deployments",
        WorkloadKind::StatefulSet => "apps/v1/namespaces/{}/statefulsets",
        WorkloadKind::DaemonSet => "apps/v1/namespaces/{}/daemonsets",
        WorkloadKind::Job | WorkloadKind::CronJob => "batch/v1/namespaces/{}/jobs",
    };
    let path = format!("/apis/{}/{}", group.replace("{}", &percent(namespace)), percent(name));
    let object: Selecting = insist(asked, &path).await?;
    selector(asked, Some(namespace), &object.selector(), containers).await
}

pub(super) async fn selector(asked: &Asked, namespace: Option<&Name>, selector: &str, containers: &Containers) -> Result<(), Failure> {
    Gather::new(asked, namespace, selector.to_owned(), containers.clone(), None).run().await
}

/// All pods that a selector matches.
struct Gather<'a> {
    asked: &'a Asked,
    path: String,
    selector: String,
    containers: Containers,
    cron_job: Option<String>,
    /// Containers that are followed, or were.
    seen: HashMap<Uid, HashSet<String>>,
    tasks: JoinSet<()>,
}

impl<'a> Gather<'a> {
    fn new(asked: &'a Asked, namespace: Option<&Name>, selector: String, containers: Containers, cron_job: Option<String>) -> Self {
        let path = namespace.map_or_else(|| "/api/v1/pods".to_owned(), |n| format!("/api/v1/namespaces/{}/pods", percent(n)));
        Self { asked, path, selector, containers, cron_job, seen: HashMap::new(), tasks: JoinSet::new() }
    }

    fn query(&self, rest: &str) -> String {
        format!("{}?labelSelector={}{rest}", self.path, percent(&self.selector))
    }

    async fn run(mut self) -> Result<(), Failure> {
        let list: PodList = insist(self.asked, &self.query("")).await?;
        let mut from = list.metadata.resource_version.clone();
        for pod in &list.items {
            self.meet(pod);
        }
        if self.asked.mode == Mode::Once {
            if self.seen.is_empty() {
                let text = format!("no pod matches {}", self.selector);
                return Err(Failure::Status { code: StatusCode::NOT_FOUND, text, retry_after: None });
            }
            while self.tasks.join_next().await.is_some() {}
            return Ok(());
        }
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10), 7);
        loop {
            let watched = tokio::select! {
                () = self.asked.cx.stop.cancelled() => return Ok(()),
                watched = self.watch(&mut from) => watched,
            };
            let again = match watched {
                Ok(()) => {
                    backoff.reset();
                    Duration::ZERO
                }
                Err(failure) => {
                    tracing::debug!(%failure, "pods of a log will be listed again");
                    backoff.next()
                }
            };
            if self.asked.pause(again).await {
                return Ok(());
            }
            // Whatever came in between is in the list.
            if let Ok(list) = get::<PodList>(self.asked, &self.query("")).await {
                from = list.metadata.resource_version;
                for pod in &list.items {
                    self.meet(pod);
                }
            }
        }
    }

    /// Begins to follow what is new of a pod.
    fn meet(&mut self, pod: &Pod) {
        if self.cron_job.as_ref().is_some_and(|name| !pod.is_of_cron_job(name)) {
            return;
        }
        let known = self.seen.entry(pod.uid()).or_default();
        for container in pod.containers(&self.containers) {
            if known.insert(container.clone()) {
                let (asked, who) = (self.asked.clone(), who(pod, &container, Run::Current));
                self.tasks.spawn(async move { follow(&asked, who).await });
            }
        }
        while self.tasks.try_join_next().is_some() {}
    }

    async fn watch(&mut self, from: &mut String) -> Result<(), Failure> {
        let query = self.query(&format!("&watch=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={from}"));
        let request = Request::get(query).body(Vec::new()).map_err(|e| Failure::Transport(e.to_string()))?;
        let mut body = self.asked.api.send(request, LIMIT, self.asked.now(), &self.asked.cx.meter).await?.into_body();
        let mut rest = Vec::new();
        // The server ends it after its time; silence beyond that is a dead line.
        while let Ok(Some(frame)) = tokio::time::timeout(Duration::from_secs(WATCH_SECONDS + 30), body.frame()).await {
            let Ok(data) = frame.map_err(|e| Failure::Transport(e.to_string()))?.into_data() else { continue };
            rest.extend_from_slice(&data);
            while let Some(end) = memchr::memchr(b'\n', &rest) {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let Ok(event) = serde_json::from_slice::<Event>(&line) else { continue };
                if event.kind == "ERROR" {
                    return Ok(());
                }
                let Ok(pod) = serde_json::from_value::<Pod>(event.object) else { continue };
                from.clone_from(&pod.metadata.resource_version);
                if event.kind == "ADDED" || event.kind == "MODIFIED" {
                    self.meet(&pod);
                }
            }
        }
        Ok(())
    }
}
