//! Scripts on a step's host. The script itself goes in by stdin: the one string of an SSH command stands in the remote's process
//! list, and what a script says (its environment, its values) is nobody else's to read.
//!
//! Every process that a step starts carries `QUARTERDECK_STEP` in its environment. So what a lost line or a killed runner left
//! behind can be found, waited for and ended.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::args;
use crate::base::clock::Stopwatch;
use crate::link::shell::{ExitStatus, Process, Shell, quote};
use crate::port::action::{ActionCx, ActionError, Args, Ended, Found, MOST_KEPT, Outcome, Stream};

/// For a look at the target that reads a few files.
const LOOK: Duration = Duration::from_secs(30);
/// A line that is longer is told in parts.
const LONGEST_LINE: usize = 4096;

/// What a script said and how it ended.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub how: How,
    pub stdout: String,
    pub stderr: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    Code(u32),
    Signal,
    /// The line broke, and why.
    Lost(String),
    TimedOut,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// What it says is shown while it runs.
    Live,
    Quiet,
}

/// One script to run.
struct Work<'a> {
    script: &'a str,
    stdin: &'a [u8],
    mark: Option<&'a str>,
    limit: Duration,
    telling: Telling,
}

impl Said {
    pub(super) fn ok(&self) -> bool {
        self.how == How::Code(0)
    }

    /// The last line of complaint.
    pub(super) fn complaint(&self) -> String {
        let last = |text: &str| text.lines().rev().find(|l| !l.trim().is_empty()).map(|l| l.trim().to_owned());
        last(&self.stderr).or_else(|| last(&self.stdout)).unwrap_or_else(|| match &self.how {
            How::Code(code) => format!("it ended with status {code} and said nothing"),
            How::Signal => "a signal ended it".to_owned(),
            How::Lost(why) => why.clone(),
            How::TimedOut => "it did not end in time".to_owned(),
            How::Cancelled => "called off".to_owned(),
        })
    }

    /// As the outcome of a step.
    pub(super) fn outcome(self, cx: &ActionCx, changed: bool) -> Outcome {
        let complaint = self.complaint();
        let (end, rc) = match self.how {
            How::Code(0) => (Ended::Ok, Some(0)),
            How::Code(code) => (Ended::Failed(format!("status {code}: {complaint}")), Some(i64::from(code))),
            How::Signal => (Ended::Failed(format!("a signal ended it: {complaint}")), None),
            How::Lost(why) => (Ended::Unknown(format!("the line to {} broke while it ran: {why}", cx.host)), None),
            How::TimedOut => (Ended::Failed(format!("no end after {} s; what it had started was ended", cx.limit.as_secs())), None),
            How::Cancelled => (Ended::Unknown("called off while it ran; what it had started was ended".to_owned()), None),
        };
        Outcome { end, changed, rc, stdout: self.stdout, stderr: self.stderr, ..Outcome::ok(changed) }
    }

    /// A look that failed says so instead of guessing.
    pub(super) fn unclear(&self) -> Found {
        Found::unknown(self.complaint())
    }
}

/// A look: nothing is marked, nothing is shown live, and a broken line is an error.
pub(super) async fn look(cx: &ActionCx, script: &str) -> Result<Said, ActionError> {
    let shell = cx.shell()?;
    let said = talk(cx, &*shell, Work { script, stdin: b"", mark: None, limit: cx.limit.min(LOOK), telling: Telling::Quiet }).await?;
    match said.how {
        How::Lost(why) => Err(ActionError::unreachable(why)),
        How::TimedOut => Err(ActionError::unreachable(format!("{}: no answer within {} s", cx.host, cx.limit.min(LOOK).as_secs()))),
        How::Cancelled => Err(ActionError::cancelled()),
        _ => Ok(said),
    }
}

