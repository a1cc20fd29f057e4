//! What one member said in one poll, with what only time tells.

use std::time::Duration;

use super::info::Info;
use super::nodes::{ClusterView, OpenSlot};
use super::sentinel::SentinelView;
use crate::base::clock::Moment;
use crate::model::fact::Denied;

#[derive(Clone, Debug)]
pub enum Seen {
    Data(Box<Data>),
    Sentinel(Box<Sentinel>),
}

/// A server that holds keys.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// `None` where the account may not ask.
    pub info: Option<Info>,
    /// Of a cluster node.
    pub cluster: Option<ClusterView>,
    /// The word `ROLE` gives a replica's link: `connect`, `connecting`, `sync`, `connected`.
    pub link_word: String,
    /// A client's round trip: `PING`, there and back.
    pub round_trip: Duration,
    pub writes: Writes,
    pub read: Read,
    pub door: Door,
    pub denied: Vec<Denied>,
    pub trend: Trend,
}

#[derive(Clone, Debug, Default)]
pub struct Sentinel {
    pub view: SentinelView,
    pub round_trip: Duration,
    pub denied: Vec<Denied>,
}

/// A client's read of a key that this member should serve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Read {
    Served,
    /// In the server's words.
    Refused(String),
    /// A cluster's replica or a master without slots serves none; or the account may not.
    #[default]
    NotTried,
}

/// A master that cannot save refuses not only writes but also `PING`, with `MISCONF`: so that can be known without writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Writes {
    #[default]
    NotKnownRefused,
    /// In the server's words.
    Refused(String),
}

/// How the server took our password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    #[default]
    Locked,
    /// It has none: whoever reaches it is let in.
    Open,
}

/// Carried from poll to poll.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    pub evicted_per_second: Option<f64>,
    pub rejected_per_second: Option<f64>,
    /// Errors that clients got since the poll before, by code.
    pub refused: Vec<(String, u64)>,
    /// When the count of full copies grew, of the last ten minutes.
    pub full_syncs: Vec<Moment>,
    /// Slots in motion, and since when we see them so.
    pub open: Vec<(OpenSlot, Moment)>,
    /// Bytes behind the master, the oldest first.
    pub lags: Vec<u64>,
}

/// How many lags are kept.
const LAGS: usize = 32;
/// How long a full copy is remembered.
pub const RESYNC_WINDOW: Duration = Duration::from_mins(10);

impl Trend {
    /// From the answer before, of the same run of the server; a restarted one begins anew, but its open slots are as old as they are.
    /// `ours` is the code with which our own `PING` of this poll was refused: it is in the server's count too.
    pub fn of(now: Moment, info: Option<&Info>, cluster: Option<&ClusterView>, ours: Option<&str>, before: Option<(&Data, Moment)>) -> Self {
        let mut trend = Self::default();
        let old = before.map(|(data, at)| (&data.trend, data.info.as_ref(), now.since(at).as_secs_f64()));
        if let Some(me) = cluster.and_then(ClusterView::myself) {
            let since = |slot: &OpenSlot| old.and_then(|(t, ..)| t.open.iter().find(|(s, _)| s == slot)).map_or(now, |(_, at)| *at);
            trend.open = me.open.iter().map(|slot| (slot.clone(), since(slot))).collect();
        }
        let (Some(info), Some((past, Some(was), seconds))) = (info, old) else { return trend };
        if was.run_id != info.run_id || seconds <= 0.0 {
            return trend;
        }
        let rate = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?) as f64 / seconds);
        trend.evicted_per_second = rate(info.evicted_keys, was.evicted_keys);
        trend.rejected_per_second = rate(info.rejected_connections, was.rejected_connections);
        trend.refused = info
            .errors
            .iter()
            .filter_map(|(code, count)| Some((code.clone(), count.saturating_sub(was.errors_of(code) + u64::from(ours == Some(code))))).filter(|(_, n)| *n > 0))
            .collect();
        trend.full_syncs = past.full_syncs.iter().copied().filter(|at| now.since(*at) < RESYNC_WINDOW).collect();
        if info.full_syncs > was.full_syncs {
            trend.full_syncs.push(now);
        }
        trend.lags.clone_from(&past.lags);
        trend
    }

    pub fn behind(&mut self, bytes: u64) {
        self.lags.push(bytes);
        let extra = self.lags.len().saturating_sub(LAGS);
        self.lags.drain(..extra);
    }

    /// Has the lag grown in each of the last `samples` polls?
    pub fn lag_grows(&self, samples: usize) -> bool {
        samples > 0 && self.lags.len() > samples && self.lags[self.lags.len() - samples - 1..].windows(2).all(|pair| pair[1] > pair[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(text: &str) -> Info {
        Info::parse(text)
    }

    #[test]
    fn counters_become_rates_and_a_restart_begins_anew() {
        let then = Moment::from_seconds(100);
        let old = Data { info: Some(info("run_id:a\nevicted_keys:10\nerrorstat_MISCONF:count=1\nsync_full:1")), ..Data::default() };
        let now = then.plus(Duration::from_secs(5));
        let fresh = info("run_id:a\nevicted_keys:60\nerrorstat_MISCONF:count=4\nsync_full:2");
        let trend = Trend::of(now, Some(&fresh), None, None, Some((&old, then)));
        assert_eq!((trend.evicted_per_second, trend.refused.as_slice()), (Some(10.0), &[("MISCONF".to_owned(), 3)][..]));
        assert_eq!(trend.full_syncs, vec![now]);
        let trend = Trend::of(now, Some(&fresh), None, Some("MISCONF"), Some((&old, then)));
        assert_eq!(trend.refused, vec![("MISCONF".to_owned(), 2)], "one of them was ours");
        let other = info("run_id:b\nevicted_keys:1");
        assert_eq!(Trend::of(now, Some(&other), None, None, Some((&old, then))), Trend::default());
    }

    #[test]
    fn a_lag_grows_only_when_every_sample_did() {
        let mut trend = Trend::default();
        for lag in [9, 1, 2, 3, 4, 5] {
            trend.behind(lag);
        }
        assert!(trend.lag_grows(4));
        assert!(!trend.lag_grows(5));
    }
}
