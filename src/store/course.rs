//! What became of a middleware group over time: its lags as samples, and a mark for each change of role, leader or link.

use std::collections::{BTreeMap, VecDeque};

use super::history::History;
use crate::base::clock::Moment;
use crate::model::group::{EdgeState, Group, Metric, Unit};
use crate::model::id::Name;

/// Marks that are kept; the oldest goes first.
const MARKS: usize = 64;
/// Numbers of one group that are followed.
const TRACKS: usize = 256;

/// A change that somebody on call wants to see in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub at: Moment,
    /// The address of the member that it is about.
    pub member: Name,
    /// The replication channel or queue; mostly empty.
    pub channel: Name,
    pub turn: Turn,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    Role {
        from: Name,
        to: Name,
    },
    /// It gets its data from another member than before.
    Source {
        from: Name,
        to: Name,
    },
    Link {
        from: EdgeState,
        to: EdgeState,
    },
    FellSilent,
    AnswersAgain,
    /// It was not in the picture before.
    Joined,
    /// It is in the picture no more.
    Left,
}

/// Pictures after which a new member is news: until then members are still being found.
const FOUND: usize = 4;

/// Member, channel, metric. A member's own numbers have no channel.
type Key = (Name, Name, &'static str);

#[derive(Clone, Debug, Default)]
pub struct Course {
    tracks: BTreeMap<Key, History>,
    /// When the samples were taken, the oldest first; as many as a history keeps.
    times: VecDeque<Moment>,
    marks: VecDeque<Mark>,
    silent: Vec<Name>,
}

impl Course {
    /// Takes in the picture that follows `old`.
    pub(super) fn follow(&mut self, old: Option<&Group>, new: &Group, at: Moment) {
        if let Some(old) = old {
            self.turns(old, new, at);
        }
        let mut samples: BTreeMap<Key, f64> = BTreeMap::new();
        for member in &new.members {
            for metric in followed(&member.metrics) {
                samples.insert((member.address.clone(), Name::from(""), metric.key), metric.value);
            }
        }
        for edge in &new.edges {
            for metric in followed(&edge.metrics) {
                samples.insert((edge.to.clone(), edge.channel.clone(), metric.key), metric.value);
            }
        }
        if self.times.len() == History::LENGTH {
            self.times.pop_front();
        }
        self.times.push_back(at);
        // What is not told in this picture is a gap, not the number before.
        let known = |key: &Key| new.members.iter().any(|m| m.address == key.0);
        self.tracks.retain(|key, _| known(key));
        for (key, history) in &mut self.tracks {
            #[allow(clippy::cast_possible_truncation)]
            history.push(samples.remove(key).map(|v| v as f32));
        }
        for (key, value) in samples {
            if self.tracks.len() < TRACKS {
                #[allow(clippy::cast_possible_truncation)]
                self.tracks.entry(key).or_default().push(Some(value as f32));
            }
        }
    }

    fn turns(&mut self, old: &Group, new: &Group, at: Moment) {
        let nothing = Name::from("");
        for member in &new.members {
            let Some(was) = old.members.iter().find(|m| m.address == member.address) else {
                if self.times.len() >= FOUND {
                    self.mark(at, &member.address, &nothing, Turn::Joined);
                }
                continue;
            };
            if !was.role.is_empty() && !member.role.is_empty() && was.role != member.role {
                self.mark(at, &member.address, &nothing, Turn::Role { from: was.role.clone(), to: member.role.clone() });
            }
            // An answer moves the moment of the last answer; silence does not.
            let quiet = was.answered_at.is_some() && was.answered_at == member.answered_at;
            let known = self.silent.iter().position(|s| *s == member.address);
            match (quiet, known) {
                (true, None) => {
                    self.silent.push(member.address.clone());
                    self.mark(at, &member.address, &nothing, Turn::FellSilent);
                }
                (false, Some(place)) => {
                    self.silent.swap_remove(place);
                    self.mark(at, &member.address, &nothing, Turn::AnswersAgain);
                }
                _ => {}
            }
        }
        for was in old.members.iter().filter(|m| !new.members.iter().any(|n| n.address == m.address)) {
            self.silent.retain(|s| *s != was.address);
            self.mark(at, &was.address, &nothing, Turn::Left);
        }
        for edge in &new.edges {
            let of = |g: &Group| g.edges.iter().filter(|e| e.to == edge.to && e.channel == edge.channel).count();
            let same = |e: &&crate::model::group::Edge| e.to == edge.to && e.channel == edge.channel && (e.from == edge.from || of(old) == 1 && of(new) == 1);
            let Some(was) = old.edges.iter().find(same) else { continue };
            if was.from != edge.from {
                self.mark(at, &edge.to, &edge.channel, Turn::Source { from: was.from.clone(), to: edge.from.clone() });
            }
            if was.state != edge.state && was.state != EdgeState::Unknown && edge.state != EdgeState::Unknown {
                self.mark(at, &edge.to, &edge.channel, Turn::Link { from: was.state, to: edge.state });
            }
        }
    }

    fn mark(&mut self, at: Moment, member: &Name, channel: &Name, turn: Turn) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark { at, member: member.clone(), channel: channel.clone(), turn });
    }

    /// The newest first.
    pub fn marks(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter().rev()
    }

    /// Did it give no answer in the last picture? What is known of it is from before.
    pub fn is_silent(&self, member: &Name) -> bool {
        self.silent.contains(member)
    }

    /// When the samples were taken, the oldest first. A younger track has only the last of them.
    pub fn times(&self) -> impl DoubleEndedIterator<Item = Moment> + ExactSizeIterator + '_ {
        self.times.iter().copied()
    }

    pub fn tracks(&self) -> impl Iterator<Item = (&Name, &Name, &'static str, &History)> {
        self.tracks.iter().map(|((member, channel, metric), history)| (member, channel, *metric, history))
    }

    pub fn track(&self, member: &Name, channel: &Name, metric: &'static str) -> Option<&History> {
        self.tracks.get(&(member.clone(), channel.clone(), metric))
    }
}

