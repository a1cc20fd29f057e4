//! Facts on their way out: in chunks, and none held for long.

use std::time::Duration;

use crate::base::clock::Stopwatch;
use crate::model::fact::Fact;
use crate::port::Sink;

/// So many facts make a chunk. The vector of one is as large whatever is in it, and as many as the channel holds are under way.
const CHUNK: usize = 128;
/// So long the first fact of a chunk waits for more.
const WAIT: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Outbox {
    pub(super) facts: Vec<Fact>,
    since: Option<Stopwatch>,
}

impl Outbox {
    /// Call after facts were added: sends those that are due.
    pub(super) async fn pass(&mut self, out: &dyn Sink) {
        if self.facts.is_empty() {
            return;
        }
        let since = *self.since.get_or_insert_with(Stopwatch::start);
        if self.facts.len() >= CHUNK || since.elapsed() >= WAIT {
            self.flush(out).await;
        }
    }

    pub(super) async fn flush(&mut self, out: &dyn Sink) {
        self.since = None;
        if !self.facts.is_empty() {
            out.send(std::mem::take(&mut self.facts)).await;
        }
    }

    /// How long until the held facts are due; `None` when there are none.
    pub(super) fn due(&self) -> Option<Duration> {
        (!self.facts.is_empty()).then(|| self.since.map_or(Duration::ZERO, |s| WAIT.saturating_sub(s.elapsed())))
    }
}
