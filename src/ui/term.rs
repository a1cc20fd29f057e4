//! The terminal itself: taken, given back on every way out, asked what it can.

use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::style::ResetColor;
use crossterm::terminal::{EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{execute, queue};

use super::glyph::PROBE;
use crate::base::clock::Stopwatch;

/// Is the mouse ours?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mouse {
    #[default]
    Off,
    On,
}

/// Holds the terminal; gives it back when dropped.
#[derive(Debug)]
pub struct Screen(());

impl Screen {
    pub fn enter(mouse: Mouse) -> io::Result<Self> {
        enable_raw_mode()?;
        let screen = Self(());
        let mut out = io::stdout();
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, Hide)?;
        set_mouse(mouse)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

pub fn set_mouse(mouse: Mouse) -> io::Result<()> {
    match mouse {
        Mouse::On => execute!(io::stdout(), EnableMouseCapture),
        Mouse::Off => execute!(io::stdout(), DisableMouseCapture),
    }
}

/// Gives the terminal back as it was. May be called at any time, twice, and from a panic hook; failures are past helping.
pub fn restore() {
    let mut bytes = Vec::new();
    let _ = queue!(bytes, EndSynchronizedUpdate, ResetColor, DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let mut out = io::stdout();
    let _ = out.write_all(&bytes);
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// How long a terminal may take to answer.
pub const PATIENCE: Duration = Duration::from_millis(200);

/// The terminal is opened with a description of its own, so that not blocking stays its own affair.
const O_NONBLOCK: i32 = 0o4000;

/// Asks the terminal how many cells [`PROBE`] takes: prints it at the left edge and reads the cursor's column back. `None` when it
/// does not answer in time. Call it in raw mode, before anything reads the terminal.
pub fn measure_probe() -> Option<u16> {
    let mut out = io::stdout();
    write!(out, "\r{PROBE}\x1b[6n").ok()?;
    out.flush().ok()?;
    let mut tty = std::fs::OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open("/dev/tty").ok()?;
    let watch = Stopwatch::start();
    let mut answer = Vec::new();
    let mut chunk = [0u8; 64];
    let found = loop {
        match tty.read(&mut chunk) {
            Ok(n) if n > 0 => answer.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() != io::ErrorKind::WouldBlock && e.kind() != io::ErrorKind::Interrupted => break None,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
        if let Some(column) = column_of(&answer) {
            break Some(column.saturating_sub(1));
        }
        if watch.elapsed() > PATIENCE || answer.len() > 512 {
            break None;
        }
    };
    let _ = write!(out, "\r  \r");
    let _ = out.flush();
    found
}

/// The column of a cursor report (`ESC [ row ; column R`) anywhere in `bytes`.
fn column_of(bytes: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(bytes);
    text.split("\x1b[").skip(1).find_map(|part| {
        let (row, column) = part.split_once('R')?.0.split_once(';')?;
        row.parse::<u16>().ok()?;
        column.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursor_reports_are_found_among_keys() {
        assert_eq!(column_of(b"jk\x1b[12;3R"), Some(3));
        assert_eq!(column_of(b"\x1b[A\x1b[1;2Rx"), Some(2));
        assert_eq!(column_of(b"\x1b[1;"), None);
    }
}
