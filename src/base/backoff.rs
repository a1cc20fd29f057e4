//! Jittered exponential back-off, pure: the caller brings the randomness and does the waiting.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Doubles from `first` to `most`; [`Backoff::next`] spreads each wait over 50 to 100 % of it, so that many targets do not return at once.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
    seed: u64,
}

impl Backoff {
    pub fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, tries: 0, seed: seed | 1 }
    }

    /// The wait before the next try.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.tries.min(16)).min(self.most);
        self.tries = self.tries.saturating_add(1);
        let share = 0.5 + 0.5 * self.random();
        whole.mul_f64(share)
    }

    pub fn reset(&mut self) {
        self.tries = 0;
    }

    /// xorshift64*: good enough to keep a thousand hosts from answering in step.
    fn random(&mut self) -> f64 {
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        let high = u32::try_from(self.seed.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap_or(0);
        f64::from(high) / f64::from(u32::MAX)
    }
}

/// An interval spread by a tenth each way, so that a thousand targets do not answer in step.
pub fn spread(interval: Duration) -> Duration {
    let high = u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0);
    interval.mul_f64(0.9 + 0.2 * f64::from(high) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_ceiling_and_stays_in_its_spread() {
        let mut b = Backoff::new(Duration::from_millis(500), Duration::from_secs(30), 7);
        let waits: Vec<_> = (0..10).map(|_| b.next()).collect();
        assert!(waits[0] >= Duration::from_millis(250) && waits[0] <= Duration::from_millis(500));
        assert!(waits[9] >= Duration::from_secs(15) && waits[9] <= Duration::from_secs(30));
        b.reset();
        assert!(b.next() <= Duration::from_millis(500));
    }

    #[test]
    fn intervals_are_spread_by_a_tenth() {
        let each: Vec<_> = (0..100).map(|_| spread(Duration::from_secs(10))).collect();
        assert!(each.iter().all(|d| (9.0..=11.0).contains(&d.as_secs_f64())));
        assert!(each.windows(2).any(|w| w[0] != w[1]));
    }
}
