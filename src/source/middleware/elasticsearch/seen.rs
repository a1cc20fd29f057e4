//! What one node said in one poll, with what only time tells.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Explanation, Health, Indicator, Plugin, Recovery, Root, Shard, State, Stats};
use super::watermark::Settings;
use crate::base::clock::Moment;
use crate::model::fact::Denied;

#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub root: Root,
    /// The node's own id; empty where the account may not see it.
    pub id: String,
    pub door: Door,
    /// A client's round trip: `GET /`, there and back.
    pub round_trip: Duration,
    /// Its own view, which it also has while there is no master.
    pub health: Option<Health>,
    pub state: Option<State>,
    pub stats: Option<Stats>,
    pub slow: Arc<Slow>,
    /// What it found out about the cluster through the master; of the one node only that is asked.
    pub whole: Option<Arc<Whole>>,
    /// A question that it turned away for lack of memory, in its words.
    pub overloaded: Option<String>,
    pub denied: Vec<Denied>,
    pub trend: Trend,
}

/// What a node answers when nobody logs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    #[default]
    Locked,
    /// Whoever reaches it is let in.
    Open,
}

/// Asked once a minute.
#[derive(Clone, Debug, Default)]
pub struct Slow {
    pub at: Moment,
    /// `None` where the account may not see them.
    pub plugins: Option<Vec<Plugin>>,
}

/// The cluster through its master.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// `None` when no master answers.
    pub health: Option<Health>,
    /// In the server's words, why not.
    pub refusal: Option<String>,
    pub unassigned: Vec<Shard>,
    pub explained: Vec<Explanation>,
    pub recoveries: Vec<Recovery>,
    /// What the first pending tasks are for.
    pub tasks: Vec<String>,
    pub rules: Arc<Rules>,
}

/// Asked once a minute, of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub at: Moment,
    pub settings: Settings,
    /// The ids of the nodes whose votes count.
    pub voters: Vec<String>,
    /// Node id -> the address that its clients are told.
    pub announced: BTreeMap<String, String>,
    pub report: Vec<(String, Indicator)>,
}

/// Samples of the heap that are kept: what is in use just before a collection says nothing.
const HEAPS: usize = 12;

/// Carried from poll to poll.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    /// The last samples, in percent.
    pub heap: VecDeque<f64>,
    /// Pool, rejections a second; only those that have any.
    pub rejected: Vec<(String, f64)>,
    /// Breaker, trips since the poll before.
    pub tripped: Vec<(String, u64)>,
    /// Time spent in old collections.
    pub gc_percent: Option<f64>,
    /// Polls in a row in which its colour differed from that of most others.
    pub odd: u32,
}

impl Trend {
    pub fn of(now: Moment, stats: Option<&Stats>, before: Option<(&Seen, Moment)>) -> Self {
        let mut trend = Self { heap: before.map(|(b, _)| b.trend.heap.clone()).unwrap_or_default(), ..Self::default() };
        let Some(stats) = stats else { return trend };
        if let Some(percent) = stats.jvm.mem.heap_used_percent {
            trend.heap.push_back(percent);
            while trend.heap.len() > HEAPS {
                trend.heap.pop_front();
            }
        }
        let Some((old, at)) = before.and_then(|(b, at)| Some((b.stats.as_ref()?, at))) else { return trend };
        let seconds = now.since(at).as_secs_f64();
        // A restart sets every counter back.
        if seconds <= 0.0 || stats.jvm.uptime_in_millis < old.jvm.uptime_in_millis {
            trend.heap.drain(..trend.heap.len().saturating_sub(1));
            return trend;
        }
        for (pool, new) in &stats.thread_pool {
            let more = new.rejected.saturating_sub(old.thread_pool.get(pool).map_or(new.rejected, |o| o.rejected));
            if more > 0 {
                trend.rejected.push((pool.clone(), more as f64 / seconds));
            }
        }
        for (breaker, new) in &stats.breakers {
            let more = new.tripped.saturating_sub(old.breakers.get(breaker).map_or(new.tripped, |o| o.tripped));
            if more > 0 {
                trend.tripped.push((breaker.clone(), more));
            }
        }
        let time = |s: &Stats| s.jvm.gc.collectors.get("old").map(|c| c.collection_time_in_millis);
        trend.gc_percent = time(stats).zip(time(old)).map(|(new, old)| new.saturating_sub(old) as f64 / 10.0 / seconds);
        trend
    }

    /// The least that was in use in the last minute or so: what a collection leaves.
    pub fn heap_floor(&self) -> Option<f64> {
        self.heap.iter().copied().reduce(f64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(uptime: u64, heap: u32, rejected: u64, gc: u64) -> Stats {
        serde_json::from_value(serde_json::json!({
            "jvm": {"uptime_in_millis": uptime, "mem": {"heap_used_percent": heap}, "gc": {"collectors": {"old": {"collection_time_in_millis": gc}}}},
            "thread_pool": {"write": {"rejected": rejected}, "get": {"rejected": 0}}, "breakers": {"parent": {"tripped": rejected}}
        }))
        .unwrap()
    }

    #[test]
    fn rates_come_from_two_answers_and_not_over_a_restart() {
        let at = Moment::from_seconds;
        let first = Seen { stats: Some(stats(1000, 90, 5, 100)), trend: Trend::of(at(0), Some(&stats(1000, 90, 5, 100)), None), ..Seen::default() };
        assert_eq!(first.trend.rejected, []);
        let next = Trend::of(at(10), Some(&stats(11_000, 40, 25, 5100)), Some((&first, at(0))));
        assert_eq!(next.rejected, [("write".to_owned(), 2.0)]);
        assert_eq!(next.tripped, [("parent".to_owned(), 20)]);
        assert_eq!(next.gc_percent, Some(50.0));
        assert_eq!(next.heap_floor(), Some(40.0), "what was in use before the collection does not count");
        let again = Trend::of(at(10), Some(&stats(10, 95, 0, 0)), Some((&first, at(0))));
        assert_eq!((again.rejected, again.gc_percent, again.heap), (Vec::new(), None, VecDeque::from([95.0])));
    }
}
