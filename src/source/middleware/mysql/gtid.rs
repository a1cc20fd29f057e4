//! GTIDs: MySQL's sets (`uuid[:tag]:a-b`) and MariaDB's positions (`domain-server-sequence`). Pure.

use std::collections::BTreeMap;
use std::fmt;

/// Transactions by their origin. Tags (8.3 and later) are part of the origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidSet(BTreeMap<String, Vec<(u64, u64)>>);

impl GtidSet {
    /// Grammar: `uuid[:tag]:a-b[:c-d]...,...`, with blanks and line breaks between. What is no GTID is left out.
    pub fn parse(text: &str) -> Self {
        let mut set = Self::default();
        for part in text.split(',') {
            let mut pieces = part.trim().split(':').map(str::trim);
            // The text goes back to servers as part of a statement: nothing but what a UUID and a tag are made of gets in.
            let Some(uuid) = pieces.next().filter(|u| u.len() == 36 && u.chars().all(|c| c.is_ascii_hexdigit() || c == '-')) else { continue };
            let uuid = uuid.to_ascii_lowercase();
            let mut origin = uuid.clone();
            for piece in pieces {
                let (from, to) = piece.split_once('-').unwrap_or((piece, piece));
                match (from.parse::<u64>(), to.parse::<u64>()) {
                    (Ok(from), Ok(to)) if from > 0 && to >= from => set.add(&origin, from, to),
                    _ if piece.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && piece.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
                        origin = format!("{uuid}:{}", piece.to_ascii_lowercase());
                    }
                    _ => {}
                }
            }
        }
        set
    }

    fn add(&mut self, origin: &str, from: u64, to: u64) {
        let ranges = self.0.entry(origin.to_owned()).or_default();
        ranges.push((from, to));
        ranges.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges.drain(..) {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        *ranges = merged;
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (origin, ranges) in &self.0 {
            let taken = other.0.get(origin).map_or(&[][..], Vec::as_slice);
            for &(mut from, to) in ranges {
                for &(a, b) in taken {
                    if b < from || a > to {
                        continue;
                    }
                    if a > from {
                        rest.add(origin, from, a - 1);
                    }
                    from = b.saturating_add(1);
                }
                if from <= to {
                    rest.add(origin, from, to);
                }
            }
        }
        rest
    }

    /// This set without every origin that `other` knows at all.
    #[must_use]
    pub fn without_origins_of(&self, other: &Self) -> Self {
        Self(self.0.iter().filter(|(origin, _)| !other.0.contains_key(*origin)).map(|(o, r)| (o.clone(), r.clone())).collect())
    }

    pub fn count(&self) -> u64 {
        self.0.values().flatten().map(|(from, to)| to - from + 1).fold(0, u64::saturating_add)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (origin, ranges)) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            f.write_str(origin)?;
            for (from, to) in ranges {
                if from == to { write!(f, ":{from}")? } else { write!(f, ":{from}-{to}")? }
            }
        }
        Ok(())
    }
}

/// MariaDB: the last sequence number of each domain and server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidPosition(BTreeMap<(u32, u32), u64>);

impl GtidPosition {
    pub fn parse(text: &str) -> Self {
        let mut last = BTreeMap::new();
        for part in text.split(',') {
            let mut numbers = part.trim().splitn(3, '-');
            let (Some(domain), Some(server), Some(sequence)) = (numbers.next(), numbers.next(), numbers.next()) else { continue };
            if let (Ok(domain), Ok(server), Ok(sequence)) = (domain.parse(), server.parse(), sequence.parse()) {
                let known: &mut u64 = last.entry((domain, server)).or_default();
                *known = (*known).max(sequence);
            }
        }
        Self(last)
    }

    /// The highest sequence number of each domain.
    fn by_domain(&self) -> BTreeMap<u32, u64> {
        let mut domains: BTreeMap<u32, u64> = BTreeMap::new();
        for ((domain, _), sequence) in &self.0 {
            let known = domains.entry(*domain).or_default();
            *known = (*known).max(*sequence);
        }
        domains
    }

