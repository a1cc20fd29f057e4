//! Somebody who listens to the streams of one log: keeps every line in a real [`Book`], and everything that happened.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use quarterdeck::base::chunk::LONGEST_LINE;
use quarterdeck::base::clock::{Clock, SystemClock};
use quarterdeck::model::log::{LogEvent, Note, Speaker, StreamId, StreamState};
use quarterdeck::port::{LogCx, LogOut, Meter};
use quarterdeck::store::log::book::Book;
use tokio_util::sync::CancellationToken;

struct Ear {
    book: Mutex<Book>,
    next: AtomicU32,
    clock: Arc<dyn Clock>,
}

impl LogOut for Ear {
    fn stream(&self, speaker: Speaker) -> StreamId {
        let stream = StreamId(self.next.fetch_add(1, Ordering::Relaxed));
        self.book.lock().unwrap().apply(LogEvent::Stream { stream, speaker }, self.clock.now());
        stream
    }
    fn say(&self, event: LogEvent) -> BoxFuture<'_, ()> {
        self.book.lock().unwrap().apply(event, self.clock.now());
        async {}.boxed()
    }
}

pub struct Hear {
    ear: Arc<Ear>,
    stop: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Hear {
    /// Each of them speaks on one runtime, into one book.
    pub fn start(speak: impl FnOnce(&LogCx) -> Vec<BoxFuture<'static, ()>>) -> Self {
        let ear = Arc::new(Ear { book: Mutex::new(Book::new(96 << 20, 128 << 20)), next: AtomicU32::new(0), clock: Arc::new(SystemClock::default()) });
        let stop = CancellationToken::new();
        let cx = LogCx { out: ear.clone(), clock: ear.clock.clone(), meter: Arc::new(Meter::default()), longest_line: LONGEST_LINE, stop: stop.clone() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
        for future in speak(&cx) {
            runtime.spawn(future);
        }
        Self { ear, stop, runtime: Some(runtime) }
    }

    pub fn with<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        let mut book = self.ear.book.lock().unwrap();
        let _ = book.tick(self.ear.clock.now());
        look(&book)
    }

    /// All lines in the order in which they are shown.
    pub fn lines(&self) -> Vec<String> {
        self.with(|b| b.ring().from(0).filter(|l| b.note(l.number).is_none()).map(|l| String::from_utf8_lossy(l.bytes).into_owned()).collect())
    }

    pub fn notes(&self) -> Vec<Note> {
        self.with(|b| b.notes().map(|(_, (_, note))| note.clone()).collect())
    }

    pub fn all_ended(&self) -> bool {
        self.with(|b| b.streams().len() > 0 && b.streams().all(|(_, s)| s.state == StreamState::Ended))
    }

    #[track_caller]
    pub fn until<T>(&self, what: &str, limit: u64, probe: impl Fn(&Self) -> Option<T>) -> T {
        let start = std::time::Instant::now();
        loop {
            if let Some(found) = probe(self) {
                return found;
            }
            if start.elapsed() > Duration::from_secs(limit) * super::BUSY {
                let lines = self.lines();
                let tail = &lines[lines.len().saturating_sub(5)..];
                panic!("{what}: not within {limit} s; {} lines, the last {tail:?}; notes {:?}", lines.len(), self.notes());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a line that contains `text`.
    #[track_caller]
    pub fn line(&self, text: &str, limit: u64) {
        self.until(text, limit, |h| h.lines().iter().any(|l| l.contains(text)).then_some(()));
    }
}

impl Drop for Hear {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}
