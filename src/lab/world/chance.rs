//! Numbers that look like chance and repeat with the seed.

use std::fmt::Write as _;

/// splitmix64, from Steele, Lea and Flood: "Fast splittable pseudorandom number generators" (2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for `name`: what one part of the world draws never shifts what another gets.
    pub fn of(seed: u64, name: &str) -> Self {
        Self(name.bytes().fold(mix(seed), |h, b| mix(h ^ u64::from(b))))
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// From 0 up to, not including, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// From 0 up to, not including, 1.
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.draw(), self.draw());
        format!("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, a >> 16 & 0xffff, a & 0xfff, 0x8000 | b >> 48 & 0x3fff, b & 0xffff_ffff_ffff)
    }

    /// `n` hexadecimal digits.
    pub fn hex(&mut self, n: usize) -> String {
        let mut out = String::with_capacity(n + 16);
        while out.len() < n {
            let _ = write!(out, "{:016x}", self.draw());
        }
        out.truncate(n);
        out
    }

    /// `n` characters as in the names of pods (no vowels, nothing that is easily taken for another).
    pub fn suffix(&mut self, n: usize) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        (0..n).map(|_| char::from(LETTERS[usize::try_from(self.below(LETTERS.len() as u64)).unwrap_or(0)])).collect()
    }
}

/// A value from 0 to 1 that wanders smoothly: the same for the same seed, name and second, however often it is asked.
pub fn wander(seed: u64, name: &str, seconds: f64, period: f64) -> f64 {
    let at = (seconds / period).max(0.0);
    let (left, part) = (at.floor(), at.fract());
    let value = |step: f64| Chance::of(seed ^ super::whole(step), name).share();
    let smooth = part * part * (3.0 - 2.0 * part);
    value(left) * (1.0 - smooth) + value(left + 1.0) * smooth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_repeats_with_its_seed() {
        let draw = |seed| Chance::of(seed, "pods").uuid();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(1).len(), 36);
        assert_eq!(Chance::new(3).hex(40).len(), 40);
        let values: Vec<f64> = (0..1000).map(|s| wander(7, "load", f64::from(s), 60.0)).collect();
        assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
        assert!(values.windows(2).all(|w| (w[0] - w[1]).abs() < 0.1), "it does not jump");
    }
}
