//! Logs of pods, over the API server: `GET .../pods/NAME/log`, one request a container.

mod container;
mod gather;
mod object;
mod patience;

use std::sync::Arc;
use std::time::Duration;

use super::window;
use crate::base::clock::Moment;
use crate::link::kube::{Api, Failure};
use crate::model::log::{Encoding, LogQuery, LogTarget, Mode, Note, Window};
use crate::port::LogCx;

/// What all requests of one log share.
#[derive(Clone, Debug)]
pub struct Asked {
    pub api: Arc<Api>,
    pub window: Window,
    pub mode: Mode,
    pub encoding: Encoding,
    pub stamps: Wanted,
    pub cx: LogCx,
}

/// Does anybody look at the stamps?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Stamps,
    /// Only the bytes count. The server is spared the stamps, a third of what it would have to write.
    Bytes,
}

impl Asked {
    pub fn new(api: Arc<Api>, query: &LogQuery, stamps: Wanted, cx: LogCx) -> Self {
        // Without stamps nothing can be cut by time, merged or carried on behind the last of so many lines.
        let plain = query.mode == Mode::Once
            && query.window == Window::default()
            && matches!(query.targets.as_slice(), [LogTarget::Pod { .. }])
            && query.encoding.unwrap_or_default() == Encoding::Utf8;
        let stamps = if plain { stamps } else { Wanted::Stamps };
        Self { api, window: query.window, mode: query.mode, encoding: query.encoding.unwrap_or_default(), stamps, cx }
    }

    /// For so many streams: only one that is alone needs no stamps.
    fn of_streams(&self, count: usize) -> Self {
        let stamps = if count == 1 { self.stamps } else { Wanted::Stamps };
        Self { stamps, ..self.clone() }
    }

    fn now(&self) -> Moment {
        self.cx.clock.now()
    }

    /// Waits; `true` when the log was closed meanwhile.
    async fn pause(&self, wait: Duration) -> bool {
        tokio::select! {
            () = self.cx.stop.cancelled() => true,
            () = tokio::time::sleep(wait) => false,
        }
    }
}

/// Says everything that `target` says until that has an end or the log is closed. Not for targets on hosts.
pub async fn run(asked: Asked, target: LogTarget) {
    let ended = match target {
        LogTarget::Pod { namespace, name, uid, containers, run, .. } => gather::pod(&asked, &namespace, &name, uid, &containers, run).await,
        LogTarget::Workload { namespace, kind, name, containers, .. } => gather::workload(&asked, &namespace, kind, &name, &containers).await,
        LogTarget::Selector { namespace, selector, containers, .. } => gather::selector(&asked, namespace.as_ref(), &selector, &containers).await,
        LogTarget::Container { .. }
        | LogTarget::File { .. }
        | LogTarget::Unit { .. }
        | LogTarget::Kernel { .. }
        | LogTarget::Host { .. }
        | LogTarget::Middleware(_) => Ok(()),
    };
    if let Err(failure) = ended {
        asked.cx.remark(told(&failure)).await;
    }
}

/// A refusal as what the reader sees of it.
fn told(failure: &Failure) -> Note {
    match failure {
        Failure::Status { code: http::StatusCode::FORBIDDEN, text, .. } => Note::Denied { text: text.clone() },
        Failure::Unauthorized(text) => Note::Denied { text: format!("our credentials are not accepted: {text}") },
        other => Note::Failed { text: other.to_string() },
    }
}
