//! Logs: one [`Book`] for each that is open. All of them together keep no more than their share of memory.

pub mod book;
pub mod fields;
mod late;
pub mod merge;
pub mod query;
pub mod search;
pub mod shown;
pub mod target;

use std::collections::BTreeMap;

use book::Book;

use crate::base::clock::Moment;
use crate::model::limits::LogLimits;
use crate::model::log::{LogEvent, LogFact, LogId};

#[derive(Debug)]
pub struct Logs {
    books: BTreeMap<LogId, Book>,
    limits: LogLimits,
}

impl Logs {
    pub fn new(limits: LogLimits) -> Self {
        Self { books: BTreeMap::new(), limits }
    }

    pub fn book(&self, id: LogId) -> Option<&Book> {
        self.books.get(&id)
    }

    pub fn books(&self) -> impl ExactSizeIterator<Item = (LogId, &Book)> {
        self.books.iter().map(|(id, book)| (*id, book))
    }

    /// What all of them take in memory.
    pub fn size(&self) -> usize {
        self.books.values().map(Book::size).sum()
    }

    /// What comes for a log that was closed meanwhile is nobody's any more. Did anything change?
    pub(super) fn apply(&mut self, fact: LogFact, at: Moment) -> bool {
        let (stream_bytes, all_bytes) = self.limits.bytes();
        match fact.event {
            LogEvent::Opened => {
                self.books.insert(fact.log, Book::new(stream_bytes, all_bytes));
            }
            LogEvent::Closed => {
                self.books.remove(&fact.log);
            }
            event => match self.books.get_mut(&fact.log) {
                Some(book) => book.apply(event, at),
                None => return false,
            },
        }
        self.share(all_bytes);
        true
    }

    /// The largest gives way first.
    fn share(&mut self, most: usize) {
        while self.size() > most {
            let Some(largest) = self.books.values_mut().max_by_key(|b| b.ring().size()) else { return };
            if largest.evict_oldest() == 0 {
                return;
            }
        }
    }

    /// Lets go what waited for its turn; gives when to come back.
    pub(super) fn tick(&mut self, now: Moment) -> (bool, Option<Moment>) {
        let changed = self.books.values_mut().fold(false, |changed, book| book.tick(now) | changed);
        (changed, self.books.values().filter_map(Book::due).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::log::{Chunk, Mark, Speaker, Stamp, StreamId};

    #[test]
    fn all_logs_together_keep_within_their_cap() {
        let mut logs = Logs::new(LogLimits { stream_bytes: 1 << 20, all_bytes: 2 << 20 });
        for id in 0..4 {
            logs.apply(LogFact { log: LogId(id), event: LogEvent::Opened }, Moment(0));
            let speaker = Speaker::Kernel { host: "h".into() };
            logs.apply(LogFact { log: LogId(id), event: LogEvent::Stream { stream: StreamId(0), speaker } }, Moment(0));
            for _ in 0..40 {
                let marks = vec![Mark { start: 0, end: 1000, stamp: Stamp(0), cut: 0 }; 100];
                let chunk = Chunk { bytes: vec![b'x'; 1000].into(), marks };
                logs.apply(LogFact { log: LogId(id), event: LogEvent::Lines { stream: StreamId(0), chunk } }, Moment(0));
            }
        }
        assert!(logs.size() <= 2 << 20, "{}", logs.size());
        assert!(logs.books().all(|(_, b)| b.ring().lines() > 0));
        logs.apply(LogFact { log: LogId(0), event: LogEvent::Closed }, Moment(0));
        let late = LogFact { log: LogId(0), event: LogEvent::Lines { stream: StreamId(0), chunk: Chunk::default() } };
        assert!(!logs.apply(late, Moment(0)) && logs.book(LogId(0)).is_none());
    }
}