/// The act. `stdin` is what the script reads.
pub(super) async fn act(cx: &ActionCx, script: &str, stdin: &[u8], telling: Telling) -> Result<Said, ActionError> {
    let shell = cx.shell()?;
    let said = talk(cx, &*shell, Work { script, stdin, mark: Some(&cx.mark), limit: cx.limit, telling }).await?;
    if matches!(said.how, How::TimedOut | How::Cancelled) {
        // The channel is gone, but a remote command without a terminal does not notice that.
        if let Err(e) = shell.run(&end_marked(&cx.mark), b"", Duration::from_secs(15)).await {
            return Ok(Said { how: How::Lost(format!("no end after {} s, and what it started could not be ended: {}", cx.limit.as_secs(), e.text)), ..said });
        }
    }
    Ok(said)
}

/// Waits until nothing runs any more that an earlier attempt of this step started.
pub(super) async fn settle(cx: &ActionCx) -> Result<(), ActionError> {
    let shell = cx.shell()?;
    let watch = Stopwatch::start();
    loop {
        let out = shell.run(&format!("{}; exit 0", find_marked(&cx.mark)), b"", LOOK).await?;
        if out.stdout.trim().is_empty() {
            return Ok(());
        }
        if watch.elapsed() > cx.limit {
            let _ = shell.run(&end_marked(&cx.mark), b"", Duration::from_secs(15)).await;
            return Ok(());
        }
        cx.live.line(Stream::Err, "what an earlier attempt started still runs there; waiting for its end");
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            () = cx.stop.cancelled() => return Err(ActionError::cancelled()),
        }
    }
}

/// Does a command line hold a secret that is known? Then it is refused: it would stand in the process list.
pub(super) fn without_secrets(cx: &ActionCx, line: &str, field: &str) -> Result<(), ActionError> {
    if cx.redact.clean(line) == line {
        return Ok(());
    }
    Err(ActionError::new(
        crate::port::action::Hindrance::Arguments,
        format!("a secret stands in `{field}`, where every process of {} could read it", cx.host),
        "give it by `stdin` or in `environment`",
    ))
}

/// What a command reads: the text of `stdin`, then the bytes of the file of this machine that `stdin_file` names. A password goes
/// before a dump so. `None` where neither is there.
pub(super) fn input(given: &Args, cx: &ActionCx) -> Result<Option<Vec<u8>>, ActionError> {
    let text = args::text(given, "stdin");
    let Some(path) = args::text(given, "stdin_file") else { return Ok(text.map(String::into_bytes)) };
    let mut all = text.unwrap_or_default().into_bytes();
    all.extend(cx.files.read(&path).map_err(ActionError::arguments)?);
    Ok(Some(all))
}

/// Writes into a script.
pub(super) fn add(to: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = std::fmt::Write::write_fmt(to, what);
}

fn marker(mark: &str) -> String {
    format!("QUARTERDECK_STEP={mark};")
}

fn find_marked(mark: &str) -> String {
    // The pattern starts with a class, so that it does not find itself.
    format!("grep -ls {} /proc/[0-9]*/environ 2>/dev/null", quote(&pattern(mark)))
}

/// The marker as a basic regular expression.
fn pattern(mark: &str) -> String {
    let escaped: String =
        marker(mark).chars().flat_map(|c| if matches!(c, '.' | '[' | ']' | '*' | '^' | '$' | '\\') { vec!['\\', c] } else { vec![c] }).collect();
    escaped.replacen('Q', "[Q]", 1)
}

fn end_marked(mark: &str) -> String {
    let find = find_marked(mark);
    format!(
        "pids() {{ {find} | sed 's|/proc/||; s|/environ||'; }}; for s in TERM TERM KILL; do p=$(pids); [ -z \"$p\" ] && exit 0; kill -$s $p 2>/dev/null; sleep 1; done"
    )
}

fn prepared(cx: &ActionCx, script: &str) -> String {
    let mut out = String::new();
    for (name, value) in &cx.environment {
        add(&mut out, format_args!("export {name}={}\n", quote(value)));
    }
    if let Some(folder) = &cx.folder {
        add(&mut out, format_args!("cd {} || exit 126\n", quote(folder)));
    }
    out.push_str(script);
    out
}

