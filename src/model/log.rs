//! What can speak, what is asked of it, and what it says. Bytes first: a log fact is a chunk, never a string a line.

use serde::{Deserialize, Serialize};

pub use crate::base::chunk::{Chunk, Mark};
pub use crate::base::stamp::Stamp;

use super::id::{GroupKey, Name, Uid};
use super::workload::WorkloadKind;
use crate::base::clock::Moment;

/// Numbers the logs that are open in one cockpit: one for each pane that shows some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u32);

/// Numbers the streams of one open log: a container of a pod, a file, a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// What one log shows: everything that `targets` say, merged.
#[derive(Clone, Debug, PartialEq)]
pub struct LogQuery {
    pub targets: Vec<LogTarget>,
    pub window: Window,
    pub mode: Mode,
    /// `None`: what the configuration says of a file, else UTF-8.
    pub encoding: Option<Encoding>,
}

impl LogQuery {
    /// Follows `target` from its last `tail` lines on.
    pub fn follow(target: LogTarget, tail: u64) -> Self {
        Self { targets: vec![target], window: Window { tail: Some(tail), ..Window::default() }, mode: Mode::Follow, encoding: None }
    }
}

/// Which part of what was said before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub since: Option<Moment>,
    pub until: Option<Moment>,
    /// Lines of each stream, counted from its end.
    pub tail: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What is there, then the end.
    Once,
    /// Also what is yet to come.
    Follow,
}

/// Something that speaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogTarget {
    Pod {
        cluster: Name,
        namespace: Name,
        name: Name,
        /// Its namesake after it was made anew is another pod. `None`: whichever has the name.
        uid: Option<Uid>,
        containers: Containers,
        run: Run,
    },
    /// All pods of it, also those that it makes later.
    Workload {
        cluster: Name,
        namespace: Name,
        kind: WorkloadKind,
        name: Name,
        containers: Containers,
    },
    /// All pods with these labels, also later ones. `None`: in every namespace.
    Selector {
        cluster: Name,
        namespace: Option<Name>,
        selector: String,
        containers: Containers,
    },
    /// A container on a host, by name or id.
    Container {
        host: Name,
        name: Name,
        runtime: Name,
    },
    File {
        host: Name,
        path: String,
    },
    /// A systemd unit's journal.
    Unit {
        host: Name,
        unit: Name,
    },
    Kernel {
        host: Name,
    },
    /// What a host itself says: its journal where it keeps one, and the files that the configuration names.
    Host {
        host: Name,
    },
    /// The logs that the configuration names for a group of middleware.
    Middleware(GroupKey),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Containers {
    /// Init containers included.
    All,
    Init,
    Named(Name),
}

/// Which life of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Run {
    Current,
    /// The one before its last restart.
    Previous,
}

/// How the bytes of a log are letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    #[default]
    Utf8,
    /// GB 18030, which contains GBK and GB 2312.
    Gb18030,
}

impl Encoding {
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Some(Self::Utf8),
            "gb18030" | "gbk" | "gb2312" => Some(Self::Gb18030),
            _ => None,
        }
    }
}

/// Who a stream is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Speaker {
    Pod { cluster: Name, namespace: Name, pod: Name, container: Name },
    Container { host: Name, name: Name },
    File { host: Name, path: Name },
    Unit { host: Name, unit: Name },
    Kernel { host: Name },
}

impl Speaker {
    /// Where it speaks: the pod or the host.
    pub fn place(&self) -> &Name {
        match self {
            Self::Pod { pod, .. } => pod,
            Self::Container { host, .. } | Self::File { host, .. } | Self::Unit { host, .. } | Self::Kernel { host } => host,
        }
    }

    /// Which part of the place it is: the container, the file, the unit.
    pub fn part(&self) -> &str {
        match self {
            Self::Pod { container, .. } => container,
            Self::Container { name, .. } => name,
            Self::File { path, .. } => path,
            Self::Unit { unit, .. } => unit,
            Self::Kernel { .. } => "kernel",
        }
    }
}

impl std::fmt::Display for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Its path begins with a slash of its own; so it is written in a query too.
            Self::File { host, path } => write!(f, "{host}:{path}"),
            _ => write!(f, "{}/{}", self.place(), self.part()),
        }
    }
}

/// How a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// Asked, nothing heard yet.
    Opening,
    Live,
    /// Cut, refused or not there for now; it is tried again.
    Waiting,
    /// Nothing more will come.
    Ended,
}

/// Something about a stream that is no line of its own, shown where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A new stream of this log.
    Joined,
    /// Something is missing here. `lines` where they could be counted.
    Gap { lines: Option<u64>, bytes: u64, cause: GapCause },
    /// The account may not read it. The others go on.
    Denied { text: String },
    /// It cannot be read for now; it is tried again.
    Failed { text: String },
    /// The stream was cut; it is opened again where it stopped.
    Cut { text: String },
    /// It goes on exactly where it was cut.
    Resumed,
    /// The container was started anew, for the n-th time.
    Restarted { count: u32 },
    /// The file was renamed and another one has its name.
    Rotated,
    /// The file was emptied and begins again.
    Truncated,
    /// Nothing more will come, and why.
    Ended { text: String },
}

/// Why something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapCause {
    /// It came faster than it could be taken.
    Overflow,
    /// It was rotated away before it was read.
    Rotation,
    /// Where the stream was cut the remote no longer has the line that was read last.
    Lost,
}

/// What a log's source says.
#[derive(Clone, Debug, PartialEq)]
pub struct LogFact {
    pub log: LogId,
    pub event: LogEvent,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LogEvent {
    /// A pane wants lines: from now on they are kept.
    Opened,
    /// Nobody wants them any more.
    Closed,
    Stream {
        stream: StreamId,
        speaker: Speaker,
    },
    State {
        stream: StreamId,
        state: StreamState,
    },
    Lines {
        stream: StreamId,
        chunk: Chunk,
    },
    /// `None`: about the log as a whole.
    Note {
        stream: Option<StreamId>,
        note: Note,
    },
}
