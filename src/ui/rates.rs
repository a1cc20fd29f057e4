//! What the sources cost their remotes a minute, from their totals.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::base::clock::Moment;
use crate::model::id::SourceId;
use crate::model::source::Load;
use crate::store::Store;

const EVERY: Duration = Duration::from_secs(5);
/// Looks kept: a minute of them.
const KEPT: usize = 13;

/// The totals of each source over the last minute.
#[derive(Debug, Default)]
pub struct Rates {
    looks: BTreeMap<SourceId, VecDeque<Load>>,
    times: VecDeque<Moment>,
}

impl Rates {
    /// Notes the totals; looks that follow each other too closely are left out.
    pub fn look(&mut self, store: &Store) {
        let now = store.now();
        if self.times.back().is_some_and(|at| now.since(*at) < EVERY) {
            return;
        }
        self.times.push_back(now);
        for s in store.sources() {
            let looks = self.looks.entry(s.id).or_default();
            looks.push_back(s.load);
            while looks.len() > KEPT {
                looks.pop_front();
            }
        }
        while self.times.len() > KEPT {
            self.times.pop_front();
        }
    }

    /// A minute's load of this source; `None` before there is enough to tell.
    pub fn a_minute(&self, id: SourceId) -> Option<Load> {
        let looks = self.looks.get(&id)?;
        let first = self.times.get(self.times.len().checked_sub(looks.len())?)?;
        let seconds = self.times.back()?.since(*first).as_secs();
        // What a start costs is not what a minute costs.
        if seconds < 20 {
            return None;
        }
        let (a, b) = (looks.front()?, looks.back()?);
        let rate = |from: u64, to: u64| (to.saturating_sub(from) * 60).checked_div(seconds);
        Some(Load {
            requests: rate(a.requests, b.requests)?,
            bytes_received: rate(a.bytes_received, b.bytes_received)?,
            bytes_sent: rate(a.bytes_sent, b.bytes_sent)?,
        })
    }
}
