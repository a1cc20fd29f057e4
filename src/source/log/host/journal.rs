//! systemd's journal: one entry an object, carried on by its cursor.

use std::fmt::Write as _;

use bytes::Bytes;
use serde_json::Value;

use super::command::{Ends, Spoken, follow as follow_command};
use super::mux::{Frame, Here};
use super::{Asked, Speaks};
use crate::base::chunk::{Chunk, Mark};
use crate::base::stamp::Stamp;
use crate::link::shell::quote;
use crate::model::id::Name;
use crate::model::log::{Mode, Note, Speaker};
use crate::source::log::lines::{Lines, Stamps};

/// One entry is at most so long, in bytes; a core dump's own is longer and of no use here.
const LONGEST_ENTRY: usize = 1 << 20;

pub(super) async fn follow(asked: &Asked, unit: Option<&Name>) {
    let name = unit.cloned().unwrap_or_else(|| "journal".into());
    let stream = asked.cx.out.stream(Speaker::Unit { host: asked.mux.host.clone(), unit: name });
    follow_command(asked, stream, Journal::new(unit.cloned())).await;
}

/// A host without a journal is heard through its kernel.
pub(super) async fn follow_or_kernel(asked: &Asked) {
    let look = "file=$(ls -d /run/log/journal/*/*.journal /var/log/journal/*/*.journal 2>/dev/null | head -n 1); [ -n \"$file\" ]";
    let mut has_journal = false;
    if let Ok(mut tail) = asked.mux.open(|id| format!("pipe {id} {}\n", quote(look))).await {
        while let Some(frame) = tail.frames.recv().await {
            if let Frame::End { status, .. } = frame {
                has_journal = status == 0;
                break;
            }
        }
    }
    let what = if has_journal { Speaks::Journal(None) } else { Speaks::Kernel };
    match what {
        Speaks::Journal(_) => follow(asked, None).await,
        _ => super::kernel::follow(asked).await,
    }
}

struct Journal {
    unit: Option<Name>,
    lines: Lines,
    cursor: Option<String>,
}

impl Journal {
    fn new(unit: Option<Name>) -> Self {
        Self { unit, lines: Lines::new(Stamps::Arrival).longest(LONGEST_ENTRY), cursor: None }
    }

    fn entries(&mut self, entries: &Chunk) -> Chunk {
        let mut text = Vec::with_capacity(entries.bytes.len() / 2);
        let mut marks = Vec::new();
        for at in 0..entries.lines() {
            let Ok(entry) = serde_json::from_slice::<Value>(entries.line(at)) else { continue };
            if let Some(cursor) = entry["__CURSOR"].as_str() {
                self.cursor = Some(cursor.to_owned());
            }
            let micros = entry["__REALTIME_TIMESTAMP"].as_str().and_then(|t| t.parse::<i64>().ok());
            let stamp = micros.map_or(entries.marks[at].stamp, |m| Stamp(m.saturating_mul(1000)));
            let message = bytes_of(&entry["MESSAGE"]);
            let head = head(&entry, self.unit.is_none());
            for (i, line) in message.split(|b| *b == b'\n').enumerate() {
                let start = text.len();
                text.extend_from_slice(if i == 0 { head.as_bytes() } else { b"" });
                text.extend_from_slice(line);
                let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
                marks.push(Mark { start: place(start), end: place(text.len()), stamp, cut: 0 });
                text.push(b'\n');
            }
        }
        Chunk { bytes: Bytes::from(text), marks }
    }
}

const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];

/// How grave a priority of syslog is, in a word.
pub(super) fn level(priority: usize) -> &'static str {
    LEVELS[priority % LEVELS.len()]
}

/// `level=warn sshd[812]: `, the level where it is worse than usual, the name where there are several.
fn head(entry: &Value, named: bool) -> String {
    let mut head = String::new();
    if let Some(priority) = entry["PRIORITY"].as_str().and_then(|p| p.parse().ok()).filter(|p| *p <= 4) {
        head.push_str(level(priority));
        head.push_str(": ");
    }
    let word = |key: &str| entry[key].as_str().unwrap_or_default();
    if named && !word("SYSLOG_IDENTIFIER").is_empty() {
        head.push_str(word("SYSLOG_IDENTIFIER"));
        let pid = if word("_PID").is_empty() { word("SYSLOG_PID") } else { word("_PID") };
        if !pid.is_empty() {
            let _ = write!(head, "[{pid}]");
        }
        head.push_str(": ");
    }
    head
}

/// What is no UTF-8 or has control characters is an array of numbers there.
fn bytes_of(field: &Value) -> Vec<u8> {
    match field {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Array(numbers) => numbers.iter().filter_map(|n| n.as_u64().and_then(|n| u8::try_from(n).ok())).collect(),
        _ => Vec::new(),
    }
}

impl Spoken for Journal {
    fn command(&self, asked: &Asked) -> String {
        let mut command = "exec journalctl --no-pager -a -o json".to_owned();
        if let Some(unit) = &self.unit {
            command.push_str(" -u ");
            command.push_str(&quote(unit));
        }
        match (&self.cursor, asked.window.tail, asked.window.since) {
            (Some(cursor), _, _) => {
                let _ = write!(command, " -n all --after-cursor={}", quote(cursor));
            }
            (None, Some(tail), _) => {
                let _ = write!(command, " -n {tail}");
            }
            (None, None, Some(_)) => command.push_str(" -n all"),
            (None, None, None) => command.push_str(if asked.mode == Mode::Follow { " -n 1000" } else { " -n all" }),
        }
        if let (None, Some(since)) = (&self.cursor, asked.window.since) {
            let _ = write!(command, " --since=@{}", since.0.div_euclid(1000));
        }
        if asked.mode == Mode::Follow {
            command.push_str(" -f");
        }
        command
    }

    fn begin(&mut self, _: Here) {}

    fn take(&mut self, data: &[u8], now: Stamp) -> Vec<(Option<Note>, Chunk)> {
        let chunks = self.lines.push(data, now);
        chunks.iter().map(|chunk| (None, self.entries(chunk))).collect()
    }

    fn finish(&mut self, now: Stamp) -> Option<Chunk> {
        let last = self.lines.finish(now)?;
        Some(self.entries(&last))
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
    fn entries_become_lines() {
        let mut journal = Journal::new(None);
        let text = concat!(
            r#"{"__CURSOR":"s=1;i=1","__REALTIME_TIMESTAMP":"1790000000123456","PRIORITY":"6","SYSLOG_IDENTIFIER":"sshd","_PID":"812","MESSAGE":"Accepted publickey"}"#,
            "\n",
            r#"{"__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1790000000200000","PRIORITY":"3","SYSLOG_IDENTIFIER":"kernel","MESSAGE":[79,111,112,115,27,10,116,119,111]}"#,
            "\n",
            "not json\n",
        );
        let out = journal.take(text.as_bytes(), Stamp(5));
        let lines: Vec<_> = (0..out[0].1.lines()).map(|i| String::from_utf8(out[0].1.line(i).to_vec()).unwrap()).collect();
        assert_eq!(lines, ["sshd[812]: Accepted publickey", "error: kernel: Oops\x1b", "two"]);
        assert_eq!(out[0].1.marks[0].stamp, Stamp(1_790_000_000_123_456_000));
        assert_eq!(journal.cursor.as_deref(), Some("s=1;i=2"));
    }
}
