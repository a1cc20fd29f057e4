//! A source's way out: it stamps the facts, keeps the source's own status, and waits when the store is behind.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use crate::base::clock::Clock;
use crate::base::redact::Redactor;
use crate::base::text;
use crate::model::fact::{Batch, Fact};
use crate::model::source::{SourceState, SourceStatus};
use crate::port::{Meter, Sink, SourceError};

#[derive(Debug)]
pub struct Outlet {
    status: Mutex<SourceStatus>,
    batches: mpsc::Sender<Batch>,
    clock: Arc<dyn Clock>,
    redact: Redactor,
    meter: Arc<Meter>,
}

impl Outlet {
    pub fn new(status: SourceStatus, ground: &super::Ground, meter: Arc<Meter>) -> Self {
        Self { status: Mutex::new(status), batches: ground.batches.clone(), clock: ground.clock.clone(), redact: ground.redact.clone(), meter }
    }

    fn change(&self, how: impl FnOnce(&mut SourceStatus)) -> SourceStatus {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        how(&mut status);
        status.load = self.meter.read();
        status.clone()
    }

    /// Notes the state; `since` moves only when the state does.
    pub async fn set(&self, state: SourceState, error: &str, remedy: &str, retry_at: Option<crate::base::clock::Moment>) {
        let now = self.clock.now();
        let error = text::clean(&self.redact.clean(error)).into_owned();
        let status = self.change(|s| {
            if s.state != state {
                s.since = now;
            }
            s.state = state;
            s.error = error;
            remedy.clone_into(&mut s.remedy);
            s.retry_at = retry_at;
            if state.is_live() {
                s.answered_at = Some(now);
            }
        });
        self.put(vec![Fact::Source(status)]).await;
    }

    async fn put(&self, facts: Vec<Fact>) {
        let (source, at) = (self.status.lock().unwrap_or_else(PoisonError::into_inner).id, self.clock.now());
        let _ = self.batches.send(Batch { source, at, facts }).await;
    }
}

impl Sink for Outlet {
    fn send(&self, facts: Vec<Fact>) -> BoxFuture<'_, ()> {
        Box::pin(self.put(facts))
    }

    fn answered(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.set(SourceState::Live, "", "", None))
    }

    fn complete(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let status = self.change(|s| s.complete = true);
            self.put(vec![Fact::Source(status)]).await;
        })
    }

    fn trouble(&self, error: SourceError) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.set(error.state, &error.text, &error.remedy, None).await })
    }
}
