//! F6: starts the sources, restarts them, carries out what panes ask for. Knows nothing of a terminal.

pub mod asker;
pub mod fleet;
mod group;
mod links;
pub mod log;
pub mod outlet;
pub mod run;
pub mod supervisor;
mod tunnel;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::clock::Clock;
use crate::base::redact::Redactor;
use crate::link::kube::{Api, Login};
use crate::model::ask::{Answer, AskId};
use crate::model::effect::{Inspection, RequestId};
use crate::model::fact::{Batch, Fact};
use crate::model::id::{Name, SourceId};
use crate::model::log::LogId;
use crate::model::source::{SourceState, SourceStatus, Subject};
use crate::port::{Asker, Inspect, Inspected, Source};

use asker::Questions;
use supervisor::Supervised;

/// Batches on their way to the store. Full means that the sources wait: what is under way of a large list stays a few megabytes.
pub const CHANNEL: usize = 64;

/// The source number under which answers to requests travel.
pub const REQUESTS: SourceId = SourceId(u32::MAX);

/// Shared by everything the engine runs.
#[derive(Clone, Debug)]
pub struct Ground {
    pub clock: Arc<dyn Clock>,
    pub redact: Redactor,
    pub batches: mpsc::Sender<Batch>,
    pub stop: CancellationToken,
}

/// Everything that runs behind the screen.
pub struct Engine {
    ground: Ground,
    questions: Arc<Questions>,
    supervised: Vec<Supervised>,
    inspectors: Vec<Arc<dyn Inspect>>,
    clusters: HashMap<Name, Arc<Api>>,
    subjects: Vec<Subject>,
    ways: Option<log::Ways>,
    /// Ends a log that is open.
    logs: HashMap<LogId, CancellationToken>,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("sources", &self.supervised.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// `answers` says whether a person is there to be asked.
    pub fn new(clock: Arc<dyn Clock>, redact: Redactor, answers: asker::Answers) -> (Self, mpsc::Receiver<Batch>) {
        let (batches, receiver) = mpsc::channel(CHANNEL);
        let ground = Ground { clock, redact, batches, stop: CancellationToken::new() };
        let questions = Arc::new(Questions::new(ground.clone(), answers));
        (
            Self {
                ground,
                questions,
                supervised: Vec::new(),
                inspectors: Vec::new(),
                clusters: HashMap::new(),
                subjects: Vec::new(),
                ways: None,
                logs: HashMap::new(),
                tasks: TaskTracker::new(),
            },
            receiver,
        )
    }

    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    pub fn asker(&self) -> Arc<dyn Asker> {
        self.questions.clone()
    }

    /// Starts a source; it is restarted until the engine stops.
    pub fn start(&mut self, source: Box<dyn Source>) -> SourceStatus {
        let id = SourceId(u32::try_from(self.supervised.len()).unwrap_or(u32::MAX - 1));
        self.subjects.push(source.subject());
        let (supervised, status) = Supervised::start(id, source, &self.ground, self.questions.clone(), &self.tasks);
        self.supervised.push(supervised);
        status
    }

    /// A row for something that cannot start at all.
    pub fn stillborn(&mut self, subject: Subject, error: String, remedy: String) -> SourceStatus {
        let id = SourceId(u32::try_from(self.supervised.len()).unwrap_or(u32::MAX - 1));
        self.supervised.push(Supervised::none());
        self.subjects.push(subject.clone());
        let now = self.ground.clock.now();
        SourceStatus { state: SourceState::Broken, error, remedy, ..SourceStatus::new(id, subject, std::time::Duration::from_secs(5), now) }
    }

    pub fn add_inspector(&mut self, inspector: Arc<dyn Inspect>) {
        self.inspectors.push(inspector);
    }

    pub fn add_cluster(&mut self, name: Name, api: Arc<Api>) {
        self.clusters.insert(name, api);
    }

    /// The APIs by name, for lookups.
    fn clusters(&self) -> HashMap<Name, Arc<Api>> {
        self.clusters.clone()
    }

    /// The credential plugin of a cluster, for a person to run in the terminal.
    pub async fn login(&self, cluster: &Name) -> Result<Login, String> {
        let api = self.clusters.get(cluster).ok_or_else(|| format!("{cluster} is no cluster of this configuration"))?;
        let login = api.login().await.map_err(|e| e.text)?;
        login.ok_or_else(|| format!("cluster {cluster} has no credential plugin to log in with; renew the token or certificate in its kubeconfig"))
    }

    /// Tries everything about a subject again now.
    pub fn retry_subject(&self, subject: &Subject) {
        for (supervised, _) in self.supervised.iter().zip(&self.subjects).filter(|(_, s)| *s == subject) {
            supervised.retry();
        }
    }

    /// Looks something up; the answer arrives as `Fact::Document` from [`REQUESTS`].
    pub fn inspect(&self, request: RequestId, subject: &Inspected, what: Inspection) {
        let found = self.inspectors.iter().find_map(|i| i.inspect(subject.clone(), what));
        let ground = self.ground.clone();
        self.tasks.spawn(async move {
            let result = match found {
                Some(work) => tokio::select! {
                    result = work => result,
                    () = ground.stop.cancelled() => return,
                },
                None => Err("there is nothing to look up for this kind of row; its detail is in the dock".to_owned()),
            };
            let result = result.map_err(|e| ground.redact.clean(&e));
            let _ = ground.batches.send(Batch { source: REQUESTS, at: ground.clock.now(), facts: vec![Fact::Document { request, result }] }).await;
        });
    }

    pub fn answer(&self, id: AskId, answer: Answer) {
        self.questions.answer(id, answer);
    }

    /// Tries a source again now, also one whose credentials were refused.
    pub fn retry(&self, id: SourceId) {
        if let Some(s) = self.supervised.get(id.0 as usize) {
            s.retry();
        }
    }

    /// Asks everything to end and waits for it, two seconds at most.
    pub async fn stop(self) {
        self.ground.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), self.tasks.wait()).await;
    }
}
