//! Carrying a cut stream on, without loss and without doubling. Pure.
//!
//! The remote is asked again from a second before the last line on (it knows seconds only), so it repeats lines. Those are
//! told by the newest stamp that was taken and by how many lines had it: stamps alone do not tell lines apart, and within
//! one stream they may step back a little (stdout and stderr are stamped by different threads).

use crate::base::chunk::Chunk;
use crate::base::stamp::Stamp;

/// How far stamps within one stream step back at most, in seconds.
const STEPS_BACK: i64 = 1;

/// What happened to the lines when the stream went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// Exactly behind the last line that was taken.
    Whole,
    /// The remote no longer has that line: some may be missing in between.
    Torn,
}

#[derive(Clone, Copy, Debug)]
enum Skip {
    /// Lines with the newest stamp that are still to come again.
    ToNewest(u64),
    /// Lines behind those that are still to come again.
    Behind(u64),
}

/// What must be known of the lines taken so far.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    newest: Option<Stamp>,
    /// Lines that have it.
    same: u64,
    /// Later lines with an earlier stamp, as far as the remote will repeat them.
    behind: u64,
    skip: Option<Skip>,
}

impl Resume {
    /// From where the remote must be asked; `None` before the first line.
    pub fn since(&self) -> Option<Stamp> {
        self.newest.map(|n| n.whole_second().minus_seconds(STEPS_BACK))
    }

    /// The stream was cut. What comes next begins at [`Resume::since`].
    pub fn cut(&mut self) {
        self.skip = self.newest.map(|_| Skip::ToNewest(self.same));
    }

    /// Drops what was taken before. The joint is told once, with the first line behind it.
    pub fn take(&mut self, mut chunk: Chunk) -> (Chunk, Option<Joint>) {
        let mut joint = None;
        let mut repeated = 0;
        while let Some(mark) = chunk.marks.get(repeated).filter(|_| self.skip.is_some()) {
            match self.step(mark.stamp) {
                Some(end) => joint = Some(end),
                None => repeated += 1,
            }
        }
        chunk.marks.drain(..repeated);
        for mark in &chunk.marks {
            self.note(mark.stamp);
        }
        (chunk, joint)
    }

    /// Skips one line; tells when there is nothing more to skip, and then this line is new.
    fn step(&mut self, stamp: Stamp) -> Option<Joint> {
        let newest = self.newest?;
        let end = match self.skip? {
            Skip::ToNewest(0) => {
                self.skip = Some(Skip::Behind(self.behind));
                return self.step(stamp);
            }
            Skip::ToNewest(_) if stamp > newest => Joint::Torn,
            Skip::ToNewest(left) => {
                self.skip = Some(Skip::ToNewest(left - u64::from(stamp == newest)));
                return None;
            }
            Skip::Behind(left) if left > 0 && stamp < newest => {
                self.skip = Some(Skip::Behind(left - 1));
                return None;
            }
            Skip::Behind(_) => Joint::Whole,
        };
        self.skip = None;
        Some(end)
    }

    fn note(&mut self, stamp: Stamp) {
        if self.newest.is_none_or(|n| stamp > n) {
            (self.newest, self.same, self.behind) = (Some(stamp), 1, 0);
        } else if Some(stamp) == self.newest {
            (self.same, self.behind) = (self.same + 1, 0);
        } else if self.since().is_some_and(|since| stamp >= since) {
            self.behind += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::log::lines::{Lines, Stamps};

    const BASE: i64 = 1_790_000_000_000_000_000;

    /// What the API server sends: the lines from `since` on, with their stamps, cut after `bytes`.
    fn serve(log: &[(Stamp, String)], since: Option<Stamp>, bytes: usize) -> Vec<u8> {
        let there = log.iter().filter(|(stamp, _)| since.is_none_or(|s| *stamp >= s));
        let mut all = there.map(|(stamp, text)| format!("{stamp} {text}\n")).collect::<Vec<_>>().concat().into_bytes();
        all.truncate(bytes);
        all
    }

    fn read(lines: &mut Lines, resume: &mut Resume, bytes: &[u8], pieces: usize, out: &mut Vec<String>) -> Vec<Joint> {
        let mut joints = Vec::new();
        for piece in bytes.chunks(pieces.max(1)) {
            for chunk in lines.push(piece, Stamp(0)) {
                let (chunk, joint) = resume.take(chunk);
                joints.extend(joint);
                out.extend((0..chunk.lines()).map(|i| String::from_utf8(chunk.line(i).to_vec()).unwrap()));
            }
        }
        joints
    }

    #[test]
    fn a_log_that_was_rotated_away_is_told() {
        let log: Vec<_> = (0..10).map(|i| (Stamp(BASE + i * 1_000_000_000), format!("line {i}"))).collect();
        let (mut resume, mut out) = (Resume::default(), Vec::new());
        read(&mut Lines::new(Stamps::Prefixed), &mut resume, &serve(&log[..3], None, usize::MAX), 7, &mut out);
        resume.cut();
        let rest = serve(&log[5..], resume.since(), usize::MAX);
        let joints = read(&mut Lines::new(Stamps::Prefixed), &mut resume, &rest, 7, &mut out);
        assert_eq!((joints, out.len()), (vec![Joint::Torn], 8));
    }

    #[test]
    fn a_million_lines_of_one_nanosecond_are_told_apart() {
        let log: Vec<_> = (0..9).map(|i| (Stamp(BASE), format!("same {}", i / 3))).collect();
        let (mut resume, mut out) = (Resume::default(), Vec::new());
        for _ in 0..9 {
            // Each time one line more than before arrives.
            let whole = serve(&log[..=out.len()], resume.since(), usize::MAX);
            read(&mut Lines::new(Stamps::Prefixed), &mut resume, &whole, 11, &mut out);
            resume.cut();
        }
        assert_eq!(out, log.iter().map(|(_, t)| t.clone()).collect::<Vec<_>>());
    }

    proptest! {
        /// Cut anywhere, any number of times, with stamps that repeat and step back: what is read is what was written.
        #[test]
        fn read_equals_written(
            steps in proptest::collection::vec((-400_000_000_i64..900_000_000, any::<bool>(), 0_u8..3), 1..60),
            cuts in proptest::collection::vec((0_usize..4000, 1_usize..200), 0..8),
        ) {
            let mut newest = BASE;
            let mut log: Vec<(Stamp, String)> = Vec::new();
            for (step, same, text) in steps {
                let stamp = if same { log.last().map_or(newest, |(s, _)| s.0) } else { newest + step };
                newest = newest.max(stamp);
                log.push((Stamp(stamp), format!("text {text}")));
            }
            let (mut resume, mut out) = (Resume::default(), Vec::new());
            for (bytes, pieces) in cuts.into_iter().chain([(usize::MAX, 64)]) {
                // What was left of a line is thrown away with its connection.
                let served = serve(&log, resume.since(), bytes);
                let joints = read(&mut Lines::new(Stamps::Prefixed), &mut resume, &served, pieces, &mut out);
                prop_assert!(!joints.contains(&Joint::Torn));
                resume.cut();
            }
            prop_assert_eq!(out, log.into_iter().map(|(_, t)| t).collect::<Vec<_>>());
        }
    }
}
