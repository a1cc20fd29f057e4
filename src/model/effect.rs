//! What panes ask for. The engine carries it out; a pane never touches the network.

use super::ask::{Answer, AskId};
use super::id::{SourceId, Target};
use super::log::{LogId, LogQuery};

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
    /// Give the terminal to this command (an exec credential plugin, a pager) and take it back afterwards.
    Suspend(Errand),
    /// Draw every cell again: something else wrote to the terminal.
    Redraw,
    /// Stop for the shell's job control.
    Background,
    Quit,
}

/// A program that needs the terminal for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Run the exec credential plugin of this cluster interactively.
    Login(super::id::Name),
    /// Show this text in `$PAGER`.
    Page(String),
}

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