    /// How many transactions `self` (a source) has that `follower` does not, over all domains of the source.
    pub fn ahead_of(&self, follower: &Self) -> u64 {
        let theirs = follower.by_domain();
        self.by_domain().iter().map(|(domain, sequence)| sequence.saturating_sub(theirs.get(domain).copied().unwrap_or(0))).sum()
    }

    /// What `server` wrote itself and `source` has never seen, of a whole `gtid_binlog_state`: `0-2-17`.
    pub fn own_writes_unknown_to(&self, server: u32, source: &Self) -> Vec<String> {
        self.0
            .iter()
            .filter(|((domain, by), sequence)| *by == server && source.0.get(&(*domain, *by)).is_none_or(|known| known < sequence))
            .map(|((domain, by), sequence)| format!("{domain}-{by}-{sequence}"))
            .collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4f22fa47-71ca-11e1-9e33-c80aa9429563";

    fn minus(a: &str, b: &str) -> String {
        GtidSet::parse(a).minus(&GtidSet::parse(b)).to_string()
    }

    #[test]
    fn sets_are_read_with_tags_gaps_and_line_breaks() {
        let set = GtidSet::parse(&format!("{}:1-5:7,\n{B}:tag_1:3-4:9, ,junk", A.to_uppercase()));
        assert_eq!(set.to_string(), format!("{A}:1-5:7,{B}:tag_1:3-4:9"));
        assert_eq!(set.count(), 9);
        assert_eq!(GtidSet::parse(&format!("{A}:1-3:4-6:2")).to_string(), format!("{A}:1-6"));
        assert!(GtidSet::parse("").is_empty());
        assert!(GtidSet::parse("'); drop table t -- :1-3").is_empty());
    }

    #[test]
    fn a_tag_makes_another_origin() {
        assert_eq!(minus(&format!("{A}:1-5:blue:1-3"), &format!("{A}:1-5")), format!("{A}:blue:1-3"));
    }

    #[test]
    fn subtraction_cuts_inside_before_and_after() {
        assert_eq!(minus(&format!("{A}:1-10"), &format!("{A}:4-6")), format!("{A}:1-3:7-10"));
        assert_eq!(minus(&format!("{A}:5-10"), &format!("{A}:1-7")), format!("{A}:8-10"));
        assert_eq!(minus(&format!("{A}:1-10,{B}:1"), &format!("{A}:1-20")), format!("{B}:1"));
        assert_eq!(minus(&format!("{A}:1-3"), &format!("{A}:1-3")), "");
    }

    #[test]
    fn mariadb_counts_by_domain_and_finds_own_writes() {
        let source = GtidPosition::parse("0-1-20,1-1-5");
        assert_eq!(source.ahead_of(&GtidPosition::parse("0-1-17,1-1-5")), 3);
        assert_eq!(source.ahead_of(&GtidPosition::parse("0-9-25")), 5);
        let replica = GtidPosition::parse("0-1-20,0-2-21");
        assert_eq!(replica.own_writes_unknown_to(2, &source), ["0-2-21"]);
        assert!(replica.own_writes_unknown_to(2, &GtidPosition::parse("0-1-22,0-2-21")).is_empty());
        assert!(replica.own_writes_unknown_to(1, &source).is_empty());
    }

    proptest! {
        #[test]
        fn minus_agrees_with_counting_one_by_one(a in proptest::collection::vec((1_u64..40, 0_u64..6), 0..6), b in proptest::collection::vec((1_u64..40, 0_u64..6), 0..6)) {
            let build = |ranges: &[(u64, u64)]| {
                let parts: Vec<String> = ranges.iter().map(|(from, more)| format!(":{from}-{}", from + more)).collect();
                GtidSet::parse(&format!("{A}{}", parts.concat()))
            };
            let holds = |ranges: &[(u64, u64)], n: u64| ranges.iter().any(|(from, more)| n >= *from && n <= from + more);
            let rest = build(&a).minus(&build(&b));
            let expected = (1..60).filter(|n| holds(&a, *n) && !holds(&b, *n)).count() as u64;
            prop_assert_eq!(rest.count(), expected);
        }
    }
}
