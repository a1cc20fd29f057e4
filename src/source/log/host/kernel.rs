//! The kernel's own messages, from `/dev/kmsg`: each has a number, so that it is known how many were overwritten unread.

use std::collections::VecDeque;

use bytes::Bytes;

use super::Asked;
use super::command::{Ends, Spoken, follow as follow_command};
use super::journal::level;
use super::mux::Here;
use crate::base::chunk::{Chunk, Mark};
use crate::base::stamp::Stamp;
use crate::model::log::{GapCause, Mode, Note, Speaker};
use crate::source::log::lines::{Lines, Stamps};

pub(super) async fn follow(asked: &Asked) {
    let stream = asked.cx.out.stream(Speaker::Kernel { host: asked.mux.host.clone() });
    follow_command(asked, stream, Kernel::new(asked.window.tail)).await;
}

/// Lines of the past, the oldest first.
type History = VecDeque<(Stamp, Vec<u8>)>;

struct Kernel {
    lines: Lines,
    /// The number that the next message has.
    next: Option<u64>,
    booted: f64,
    /// Those that were there before, as long as they are read: only so many of the last ones are told.
    history: Option<(usize, History)>,
}

/// Told behind the messages that were there before.
const THERE: &str = "=there=";

/// One message of `/dev/kmsg`.
#[derive(Debug, PartialEq)]
struct Record<'a> {
    priority: usize,
    number: u64,
    /// Since the start.
    micros: i64,
    text: &'a [u8],
}

/// `6,339,5140900,-;NET: Registered`; what begins with a blank belongs to the one before and is for machines.
fn record(line: &[u8]) -> Option<Record<'_>> {
    let at = memchr::memchr(b';', line)?;
    let head = std::str::from_utf8(&line[..at]).ok()?;
    let mut words = head.split(',');
    let facility_and_priority: usize = words.next()?.parse().ok()?;
    Some(Record { priority: facility_and_priority & 7, number: words.next()?.parse().ok()?, micros: words.next()?.parse().ok()?, text: &line[at + 1..] })
}

impl Kernel {
    fn new(tail: Option<u64>) -> Self {
        Self { lines: Lines::new(Stamps::Arrival), next: None, booted: 0.0, history: tail.map(|t| (usize::try_from(t).unwrap_or(usize::MAX), VecDeque::new())) }
    }

    fn records(&mut self, lines: &Chunk) -> (Option<Note>, Chunk) {
        let mut text = Vec::with_capacity(lines.bytes.len());
        let mut marks = Vec::new();
        let mut missing = 0;
        for at in 0..lines.lines() {
            if lines.line(at) == THERE.as_bytes() {
                for (stamp, line) in self.history.take().into_iter().flat_map(|(_, lines)| lines) {
                    put(&mut text, &mut marks, stamp, &line);
                }
                continue;
            }
            let Some(r) = record(lines.line(at)) else { continue };
            match self.next {
                Some(next) if r.number < next => continue,
                Some(next) => missing += r.number - next,
                None => {}
            }
            self.next = Some(r.number + 1);
            #[allow(clippy::cast_possible_truncation)]
            let booted = (self.booted * 1e9) as i64;
            let stamp = Stamp(booted.saturating_add(r.micros.saturating_mul(1000)));
            let head = if r.priority <= 4 { format!("{}: ", level(r.priority)) } else { String::new() };
            let line = [head.as_bytes(), r.text].concat();
            match &mut self.history {
                Some((most, last)) => {
                    last.push_back((stamp, line));
                    if last.len() > *most {
                        last.pop_front();
                    }
                }
                None => put(&mut text, &mut marks, stamp, &line),
            }
        }
        let note = (missing > 0).then_some(Note::Gap { lines: Some(missing), bytes: 0, cause: GapCause::Rotation });
        (note, Chunk { bytes: Bytes::from(text), marks })
    }
}

fn put(text: &mut Vec<u8>, marks: &mut Vec<Mark>, stamp: Stamp, line: &[u8]) {
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let start = place(text.len());
    text.extend_from_slice(line);
    marks.push(Mark { start, end: place(text.len()), stamp, cut: 0 });
    text.push(b'\n');
}

impl Spoken for Kernel {
    fn command(&self, asked: &Asked) -> String {
        let read = "dd if=/dev/kmsg bs=65536";
        // Reading waits for the next message; what is there already has come within a moment.
        let there = format!("timeout 1 {read}; rc=$?; [ $rc = 124 ] || [ $rc = 0 ] || exit $rc; echo '{THERE}'");
        match asked.mode {
            Mode::Once => there,
            Mode::Follow if self.history.is_some() => format!("{there}; exec {read}"),
            Mode::Follow => format!("exec {read}"),
        }
    }

    fn begin(&mut self, here: Here) {
        self.booted = here.booted;
    }

    fn take(&mut self, data: &[u8], now: Stamp) -> Vec<(Option<Note>, Chunk)> {
        let chunks = self.lines.push(data, now);
        chunks.iter().map(|chunk| self.records(chunk)).collect()
    }

    fn finish(&mut self, now: Stamp) -> Option<Chunk> {
        let last = self.lines.finish(now)?;
        Some(self.records(&last).1)
    }

    fn cut(&mut self) {
        self.lines.forget_unfinished();
    }

    fn ends(&self) -> Ends {
        Ends::Never
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_numbered_and_gaps_counted() {
        let mut kernel = Kernel::new(None);
        kernel.begin(Here { zone: 0, booted: 1000.0 });
        let first = kernel.take(b"6,339,5140900,-;NET: Registered protocol\n SUBSYSTEM=net\n3,340,5141000,-;sda: I/O error\n", Stamp(0));
        assert_eq!((first[0].1.line(0), first[0].1.line(1)), (&b"NET: Registered protocol"[..], &b"error: sda: I/O error"[..]));
        assert_eq!(first[0].1.marks[0].stamp, Stamp(1_005_140_900_000));
        // Read again after a cut: the same ones are passed over, those that were overwritten are counted.
        kernel.cut();
        let second = kernel.take(b"3,340,5141000,-;sda: I/O error\n6,345,6000000,c;later\n", Stamp(0));
        assert_eq!(second[0].0, Some(Note::Gap { lines: Some(4), bytes: 0, cause: GapCause::Rotation }));
        assert_eq!(second[0].1.lines(), 1);
    }

    #[test]
    fn only_the_last_ones_of_those_before_are_told() {
        let mut kernel = Kernel::new(Some(2));
        let before = kernel.take(b"6,1,1,-;a\n6,2,2,-;b\n6,3,3,-;c\n", Stamp(0));
        assert!(before[0].1.is_empty());
        let told = kernel.take(b"=there=\n6,1,1,-;a\n6,2,2,-;b\n6,3,3,-;c\n6,4,4,-;d\n", Stamp(0));
        let lines: Vec<_> = (0..told[0].1.lines()).map(|i| told[0].1.line(i).to_vec()).collect();
        assert_eq!((told[0].0.clone(), lines), (None, vec![b"b".to_vec(), b"c".to_vec(), b"d".to_vec()]));
    }
}
