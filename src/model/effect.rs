//! What panes ask for. The engine carries it out; a pane never touches the network.

use super::ask::{Answer, AskId};
use super::id::{SourceId, Target};
use super::log::{LogId, LogQuery};
use std::io::{self, Write};
use std::sync::Arc;

/// Numbers the requests of one cockpit, so that a late answer does not land in another dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

#[derive(Clone, Debug)]
pub enum Effect {
    /// Look something up about one object; the answer is `Fact::Document`.
    Inspect {
        request: RequestId,
        target: Target,
        what: Inspection,
    },
    Answer {
        id: AskId,
        answer: Answer,
    },
    /// Try this source again now, also after its credentials were refused.
    Retry(SourceId),
    /// Lines for a pane: what the query says goes to the store's book of this number until it is closed.
    OpenLog {
        log: LogId,
        query: LogQuery,
    },
    CloseLog(LogId),
    /// Into the terminal's clipboard, by OSC 52.
    Copy(String),
    /// To a file, the terminal's size and colour left out.
    Save {
        path: String,
        text: String,
    },
    /// The same for a text that is too large to be held as one.
    SaveLarge {
        path: String,
        text: LargeText,
    },
    /// Everything that a query finds from its start, asked anew, to a file with this header. The answer is a notice.
    SaveLog {
        path: String,
        query: LogQuery,
        header: String,
    },
    /// Give the terminal to this command (an exec credential plugin, a pager) and take it back afterwards.
    Suspend(Errand),
    /// A command that whoever started the cockpit added.
    Call {
        verb: String,
        argument: String,
    },
    /// Draw every cell again: something else wrote to the terminal.
    Redraw,
    /// Stop for the shell's job control.
    Background,
    /// The playbooks and the runs that there are; the answer goes to the seat.
    Books,
    /// Start with this one: its questions, its plan, its run. The options are those of `playbook run`.
    OpenBook {
        what: super::run::Chosen,
        options: String,
    },
    /// A person's answer to what the run asked.
    RunReply {
        id: u64,
        reply: super::run::RunReply,
    },
    /// Changes are allowed for so many seconds, or not any more. It is written down who said so.
    Armed(Option<u64>),
    Quit,
}

/// A program that needs the terminal for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Run the exec credential plugin of this cluster interactively.
    Login(super::id::Name),
    /// Show this text in `$PAGER`.
    Page(String),
    PageLarge(LargeText),
}

type WriteOut = dyn Fn(&mut dyn Write) -> io::Result<u64> + Send + Sync;

/// A text that writes itself where it is wanted, and says how many lines it wrote.
#[derive(Clone)]
pub struct LargeText(Arc<WriteOut>);

impl LargeText {
    pub fn new(write: impl Fn(&mut dyn Write) -> io::Result<u64> + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    pub fn write_to(&self, out: &mut dyn Write) -> io::Result<u64> {
        (self.0)(out)
    }
}

impl std::fmt::Debug for LargeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LargeText")
    }
}

impl PartialEq for LargeText {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for LargeText {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inspection {
    Yaml,
    Describe,
}

/// A text about one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    pub title: String,
    pub lines: Vec<String>,
}