/// Lags; where there is none, the first number that moves with the load.
fn followed(metrics: &[Metric]) -> impl Iterator<Item = &Metric> {
    let lags = metrics.iter().any(|m| is_lag(m.key));
    let first = metrics.iter().position(|m| matches!(m.unit, Unit::PerSecond | Unit::Count));
    metrics.iter().enumerate().filter(move |(i, m)| if lags { is_lag(m.key) } else { first == Some(*i) }).map(|(_, m)| m)
}

/// Is it a distance to the source?
pub fn is_lag(key: &str) -> bool {
    key.starts_with("lag")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::group::{Edge, Member};

    fn group(roles: [&str; 2], from: &str, to: &str, state: EdgeState, second: i64) -> Group {
        let mut group = Group::new("redis", "cache");
        for (address, role) in ["a", "b"].into_iter().zip(roles) {
            let mut member = Member::new(address);
            member.role = role.into();
            member.answered_at = Some(Moment::from_seconds(second));
            group.members.push(member);
        }
        let metrics = vec![Metric { key: "lag_bytes", unit: Unit::Bytes, value: 7.0 }];
        group.edges.push(Edge { from: from.into(), from_identity: "".into(), to: to.into(), channel: "".into(), state, metrics, details: Vec::new() });
        group
    }

    #[test]
    fn a_failover_leaves_its_marks_and_a_silence_a_gap() {
        let mut course = Course::default();
        let before = group(["master", "replica"], "a", "b", EdgeState::Flowing, 1);
        course.follow(None, &before, Moment::from_seconds(1));
        let mut broken = group(["master", "replica"], "a", "b", EdgeState::Broken, 2);
        broken.members[0].answered_at = before.members[0].answered_at;
        broken.edges[0].metrics.clear();
        course.follow(Some(&before), &broken, Moment::from_seconds(2));
        let mut after = group(["replica", "master"], "b", "a", EdgeState::Flowing, 3);
        course.follow(Some(&broken), &after, Moment::from_seconds(3));
        let turns: Vec<(String, String)> = course.marks().map(|m| (m.member.to_string(), format!("{:?}", m.turn))).collect();
        let has = |member: &str, words: &str| assert!(turns.iter().any(|(m, t)| m == member && t.contains(words)), "{member} {words} in {turns:?}");
        has("a", "FellSilent");
        has("a", "AnswersAgain");
        has("b", "Link { from: Flowing, to: Broken }");
        has("b", "Role { from: \"replica\", to: \"master\" }");
        let samples: Vec<f32> = course.track(&"b".into(), &"".into(), "lag_bytes").unwrap().iter().collect();
        assert_eq!((samples[0], samples[1].is_nan()), (7.0, true));
        // Another source for the same follower.
        let mut moved = after.clone();
        moved.edges[0].from = "c".into();
        after.members.iter_mut().chain(&mut moved.members).for_each(|m| m.answered_at = None);
        course.follow(Some(&after), &moved, Moment::from_seconds(4));
        assert_eq!(course.marks().next().unwrap().turn, Turn::Source { from: "b".into(), to: "c".into() });
        // One that is let go, and a new one.
        let mut fewer = moved.clone();
        fewer.members.remove(1);
        course.follow(Some(&moved), &fewer, Moment::from_seconds(5));
        assert_eq!(course.marks().next().map(|m| (&*m.member, &m.turn)), Some(("b", &Turn::Left)));
        course.follow(Some(&fewer), &moved, Moment::from_seconds(6));
        assert_eq!(course.marks().next().map(|m| (&*m.member, &m.turn)), Some(("b", &Turn::Joined)));
        assert_eq!(course.times().next_back(), Some(Moment::from_seconds(6)));
    }
}
