//! Lines on their way to the store. A remote is never made to wait for the screen: it would cut us off or fall behind for
//! good. What does not fit is dropped, the oldest first, and counted where it is missing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, mpsc};

use crate::base::clock::Clock;
use crate::engine::REQUESTS;
use crate::model::fact::{Batch, Fact};
use crate::model::log::{GapCause, LogEvent, LogFact, LogId, Note, Speaker, StreamId};
use crate::port::LogOut;

/// Unsent bytes of one stream.
const MOST_OF_STREAM: usize = 4 << 20;
/// Unsent bytes of all streams of a log.
const MOST_OF_ALL: usize = 64 << 20;
/// Bytes that go to the store at once: the loop looks at its keys in between.
const AT_ONCE: usize = 512 << 10;

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<LogEvent>,
    bytes: usize,
    /// Lines and bytes that were dropped before the first of `events`.
    dropped: (u64, u64),
}

#[derive(Debug)]
pub(super) struct Outbox {
    log: LogId,
    clock: Arc<dyn Clock>,
    next: AtomicU32,
    queues: Mutex<BTreeMap<Option<StreamId>, Queue>>,
    filled: Notify,
}

fn size(event: &LogEvent) -> usize {
    match event {
        LogEvent::Lines { chunk, .. } => chunk.size(),
        _ => 0,
    }
}

impl Queue {
    fn put(&mut self, event: LogEvent, most: usize) {
        self.bytes += size(&event);
        self.events.push_back(event);
        while self.bytes > most {
            let oldest = self.events.iter().position(|e| matches!(e, LogEvent::Lines { .. }));
            let Some(LogEvent::Lines { chunk, .. }) = oldest.and_then(|at| self.events.remove(at)) else { return };
            self.bytes -= chunk.size();
            self.dropped.0 += chunk.lines() as u64;
            self.dropped.1 += chunk.bytes.len() as u64;
        }
    }

    /// The next one to send; a gap before it first.
    fn take(&mut self, stream: Option<StreamId>) -> Option<LogEvent> {
        let (lines, bytes) = std::mem::take(&mut self.dropped);
        if lines > 0 {
            return Some(LogEvent::Note { stream, note: Note::Gap { lines: Some(lines), bytes, cause: GapCause::Overflow } });
        }
        let event = self.events.pop_front()?;
        self.bytes -= size(&event);
        Some(event)
    }
}

impl Outbox {
    pub(super) fn new(log: LogId, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock, next: AtomicU32::new(0), queues: Mutex::default(), filled: Notify::new() }
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<Option<StreamId>, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, event: LogEvent) {
        let stream = match &event {
            LogEvent::Stream { stream, .. } | LogEvent::State { stream, .. } | LogEvent::Lines { stream, .. } => Some(*stream),
            LogEvent::Note { stream, .. } => *stream,
            LogEvent::Opened | LogEvent::Closed => None,
        };
        let mut queues = self.queues();
        let most = MOST_OF_STREAM.min(MOST_OF_ALL / queues.len().max(1));
        queues.entry(stream).or_default().put(event, most);
        drop(queues);
        self.filled.notify_one();
    }

    /// A fair share of what waits, every stream in its order.
    fn take(&self) -> Vec<Fact> {
        let mut queues = self.queues();
        let mut facts = Vec::new();
        let share = AT_ONCE / queues.len().max(1);
        for (stream, queue) in queues.iter_mut() {
            let mut bytes = 0;
            while bytes <= share
                && let Some(event) = queue.take(*stream)
            {
                bytes += size(&event);
                facts.push(Fact::Log(Box::new(LogFact { log: self.log, event })));
            }
        }
        facts
    }

    /// Sends until nobody listens.
    pub(super) async fn pump(&self, batches: &mpsc::Sender<Batch>) {
        loop {
            // Room first: while there is none, what waits may still be dropped.
            let Ok(room) = batches.reserve().await else { return };
            let facts = self.take();
            if facts.is_empty() {
                drop(room);
                self.filled.notified().await;
            } else {
                room.send(Batch { source: REQUESTS, at: self.clock.now(), facts });
            }
        }
    }
}

impl LogOut for Outbox {
    fn stream(&self, speaker: Speaker) -> StreamId {
        let stream = StreamId(self.next.fetch_add(1, Ordering::Relaxed));
        self.put(LogEvent::Stream { stream, speaker });
        stream
    }

    fn say(&self, event: LogEvent) -> BoxFuture<'_, ()> {
        self.put(event);
        async {}.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::SystemClock;
    use crate::model::log::{Chunk, Mark, Stamp};

    #[tokio::test]
    async fn what_nobody_takes_is_dropped_and_counted_where_it_is_missing() {
        let out = Outbox::new(LogId(1), Arc::new(SystemClock::default()));
        let stream = out.stream(Speaker::Kernel { host: "h".into() });
        let mark = Mark { start: 0, end: 999, stamp: Stamp(0), cut: 0 };
        for _ in 0..10_000 {
            out.say(LogEvent::Lines { stream, chunk: Chunk { bytes: vec![b'x'; 1000].into(), marks: vec![mark] } }).await;
        }
        let (batches, mut receiver) = mpsc::channel(4);
        let mut kept = 0;
        let mut dropped = 0;
        let mut first = None;
        tokio::select! {
            () = out.pump(&batches) => {}
            () = async {
                while kept + dropped < 10_000 {
                    for fact in receiver.recv().await.unwrap().facts {
                        let Fact::Log(fact) = fact else { panic!("{fact:?}") };
                        match fact.event {
                            LogEvent::Lines { chunk, .. } => kept += chunk.lines() as u64,
                            LogEvent::Note { note: Note::Gap { lines: Some(lines), bytes, cause: GapCause::Overflow }, .. } => {
                                assert_eq!((kept, bytes), (0, lines * 1000), "the oldest went");
                                dropped += lines;
                            }
                            other => { first.get_or_insert(other); }
                        }
                    }
                }
            } => {}
        }
        assert!(matches!(first, Some(LogEvent::Stream { .. }) | None));
        assert_eq!(kept + dropped, 10_000);
        assert!((3000..=4194).contains(&kept), "{kept}");
    }
}
