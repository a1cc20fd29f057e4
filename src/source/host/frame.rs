//! The sampler's answers taken off the wire: frames between two marks that carry this run's nonce, cut into sections.

use std::time::Duration;

use crate::base::clock::Stopwatch;

/// More than this in one frame is no answer of our sampler.
const MOST_BYTES: usize = 16 << 20;

/// One answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    pub tick: u64,
    /// The host's clock when it began to answer, in seconds since the epoch, as `date` printed it.
    pub date: String,
    /// From the moment the tick was sent to the first line of the answer; `None` for the one that nobody asked for.
    pub round_trip: Option<Duration>,
    /// Runs since the first line came.
    pub begun: Option<Stopwatch>,
    pub sections: Vec<Section>,
}

/// A section: its title's words and the lines below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Section {
    pub name: String,
    pub args: Vec<String>,
    pub lines: Vec<String>,
}

impl Frame {
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }
}

/// Cuts bytes into frames. What comes before the first mark (a greeting of the login shell) is passed over.
#[derive(Debug)]
pub(super) struct Frames {
    nonce: String,
    rest: Vec<u8>,
    open: Option<Frame>,
    bytes: usize,
    asked: Option<Stopwatch>,
}

/// The remote sent more than any sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Frames {
    pub(super) fn new(nonce: String) -> Self {
        Self { nonce, rest: Vec::new(), open: None, bytes: 0, asked: None }
    }

    /// A tick was sent now.
    pub(super) fn asked(&mut self) {
        self.asked = Some(Stopwatch::start());
    }

    /// Takes bytes in; gives the frames that they complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, TooMuch> {
        self.bytes += bytes.len();
        if self.bytes > MOST_BYTES {
            return Err(TooMuch);
        }
        self.rest.extend_from_slice(bytes);
        let mut done = Vec::new();
        let mut from = 0;
        while let Some(end) = memchr::memchr(b'\n', &self.rest[from..]) {
            let line = String::from_utf8_lossy(&self.rest[from..from + end]).into_owned();
            from += end + 1;
            if let Some(frame) = self.line(&line) {
                self.bytes = self.rest.len() - from;
                done.push(frame);
            }
        }
        self.rest.drain(..from);
        Ok(done)
    }

    fn line(&mut self, line: &str) -> Option<Frame> {
        if let Some(mark) = line.strip_prefix('=').and_then(|l| l.strip_prefix(self.nonce.as_str())).and_then(|l| l.strip_prefix(' ')) {
            let (first, second) = mark.split_once(' ').unwrap_or((mark, ""));
            if first == "end" {
                return self.open.take();
            }
            let round_trip = self.asked.take().map(Stopwatch::elapsed);
            self.open = Some(Frame {
                tick: first.parse().unwrap_or(0),
                date: second.trim().to_owned(),
                round_trip,
                begun: Some(Stopwatch::start()),
                sections: Vec::new(),
            });
            return None;
        }
        let open = self.open.as_mut()?;
        if let Some(title) = line.strip_prefix('~').and_then(|l| l.strip_prefix(self.nonce.as_str())).and_then(|l| l.strip_prefix(' ')) {
            let mut words = title.split(' ').map(str::to_owned);
            let name = words.next().unwrap_or_default();
            open.sections.push(Section { name, args: words.collect(), lines: Vec::new() });
        } else if let Some(section) = open.sections.last_mut() {
            section.lines.push(line.to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_greetings_splits_and_foreign_marks() {
        let text = "Welcome\n=other 1 2\n=n1 4 12.5\n~n1 job m27 0\n1 2 3\n~zz not a title\n=zz end 4\n~n1 err m27\n=n1 end 4\n=n1 5 13";
        for cut in 0..text.len() {
            let mut frames = Frames::new("n1".to_owned());
            let mut all = frames.push(&text.as_bytes()[..cut]).unwrap();
            all.extend(frames.push(&text.as_bytes()[cut..]).unwrap());
            assert_eq!(all.len(), 1, "cut at {cut}");
            assert_eq!((all[0].tick, all[0].date.as_str()), (4, "12.5"));
            assert_eq!(all[0].sections[0].args, ["m27", "0"]);
            assert_eq!(all[0].sections[0].lines, ["1 2 3", "~zz not a title", "=zz end 4"]);
            assert_eq!(all[0].section("err").map(|s| s.lines.len()), Some(0));
        }
    }

    #[test]
    fn a_flood_is_refused() {
        let mut frames = Frames::new("n".to_owned());
        let block = vec![b'x'; 1 << 20];
        assert!((0..20).any(|_| frames.push(&block).is_err()));
    }
}
