//! Runs one source for ever: back-off with jitter between tries, none at all after its credentials were refused.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::Ground;
use super::outlet::Outlet;
use crate::base::backoff::Backoff;
use crate::model::id::SourceId;
use crate::model::source::{SourceState, SourceStatus};
use crate::port::{Asker, Cx, Meter, Source, SourceError};

/// The first and the longest wait before a broken source is tried again.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A run that lasted this long was a success, and the next failure starts the waits over.
const GOOD_RUN: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct Supervised {
    again: Arc<Notify>,
}

impl Supervised {
    pub(super) fn none() -> Self {
        Self { again: Arc::new(Notify::new()) }
    }

    pub(super) fn retry(&self) {
        self.again.notify_one();
    }

    pub(super) fn start(id: SourceId, mut source: Box<dyn Source>, ground: &Ground, ask: Arc<dyn Asker>, tasks: &TaskTracker) -> (Self, SourceStatus) {
        let status = SourceStatus::new(id, source.subject(), source.every(), ground.clock.now());
        let meter = Arc::new(Meter::default());
        let outlet = Arc::new(Outlet::new(status.clone(), ground, meter.clone()));
        let again = Arc::new(Notify::new());
        let cx =
            Cx { source: id, out: outlet.clone(), ask, clock: ground.clock.clone(), redact: ground.redact.clone(), meter, stop: ground.stop.child_token() };
        let retry = again.clone();
        let name = status.subject.name().clone();
        tasks.spawn(async move {
            let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, 0x9e37_79b9 ^ (u64::from(id.0) << 8));
            loop {
                let started = cx.clock.now();
                let error = tokio::select! {
                    end = AssertUnwindSafe(source.run(cx.clone())).catch_unwind() => match end {
                        Ok(Ok(())) => return,
                        Ok(Err(error)) => error,
                        // One source's bug is that source's row, not the end of the cockpit.
                        Err(_) => SourceError::new(SourceState::Broken, "this source has a bug and stopped; the log says where", "see the log folder that `quarterdeck config paths` names, and report it"),
                    },
                    () = cx.stop.cancelled() => return,
                };
                tracing::warn!(source = %name, state = error.state.word(), error = %cx.redact.clean(&error.text), "source ended");
                if cx.clock.now().since(started) > GOOD_RUN {
                    backoff.reset();
                }
                // Refused credentials stay refused: trying again by itself locks accounts (faillock, fail2ban, MySQL's host block).
                let wait = if error.state == SourceState::AuthLost { None } else { Some(backoff.next()) };
                outlet.set(error.state, &error.text, &error.remedy, wait.map(|w| cx.clock.now().plus(w))).await;
                tokio::select! {
                    () = cx.stop.cancelled() => return,
                    () = retry.notified() => backoff.reset(),
                    () = async { match wait { Some(wait) => tokio::time::sleep(wait).await, None => std::future::pending().await } } => {}
                }
                // Still what it was, only trying: the row keeps saying since when it is lost.
                outlet.set(error.state, &error.text, &error.remedy, None).await;
            }
        });
        (Self { again }, status)
    }
}