/// The line that reads `bytes` bytes of script from its input, no byte more, and becomes it.
fn loader(bytes: usize, mark: Option<&str>) -> String {
    // Set before the shell starts: what it exports later would stand in its children's environment only.
    let mark = mark.map(|m| format!("env {} ", quote(&marker(m)))).unwrap_or_default();
    format!("exec {mark}sh -c 'eval \"$(dd bs=1 count={bytes} 2>/dev/null)\"'")
}

async fn talk(cx: &ActionCx, shell: &dyn Shell, work: Work<'_>) -> Result<Said, ActionError> {
    let Work { script, stdin, mark, limit, telling } = work;
    let script = prepared(cx, script);
    let line = loader(script.len(), mark);
    let process = tokio::select! {
        process = tokio::time::timeout(limit, shell.spawn(&line)) => match process {
            Ok(process) => process?,
            Err(_) => return Err(ActionError::unreachable(format!("{}: no session within {} s", cx.host, limit.as_secs()))),
        },
        () = cx.stop.cancelled() => return Err(ActionError::cancelled()),
    };
    let Process { stdin: mut input, stdout, stderr, exit, guard } = process;
    let write = async {
        // A command that ends without reading its input is no failure: its exit status speaks.
        let _ = input.write_all(script.as_bytes()).await;
        let _ = input.write_all(stdin).await;
        let _ = input.shutdown().await;
        drop(input);
    };
    let mut out = Kept::new(Stream::Out, telling);
    let mut err = Kept::new(Stream::Err, telling);
    let conversation = async {
        let ((), a, b) = tokio::join!(write, out.read(cx, stdout), err.read(cx, stderr));
        let status = exit.await.unwrap_or(ExitStatus::Missing);
        match (status, a.err().or(b.err())) {
            (ExitStatus::Code(code), _) => How::Code(code),
            (ExitStatus::Signal, _) => How::Signal,
            (ExitStatus::Missing, Some(why)) => How::Lost(why),
            (ExitStatus::Missing, None) => How::Lost("no exit status came".to_owned()),
        }
    };
    let how = tokio::select! {
        how = conversation => how,
        () = tokio::time::sleep(limit) => How::TimedOut,
        () = cx.stop.cancelled() => How::Cancelled,
    };
    drop(guard);
    Ok(Said { how, stdout: out.text(), stderr: err.text() })
}

/// The last part of a stream, told line by line as it comes.
struct Kept {
    stream: Stream,
    telling: Telling,
    bytes: Vec<u8>,
    line: Vec<u8>,
}

impl Kept {
    fn new(stream: Stream, telling: Telling) -> Self {
        Self { stream, telling, bytes: Vec::new(), line: Vec::new() }
    }

    async fn read(&mut self, cx: &ActionCx, mut from: Box<dyn AsyncRead + Send + Unpin>) -> Result<(), String> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match from.read(&mut buffer).await {
                Ok(0) => break,
                Ok(n) => self.take(cx, &buffer[..n]),
                Err(e) => {
                    self.flush(cx);
                    return Err(e.to_string());
                }
            }
        }
        self.flush(cx);
        Ok(())
    }

    fn take(&mut self, cx: &ActionCx, data: &[u8]) {
        self.bytes.extend_from_slice(data);
        if self.bytes.len() > 2 * MOST_KEPT {
            self.bytes.drain(..self.bytes.len() - MOST_KEPT);
        }
        if self.telling == Telling::Quiet {
            return;
        }
        for byte in data {
            if *byte == b'\n' || self.line.len() >= LONGEST_LINE {
                self.flush(cx);
            }
            if *byte != b'\n' {
                self.line.push(*byte);
            }
        }
    }

    fn flush(&mut self, cx: &ActionCx) {
        if !self.line.is_empty() {
            cx.live.line(self.stream, &String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }

    fn text(mut self) -> String {
        if self.bytes.len() > MOST_KEPT {
            self.bytes.drain(..self.bytes.len() - MOST_KEPT);
        }
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}
