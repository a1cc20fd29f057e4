//! Who is asked and why: members that the entry names, those that its way leads to (the pods of a workload), those that other
//! members announce. The last two may leave: their rows say so for a while and then go.

use std::time::Duration;

use super::member::Trouble;
use super::observers::who;
use super::reach::Muster;
use crate::base::clock::Moment;
use crate::base::text::age_step;
use crate::model::id::Name;
use crate::model::limits::MiddlewareLimits;
use crate::model::reason::Reason;

/// How often it is asked who there is.
const EVERY: Duration = Duration::from_secs(10);
/// A pod that is gone is told by its workload's own row; here it is only seen out.
const POD_KEPT: Duration = Duration::from_mins(1);

/// Why a member is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The entry names it. Never let go.
    Named,
    /// Its way leads there: a pod.
    Mustered,
    /// Other members name it.
    Announced,
}

impl Origin {
    /// How long a row stays after its member has left.
    pub fn kept(self, limits: &MiddlewareLimits) -> Duration {
        match self {
            Self::Named => Duration::MAX,
            Self::Mustered => POD_KEPT,
            Self::Announced => Duration::from_secs(limits.left_seconds),
        }
    }

    /// What the row of a member that has left says.
    pub fn gone(self, limits: &MiddlewareLimits) -> Option<Reason> {
        let code = match self {
            Self::Named => return None,
            Self::Mustered => "middleware.pod.gone",
            Self::Announced => "middleware.member.left",
        };
        Some(Reason::warn(code).with("kept", age_step(self.kept(limits).as_secs()).as_str()))
    }
}

/// A member that stands for everybody at the far side: `*:6379`, `https://*:9200`.
pub fn is_pattern(member: &str) -> bool {
    let host = member.split_once("://").map_or(member, |(_, rest)| rest);
    host == "*" || host.starts_with("*:") || host.starts_with("*/")
}

/// Who the way leads to.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    patterns: Vec<String>,
    asked_at: Option<Moment>,
    told: Option<Result<Muster, Trouble>>,
    /// The last that was told, also while nothing is.
    known: Option<Muster>,
}

impl Roster {
    pub fn new(members: &[String]) -> Self {
        Self { patterns: members.iter().filter(|m| is_pattern(m)).cloned().collect(), ..Self::default() }
    }

    pub fn has_patterns(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Is it time to ask again? Notes that it is asked.
    pub fn is_due(&mut self, now: Moment) -> bool {
        let due = self.has_patterns() && self.asked_at.is_none_or(|at| now.since(at) >= EVERY || matches!(self.told, Some(Err(_))));
        if due {
            self.asked_at = Some(now);
        }
        due
    }

    pub fn take(&mut self, told: Result<Muster, Trouble>) {
        if let Ok(muster) = &told {
            self.known = Some(muster.clone());
        }
        self.told = Some(told);
    }

    fn addresses(&self, host: &str) -> impl Iterator<Item = Name> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        self.patterns.iter().map(move |p| Name::from(p.replacen('*', &host, 1)))
    }

    /// Every address that the way leads to, and whether its place is ready; `None` while that is not known.
    pub fn present(&self) -> Option<Vec<(Name, bool)>> {
        let Some(Ok(muster)) = &self.told else { return None };
        let seats = muster.seats.iter().filter(|s| !s.host.is_empty());
        Some(seats.flat_map(|s| self.addresses(&s.host).map(|a| (a, s.ready))).collect())
    }

    /// What the place of a member is called.
    pub fn name_of(&self, address: &str) -> Option<&str> {
        let seats = self.known.iter().flat_map(|m| &m.seats);
        seats.filter(|s| !s.host.is_empty()).find(|s| self.addresses(&s.host).any(|a| *a == *address)).map(|s| s.name.as_str())
    }

    pub fn trouble(&self) -> Option<&Trouble> {
        self.told.as_ref().and_then(|t| t.as_ref().err())
    }

    /// What the way itself says of the group.
    pub fn reasons(&self) -> Option<Reason> {
        let muster = match self.told.as_ref()? {
            Err(trouble) => return Some(Reason::unknown("middleware.pods.unknown").with("text", trouble.text.as_str())),
            Ok(muster) => muster,
        };
        let unready: Vec<&str> = muster.seats.iter().filter(|s| !s.ready).map(|s| s.name.as_str()).collect();
        let (all, ready) = (muster.seats.len(), muster.seats.len() - unready.len());
        match (all, ready) {
            (0, _) => Some(Reason::crit("middleware.pods.none")),
            _ if unready.is_empty() => None,
            (_, 0) => Some(Reason::crit("middleware.pods.unready").with("ready", 0).with("all", all).with("who", who(&unready))),
            _ => Some(Reason::warn("middleware.pods.unready").with("ready", ready).with("all", all).with("who", who(&unready))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reach::Seat;
    use super::*;

    #[test]
    fn a_star_stands_for_every_pod() {
        assert!(["*", "*:6379", "https://*:9200", "http://*:8848/nacos"].into_iter().all(is_pattern));
        assert!(!["10.0.0.1:6379", "https://*.example:9200"].into_iter().any(is_pattern));
        let mut roster = Roster::new(&["https://*:9200".to_owned(), "10.0.0.9:9200".to_owned()]);
        let seat = |name: &str, host: &str, ready| Seat { name: name.into(), host: host.into(), ready };
        assert!(roster.is_due(Moment::from_seconds(1)) && !roster.is_due(Moment::from_seconds(5)) && roster.is_due(Moment::from_seconds(11)));
        roster.take(Ok(Muster { seats: vec![seat("es-0", "10.1.0.1", true), seat("es-1", "fd00::1", false), seat("es-2", "", false)] }));
        let present: Vec<String> = roster.present().unwrap().iter().map(|(a, r)| format!("{a} {r}")).collect();
        assert_eq!(present, ["https://10.1.0.1:9200 true", "https://[fd00::1]:9200 false"]);
        assert_eq!(roster.name_of("https://[fd00::1]:9200"), Some("es-1"));
        assert_eq!(roster.reasons().map(|r| r.code), Some("middleware.pods.unready"));
        roster.take(Err(Trouble::unreachable("cut")));
        assert_eq!((roster.present(), roster.name_of("https://10.1.0.1:9200")), (None, Some("es-0")));
        assert!(roster.trouble().is_some() && roster.is_due(Moment::from_seconds(12)));
        roster.take(Ok(Muster::default()));
        assert_eq!(roster.reasons().map(|r| r.code), Some("middleware.pods.none"));
    }
}
