//! F3: traits only. The border between what is known and how it is reached.

pub mod action;
pub mod shell;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::base::clock::Clock;
use crate::base::redact::Redactor;
use crate::model::ask::{Answer, AskKind};
use crate::model::effect::{Document, Inspection};
use crate::model::fact::{Fact, Row};
use crate::model::id::{Name, SourceId};
use crate::model::log::{Chunk, LogEvent, Note, Speaker, StreamId, StreamState};
use crate::model::source::{Load, SourceState, Subject};

/// Where a source's facts go. Waits when the cockpit is behind: a slow screen slows its sources, it never fills the memory.
pub trait Sink: Send + Sync {
    fn send(&self, facts: Vec<Fact>) -> BoxFuture<'_, ()>;
    /// The remote has answered, with news or without: its rows are fresh and the source is live.
    fn answered(&self) -> BoxFuture<'_, ()>;
    /// The first whole picture is there: every listing has ended, every rate has its second sample. `status` waits for it.
    fn complete(&self) -> BoxFuture<'_, ()>;
    /// The source goes on by itself but is not live for now (a watch that is being reopened, a refused login).
    fn trouble(&self, error: SourceError) -> BoxFuture<'_, ()>;
}

/// Puts a question to a person. Without a terminal every question is answered `None` at once.
pub trait Asker: Send + Sync {
    fn ask(&self, kind: AskKind, about: Name, prompt: String) -> BoxFuture<'_, Option<Answer>>;
}

/// Everything a source may use beside its own link.
#[derive(Clone)]
pub struct Cx {
    pub source: SourceId,
    pub out: Arc<dyn Sink>,
    pub ask: Arc<dyn Asker>,
    pub clock: Arc<dyn Clock>,
    pub redact: Redactor,
    pub meter: Arc<Meter>,
    pub stop: CancellationToken,
}

impl fmt::Debug for Cx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Something that says facts until it is stopped or breaks.
pub trait Source: Send {
    fn subject(&self) -> Subject;
    /// How often it asks; what is older than three of these is stale.
    fn every(&self) -> Duration;
    /// Runs until `cx.stop` or until it breaks. An error hands it back to the supervisor, which waits and calls again,
    /// except after [`SourceState::AuthLost`]: that waits for a person.
    fn run(&mut self, cx: Cx) -> BoxFuture<'_, Result<(), SourceError>>;
}

/// Takes what the streams of one log say.
pub trait LogOut: Send + Sync {
    /// One more stream; the number that it has from now on.
    fn stream(&self, speaker: Speaker) -> StreamId;
    /// May wait where its reader is behind and wants every line.
    fn say(&self, event: LogEvent) -> BoxFuture<'_, ()>;
}

/// Everything that the streams of one log may use beside their own link.
#[derive(Clone)]
pub struct LogCx {
    pub out: Arc<dyn LogOut>,
    pub clock: Arc<dyn Clock>,
    pub meter: Arc<Meter>,
    /// Of a longer line only so many bytes are kept.
    pub longest_line: usize,
    pub stop: CancellationToken,
}

impl fmt::Debug for LogCx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogCx")
    }
}

impl LogCx {
    pub async fn state(&self, stream: StreamId, state: StreamState) {
        self.out.say(LogEvent::State { stream, state }).await;
    }

    pub async fn note(&self, stream: StreamId, note: Note) {
        self.out.say(LogEvent::Note { stream: Some(stream), note }).await;
    }

    /// About the log as a whole.
    pub async fn remark(&self, note: Note) {
        self.out.say(LogEvent::Note { stream: None, note }).await;
    }

    pub async fn lines(&self, stream: StreamId, chunk: Chunk) {
        if !chunk.is_empty() {
            self.out.say(LogEvent::Lines { stream, chunk }).await;
        }
    }

    /// The last word of a stream.
    pub async fn end(&self, stream: StreamId, why: impl Into<String> + Send) {
        self.note(stream, Note::Ended { text: why.into() }).await;
        self.state(stream, StreamState::Ended).await;
    }
}

/// Looks one object up on demand (`y`, `d`). The row comes as it was shown, so that what is fetched is what was seen.
pub trait Inspect: Send + Sync {
    /// `None` where this inspector does not know the target.
    fn inspect(&self, subject: Inspected, what: Inspection) -> Option<BoxFuture<'static, Result<Document, String>>>;
}

/// Enough of a row to find the object again.
#[derive(Clone, Debug, PartialEq)]
pub enum Inspected {
    Vm { host: Name, name: Name },
    Container { host: Name, id: Name, runtime: Name },
    Node { cluster: Name, name: Name },
    Pod { cluster: Name, namespace: Name, name: String, uid: crate::model::id::Uid },
    Workload { cluster: Name, namespace: Name, name: Name, kind: crate::model::workload::WorkloadKind },
}

/// Why a source is not live, and what a person can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SourceError {
    pub state: SourceState,
    /// What happened, in the remote's words where it gave any.
    pub text: String,
    /// The next thing to do; empty where waiting is all there is.
    pub remedy: String,
}

impl SourceError {
    pub fn new(state: SourceState, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state, text: text.into(), remedy: remedy.into() }
    }
    pub fn unreachable(text: impl Into<String>) -> Self {
        Self::new(SourceState::Unreachable, text, "")
    }
}

/// Counts what a source costs its remote.
#[derive(Debug, Default)]
pub struct Meter {
    requests: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Meter {
    pub fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    pub fn read(&self) -> Load {
        Load {
            requests: self.requests.load(Ordering::Relaxed),
            bytes_received: self.received.load(Ordering::Relaxed),
            bytes_sent: self.sent.load(Ordering::Relaxed),
        }
    }
}

/// Shorthand for the facts of one table.
pub trait IntoFact: Row {
    fn fact(change: crate::model::fact::Change<Self>) -> Fact;
}

macro_rules! into_fact {
    ($($row:ident $module:ident),*) => {$(
        impl IntoFact for crate::model::$module::$row {
            fn fact(change: crate::model::fact::Change<Self>) -> Fact {
                Fact::$row(Box::new(change))
            }
        }
    )*};
}
into_fact!(Host host, Vm vm, Container container, Cluster cluster, Node node, Pod pod, Workload workload, Event event, Group group);
