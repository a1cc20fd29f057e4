//! What reaches the terminal: the difference to the last frame, and nothing when there is none.

use std::io::{self, Write};
use std::time::Duration;

use crossterm::cursor::Hide;
use crossterm::queue;
use crossterm::style::ResetColor;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::base::clock::Stopwatch;

/// The shortest time between two frames: thirty a second.
pub const FRAME: Duration = Duration::from_millis(33);
const SLOWEST: Duration = Duration::from_secs(1);
/// What a screen that changes without end may send in the long run, in bytes a second: a log that scrolls leaves room for
/// keys on a thin line.
const PACE: f64 = 48_000.0;
/// What may go out at once before that counts: a few whole screens.
const BURST: f64 = 48_000.0;

/// Remembers the frame that a terminal shows.
#[derive(Debug)]
pub struct FrameSink {
    last: Buffer,
    pause: Duration,
    /// Bytes that may go out at once now, as of the last frame.
    credit: f64,
    since: Option<Stopwatch>,
    sent: u64,
    started: bool,
}

impl Default for FrameSink {
    fn default() -> Self {
        Self { last: Buffer::empty(Rect::ZERO), pause: FRAME, credit: BURST, since: None, sent: 0, started: false }
    }
}

impl FrameSink {
    /// The next frame is sent whole: after a resize, a suspend or `redraw`.
    pub fn forget(&mut self) {
        self.started = false;
    }

    /// Sends what differs. Returns the bytes written; zero when the terminal already shows this frame.
    pub fn show(&mut self, frame: &Buffer, out: &mut impl Write) -> io::Result<usize> {
        let whole = !self.started || self.last.area != frame.area;
        if whole {
            self.last = Buffer::empty(frame.area);
        }
        let safe = harmless(frame);
        let frame = safe.as_ref().unwrap_or(frame);
        let changes = self.last.diff(frame);
        if changes.is_empty() && !whole {
            return Ok(0);
        }
        let mut bytes = Vec::with_capacity(256 + changes.len() * 8);
        queue!(bytes, BeginSynchronizedUpdate)?;
        if whole {
            queue!(bytes, ResetColor, Hide, Clear(ClearType::All))?;
        }
        CrosstermBackend::new(&mut bytes).draw(changes.into_iter())?;
        queue!(bytes, EndSynchronizedUpdate)?;
        let watch = Stopwatch::start();
        out.write_all(&bytes)?;
        out.flush()?;
        self.adapt(watch.elapsed());
        let passed = self.since.map_or(Duration::ZERO, Stopwatch::elapsed);
        self.spend(bytes.len(), passed);
        self.since = Some(Stopwatch::start());
        self.last.clone_from(frame);
        self.started = true;
        self.sent += bytes.len() as u64;
        Ok(bytes.len())
    }

    /// How long to wait until the next frame: longer while the line is slow.
    pub fn pause(&self) -> Duration {
        // Until there is credit again for what was spent beyond it.
        let owed = Duration::from_secs_f64((-self.credit / PACE).clamp(0.0, 1.0));
        self.pause.max(owed)
    }

    /// Takes the bytes of a frame from the credit, which grows with the time that passed.
    fn spend(&mut self, bytes: usize, passed: Duration) {
        self.credit = (self.credit + passed.as_secs_f64() * PACE).min(BURST) - bytes as f64;
    }

    /// Bytes written since the start.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// A flush that blocks says that the line is full; frames then come at a quarter of its pace, so that keys get through.
    fn adapt(&mut self, flush: Duration) {
        let wanted = (flush * 4).clamp(FRAME, SLOWEST);
        self.pause = if wanted > self.pause { wanted } else { (self.pause * 3 / 4).max(wanted) };
    }
}

/// The last gate: a cell that holds a control character, for whatever reason, is not sent as it is.
fn harmless(frame: &Buffer) -> Option<Buffer> {
    let bad = |s: &str| s.chars().any(char::is_control);
    if !frame.content.iter().any(|c| bad(c.symbol())) {
        return None;
    }
    let mut safe = frame.clone();
    for cell in safe.content.iter_mut().filter(|c| bad(c.symbol())) {
        cell.set_symbol("?");
    }
    Some(safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Style;

    fn frame(text: &str) -> Buffer {
        let mut b = Buffer::empty(Rect::new(0, 0, 20, 2));
        b.set_string(0, 0, text, Style::default());
        b
    }

    #[test]
    fn an_unchanged_frame_sends_nothing_and_a_small_change_sends_little() {
        let mut sink = FrameSink::default();
        let mut out = Vec::new();
        assert!(sink.show(&frame("pods 214"), &mut out).unwrap() > 8);
        assert_eq!(sink.show(&frame("pods 214"), &mut out).unwrap(), 0);
        out.clear();
        let n = sink.show(&frame("pods 215"), &mut out).unwrap();
        assert!(n < 80, "{n}: {}", String::from_utf8_lossy(&out).escape_debug());
        sink.forget();
        assert!(sink.show(&frame("pods 215"), &mut out).unwrap() > 0);
    }

    #[test]
    fn a_slow_line_gets_fewer_frames_and_recovers() {
        let mut sink = FrameSink::default();
        sink.adapt(Duration::from_millis(100));
        assert_eq!(sink.pause(), Duration::from_millis(400));
        sink.adapt(Duration::from_mins(1));
        assert_eq!(sink.pause(), SLOWEST);
        for _ in 0..20 {
            sink.adapt(Duration::ZERO);
        }
        assert_eq!(sink.pause(), FRAME);
    }

    #[test]
    fn a_screen_that_never_rests_keeps_to_its_pace() {
        let mut sink = FrameSink::default();
        let (mut sent, mut passed) = (0, Duration::ZERO);
        let mut step = FRAME;
        while passed < Duration::from_secs(10) {
            sink.spend(7000, step);
            sent += 7000;
            step = sink.pause();
            passed += step;
        }
        assert!((480_000..600_000).contains(&sent), "{sent} bytes in ten seconds");
        sink.spend(0, Duration::from_secs(2));
        assert_eq!(sink.pause(), FRAME);
    }

    #[test]
    fn control_characters_in_a_cell_are_stopped() {
        let mut b = frame("x");
        b[(3, 0)].set_symbol("\x1b]0;owned\x07");
        let mut out = Vec::new();
        FrameSink::default().show(&b, &mut out).unwrap();
        assert!(!String::from_utf8_lossy(&out).contains("owned"));
    }
}
