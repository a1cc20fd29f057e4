//! Sets of transactions: `uuid:1-5:7,uuid:3`.

use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set(BTreeMap<String, Vec<(u64, u64)>>);

impl Set {
    pub fn parse(text: &str) -> Self {
        let mut set = Self::default();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let mut words = part.split(':');
            let uuid = words.next().unwrap_or_default().to_ascii_lowercase();
            for word in words {
                let (from, to) = word.split_once('-').unwrap_or((word, word));
                if let (Ok(from), Ok(to)) = (from.trim().parse(), to.trim().parse())
                    && from <= to
                {
                    set.0.entry(uuid.clone()).or_default().push((from, to));
                }
            }
        }
        set.0.values_mut().for_each(|v| v.sort_unstable());
        set
    }

    pub fn add(&mut self, uuid: &str, to: u64) {
        if to > 0 {
            self.0.entry(uuid.to_owned()).or_default().push((1, to));
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.values().all(Vec::is_empty)
    }

    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut out = Self::default();
        for (uuid, ranges) in &self.0 {
            let mut left = ranges.clone();
            for (from, to) in other.0.get(uuid).into_iter().flatten() {
                left = left
                    .into_iter()
                    .flat_map(|(a, b)| [(a, b.min(from.saturating_sub(1))), (a.max(to.saturating_add(1)), b)])
                    .filter(|(a, b)| a <= b)
                    .collect();
                left.dedup();
            }
            if !left.is_empty() {
                out.0.insert(uuid.clone(), left);
            }
        }
        out
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (uuid, ranges)) in self.0.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { ",\n" })?;
            f.write_str(uuid)?;
            for (from, to) in ranges {
                if from == to { write!(f, ":{from}")? } else { write!(f, ":{from}-{to}")? }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Set;

    #[test]
    fn differences_of_ranges() {
        let minus = |a: &str, b: &str| Set::parse(a).minus(&Set::parse(b)).to_string();
        assert_eq!(minus("aa:1-10", "aa:3-5"), "aa:1-2:6-10");
        assert_eq!(minus("aa:1-10,bb:1", "aa:1-20"), "bb:1");
        assert_eq!(minus("aa:1-10", ""), "aa:1-10");
        assert_eq!(minus("aa:5", "aa:1-4:6"), "aa:5");
        assert!(Set::parse("aa:1-2").minus(&Set::parse("AA:1-2")).is_empty());
    }
}
