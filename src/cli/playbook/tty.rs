//! Questions on the terminal, without a screen.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use crate::base::text::clean;

/// The terminal itself, whatever stdout is.
#[derive(Debug)]
pub(super) struct Tty {
    out: File,
    input: BufReader<File>,
}

/// Gives the terminal's echo back.
struct Unseen<'a> {
    tty: &'a File,
    before: Termios,
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.tty.as_fd(), OptionalActions::Now, &self.before);
    }
}

impl Tty {
    /// `None` where nobody sits before us.
    pub(super) fn open() -> Option<Self> {
        if !io::stdin().is_terminal() {
            return None;
        }
        let out = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        let input = BufReader::new(out.try_clone().ok()?);
        Some(Self { out, input })
    }

    pub(super) fn say(&mut self, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.out, "{}", clean(line));
        }
    }

    /// A line that is seen while it is typed.
    pub(super) fn line(&mut self, prompt: &str) -> Result<String, String> {
        let lost = |e: io::Error| format!("the terminal was lost: {e}");
        write!(self.out, "{}", clean(prompt)).and_then(|()| self.out.flush()).map_err(lost)?;
        let mut line = String::new();
        match self.input.read_line(&mut line).map_err(lost)? {
            0 => Err("the terminal was closed".to_owned()),
            _ => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        }
    }

    /// A line that is not.
    pub(super) fn secret(&mut self, prompt: &str) -> Result<SecretString, String> {
        let failed = |e: rustix::io::Errno| format!("the terminal cannot hide what is typed: {e}");
        let tty = self.out.try_clone().map_err(|e| format!("the terminal was lost: {e}"))?;
        let before = tcgetattr(tty.as_fd()).map_err(failed)?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        tcsetattr(tty.as_fd(), OptionalActions::Flush, &unseen).map_err(failed)?;
        let guard = Unseen { tty: &tty, before };
        let line = self.line(prompt);
        drop(guard);
        let _ = writeln!(self.out);
        line.map(SecretString::from)
    }
}
