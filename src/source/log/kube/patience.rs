//! How long a stream may be silent before it is opened again. Pure.
//!
//! A line that died without a word looks the same as one where nothing is said. So does a kubelet that lost its file: up to
//! 1.20 and later patch releases, one that follows a log stays with the file that was renamed when it rotates it, and says
//! nothing more for ever (kubernetes/kubernetes#59902). Whoever spoke often and stops is asked again soon.

use std::time::Duration;

use crate::base::clock::Moment;

/// Where nothing is known of the pace.
const LONGEST: Duration = Duration::from_mins(1);
const SHORTEST: Duration = Duration::from_secs(5);
/// Silence of so many times the usual pause is unusual.
const UNUSUAL: u32 = 50;
/// So often it must have spoken before its pace is known.
const KNOWN: u32 = 20;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    first: Option<Moment>,
    last: Moment,
    heard: u32,
    /// How often it was asked again since, and had nothing new.
    in_vain: u32,
}

impl Patience {
    /// It said something new.
    pub(super) fn heard(&mut self, now: Moment) {
        if self.in_vain > 0 {
            // Its pace before the silence says nothing about the one after.
            *self = Self::default();
        }
        self.first.get_or_insert(now);
        (self.last, self.heard) = (now, self.heard.saturating_add(1));
    }

    /// It was silent for too long.
    pub(super) fn over(&mut self) {
        self.in_vain = self.in_vain.saturating_add(1);
    }

    pub(super) fn limit(&self) -> Duration {
        let Some(first) = self.first.filter(|_| self.heard >= KNOWN) else { return LONGEST };
        let usual = self.last.since(first) / self.heard;
        (usual * UNUSUAL).max(SHORTEST).saturating_mul(1 << self.in_vain.min(4)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(times: i64, every: i64) -> Patience {
        let mut p = Patience::default();
        (0..times).for_each(|i| p.heard(Moment(i * every)));
        p
    }

    #[test]
    fn who_spoke_often_is_asked_again_soon_and_less_and_less_often() {
        assert_eq!(spoken(0, 0).limit(), LONGEST);
        assert_eq!(spoken(19, 10).limit(), LONGEST, "too little is known");
        assert_eq!(spoken(100, 10).limit(), SHORTEST);
        assert_eq!(spoken(1000, 1000).limit().as_secs(), 49);
        assert_eq!(spoken(1000, 60_000).limit(), LONGEST);
        let mut p = spoken(100, 10);
        let limits: Vec<u64> = (0..6)
            .map(|_| {
                p.over();
                p.limit().as_secs()
            })
            .collect();
        assert_eq!(limits, [10, 20, 40, 60, 60, 60]);
        p.heard(Moment(1_000_000));
        assert_eq!(p.limit(), LONGEST, "it begins anew");
    }
}
