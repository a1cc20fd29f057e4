//! What one member said in one poll, with what only time tells.

use std::collections::BTreeMap;
use std::time::Duration;

use super::api::{Check, Connection, Node, Overview, Queue};
use super::proof::Door;
use crate::base::clock::Moment;
use crate::model::fact::Denied;
use crate::source::middleware::member::Trouble;

#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub api: Api,
    /// What a client meets at this member.
    pub door: Door,
    pub denied: Vec<Denied>,
    pub trend: Trend,
}

/// The management API of the member.
#[derive(Clone, Debug, Default)]
pub enum Api {
    Answers(Box<Facts>),
    /// The account has no tag that lets it in; its password is right.
    #[default]
    Closed,
    /// It gives no answer, while a client gets in over AMQP.
    Silent(Trouble),
}

#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub round_trip: Duration,
    pub overview: Overview,
    /// `None` where the account may not see them, or the answer did not come.
    pub nodes: Option<Vec<Node>>,
    pub checks: Vec<(Kind, Check)>,
    pub queues: Option<Listing>,
    /// Held up by the broker, at most a page.
    pub blocked: Vec<Connection>,
    /// A question about the whole cluster was not answered: the node waits for another one.
    pub whole: Whole,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whole {
    #[default]
    Told,
    /// Since it waits for another node, which is asked behind the scenes.
    Hung,
}

/// The checks that are asked, by what they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    LocalAlarms,
    Alarms,
    Vhosts,
    QuorumCritical,
    MirrorCritical,
    Certificates,
    InService,
    ConnectionLimit,
    ReadyForClients,
    LeaderlessQueues,
}

impl Kind {
    /// All, with their paths below `/api/health/checks/`.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::LocalAlarms, "local-alarms"),
        (Self::Alarms, "alarms"),
        (Self::Vhosts, "virtual-hosts"),
        (Self::QuorumCritical, "node-is-quorum-critical"),
        // Until 3.13.
        (Self::MirrorCritical, "node-is-mirror-sync-critical"),
        (Self::Certificates, "certificate-expiration/1/months"),
        // From 4.1 on.
        (Self::InService, "is-in-service"),
        (Self::ConnectionLimit, "below-node-connection-limit"),
        (Self::ReadyForClients, "ready-to-serve-clients"),
        (Self::LeaderlessQueues, "quorum-queues-without-elected-leaders/all-vhosts/pattern/.*"),
    ];
}

impl Facts {
    pub fn check(&self, kind: Kind) -> &Check {
        self.checks.iter().find(|(k, _)| *k == kind).map_or(&Check::Unknown, |(_, check)| check)
    }

    /// This node as it sees itself.
    pub fn own(&self) -> Option<&Node> {
        self.nodes.as_ref()?.iter().find(|n| n.name == self.overview.node)
    }
}

/// Queues as far as they were read: a page or a few at each poll, and never all of very many.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// By the page on which they stood.
    pub pages: BTreeMap<u64, Vec<Queue>>,
    pub page_count: u64,
    pub total: u64,
    /// Where to go on at the next poll.
    pub next: u64,
    pub age: Age,
}

/// Is a listing of this poll?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Age {
    #[default]
    Fresh,
    /// The node waits for another one. Which queues there are and where still holds; what they count does not.
    Kept,
}

impl Listing {
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.pages.values().flatten()
    }

    pub fn read(&self) -> usize {
        self.pages.values().map(Vec::len).sum()
    }
}

/// Carried from poll to poll, and from member to member when another one lists the queues.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    pub queues: BTreeMap<(String, String), Track>,
    pub at: Moment,
}

/// One queue over time: only one that holds messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Track {
    /// The oldest first.
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    at: Moment,
    ready: u64,
    unacked: u64,
    acked: Option<u64>,
}

/// The broker counts every five seconds; a sample taken earlier would be the same number again.
const STEP: Duration = Duration::from_millis(4900);
const SAMPLES: usize = 32;
/// More queues with messages than this are not followed.
const MOST: usize = 2000;

impl Trend {
    pub fn of(now: Moment, listing: Option<&Listing>, before: Option<&Self>) -> Self {
        let Some(listing) = listing.filter(|l| l.age == Age::Fresh) else { return before.cloned().unwrap_or_default() };
        let mut trend = Self { queues: BTreeMap::new(), at: now };
        for queue in listing.queues().filter(|q| q.ready + q.unacked > 0).take(MOST) {
            let key = (queue.vhost.clone(), queue.name.clone());
            let mut track = before.and_then(|b| b.queues.get(&key)).cloned().unwrap_or_default();
            if track.samples.last().is_none_or(|s| now.since(s.at) >= STEP) {
                track.samples.push(Sample { at: now, ready: queue.ready, unacked: queue.unacked, acked: queue.acked });
                let extra = track.samples.len().saturating_sub(SAMPLES);
                track.samples.drain(..extra);
            }
            trend.queues.insert(key, track);
        }
        trend
    }

    pub fn of_queue(&self, queue: &Queue) -> Option<&Track> {
        self.queues.get(&(queue.vhost.clone(), queue.name.clone()))
    }
}

impl Track {
    fn last(&self, steps: usize) -> Option<&[Sample]> {
        (steps > 0 && self.samples.len() > steps).then(|| &self.samples[self.samples.len() - steps - 1..])
    }

    /// Has the queue grown in each of the last `steps` samples?
    pub fn grows(&self, steps: usize) -> bool {
        self.last(steps).is_some_and(|s| s.windows(2).all(|pair| pair[1].ready > pair[0].ready))
    }

    /// Do consumers hold messages without ever acknowledging one, while more wait?
    pub fn stuck(&self, steps: usize) -> bool {
        self.last(steps).is_some_and(|s| s.iter().all(|x| x.unacked > 0 && x.ready > 0 && x.acked == s[0].acked && x.unacked == s[0].unacked))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(ready: u64, unacked: u64) -> Listing {
        let queue = Queue { vhost: "/".into(), name: "q".into(), ready, unacked, ..Queue::default() };
        Listing { pages: [(1, vec![queue])].into(), page_count: 1, total: 1, next: 1, age: Age::Fresh }
    }

    #[test]
    fn growth_is_measured_at_the_brokers_own_pace() {
        let mut trend = Trend::default();
        for (second, ready) in [(0, 1), (1, 1), (5, 2), (7, 2), (10, 3), (15, 4)] {
            trend = Trend::of(Moment::from_seconds(second), Some(&listing(ready, 0)), Some(&trend));
        }
        let track = trend.of_queue(listing(0, 0).queues().next().unwrap()).unwrap();
        assert!(track.grows(3) && !track.grows(4), "{track:?}");
        let emptied = Trend::of(Moment::from_seconds(20), Some(&listing(0, 0)), Some(&trend));
        assert!(emptied.queues.is_empty());
        assert_eq!(Trend::of(Moment::from_seconds(20), None, Some(&trend)), trend, "no listing, no change");
    }

    #[test]
    fn stuck_is_unacknowledged_and_still() {
        let mut trend = Trend::default();
        for second in [0, 5, 10] {
            trend = Trend::of(Moment::from_seconds(second), Some(&listing(100, 10)), Some(&trend));
        }
        let track = trend.queues.values().next().unwrap();
        assert!(track.stuck(2) && !track.grows(1));
    }
}
