//! Logs of a host: its files, its journal, its kernel, its containers. All of them share one channel.

mod command;
mod file;
mod journal;
mod kernel;
mod mux;

use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Moment;
use crate::base::text::clean;
use crate::model::id::Name;
use crate::model::log::{Encoding, LogQuery, Mode, Note, StreamId, StreamState, Window};
use crate::model::source::SourceState;
use crate::port::{LogCx, SourceError};

pub use mux::Mux;

/// What all logs of one host share.
#[derive(Clone, Debug)]
pub struct Asked {
    pub mux: Arc<Mux>,
    pub window: Window,
    pub mode: Mode,
    pub encoding: Encoding,
    pub cx: LogCx,
}

/// Something of a host that speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speaks {
    File(String),
    /// One unit, or the whole journal.
    Journal(Option<Name>),
    Kernel,
    /// Runtime, then name or id.
    Container(Name, Name),
    /// The whole journal; where there is none, the kernel.
    Itself,
}

impl Asked {
    /// `encoding`: what the configuration says; the query's own goes before it.
    pub fn new(mux: Arc<Mux>, query: &LogQuery, encoding: Encoding, cx: LogCx) -> Self {
        Self { mux, window: query.window, mode: query.mode, encoding: query.encoding.unwrap_or(encoding), cx }
    }

    fn now(&self) -> Moment {
        self.cx.clock.now()
    }

    async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            () = self.cx.stop.cancelled() => true,
            () = tokio::time::sleep(wait) => false,
        }
    }
}

/// Says it to its end, or until the log is closed.
pub async fn run(asked: Asked, what: Speaks) {
    match what {
        Speaks::File(path) => file::follow(&asked, &path).await,
        Speaks::Journal(unit) => journal::follow(&asked, unit.as_ref()).await,
        Speaks::Kernel => kernel::follow(&asked).await,
        Speaks::Container(runtime, name) => command::container(&asked, &runtime, &name).await,
        Speaks::Itself => journal::follow_or_kernel(&asked).await,
    }
}

/// What was said last of why a stream does not speak, so that it is said once.
#[derive(Debug, Default)]
struct Trouble {
    said: String,
    is_cut: bool,
}

impl Trouble {
    /// It cannot be read now. Tells whether it may be tried again by itself.
    async fn told(&mut self, asked: &Asked, stream: StreamId, error: &SourceError) -> bool {
        let text = if error.remedy.is_empty() { error.text.clone() } else { format!("{}; {}", error.text, error.remedy) };
        let text = clean(&text).into_owned();
        let again = matches!(error.state, SourceState::Unreachable | SourceState::Stale | SourceState::Connecting);
        if self.said != text {
            let note = match error.state {
                SourceState::NoRight | SourceState::AuthLost => Note::Denied { text: text.clone() },
                _ => Note::Failed { text: text.clone() },
            };
            self.said = text;
            asked.cx.note(stream, note).await;
        }
        asked.cx.state(stream, if again { StreamState::Waiting } else { StreamState::Ended }).await;
        again
    }

    /// The channel broke under it.
    async fn cut(&mut self, asked: &Asked, stream: StreamId) {
        if !std::mem::replace(&mut self.is_cut, true) {
            asked.cx.note(stream, Note::Cut { text: format!("the connection to {} was lost", asked.mux.host) }).await;
        }
        asked.cx.state(stream, StreamState::Waiting).await;
    }

    /// It speaks (again).
    async fn over(&mut self, asked: &Asked, stream: StreamId) {
        self.said.clear();
        if std::mem::take(&mut self.is_cut) {
            asked.cx.note(stream, Note::Resumed).await;
        }
        asked.cx.state(stream, StreamState::Live).await;
    }
}
