//! Running commands on a machine, whichever way it is reached. [`LocalShell`] is this machine; `link::ssh` is the others.

use std::fmt;
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::model::source::SourceState;
use crate::port::SourceError;

/// A way to run POSIX `sh` command lines on one machine. Secrets go in by stdin, never in the line: it stands in the
/// remote's process list.
pub trait Shell: Send + Sync + fmt::Debug {
    /// Starts a command that stays (a sampler, a `tail -F`). Its channel closes when the [`Process`] is dropped.
    fn spawn<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<Process, SourceError>>;

    /// Runs a command to its end, `stdin` given, at most `limit` long and `MOST_OUTPUT` bytes of each stream kept.
    fn run<'a>(&'a self, line: &'a str, stdin: &'a [u8], limit: Duration) -> BoxFuture<'a, Result<Output, SourceError>> {
        Box::pin(async move {
            let talk = async {
                let Process { stdin: mut input, stdout: output, stderr: errors, exit, guard: _alive } = self.spawn(line).await?;
                // A command that ends without reading its input is no failure: its exit status speaks.
                let _ = input.write_all(stdin).await;
                let _ = input.shutdown().await;
                drop(input);
                let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
                let (mut out, mut err) = (output.take(MOST_OUTPUT), errors.take(MOST_OUTPUT));
                let (a, b) = tokio::join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr));
                a.map_err(|e| lost(&e))?;
                b.map_err(|e| lost(&e))?;
                let status = exit.await.unwrap_or(ExitStatus::Missing);
                Ok(Output { status, stdout: String::from_utf8_lossy(&stdout).into_owned(), stderr: String::from_utf8_lossy(&stderr).into_owned() })
            };
            timeout(limit, talk)
                .await
                .unwrap_or_else(|_| Err(SourceError::new(SourceState::Unreachable, format!("no end after {} s: {line}", limit.as_secs()), "")))
        })
    }
}

/// A word from afar as one word of a POSIX command line, whatever is in it.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// How much of a command's output is kept, for each stream.
pub const MOST_OUTPUT: u64 = 8 << 20;

fn lost(error: &std::io::Error) -> SourceError {
    SourceError::unreachable(format!("the command's channel broke: {error}"))
}

/// A running command.
pub struct Process {
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    pub exit: oneshot::Receiver<ExitStatus>,
    /// Dropped with the process: whatever must end with it.
    pub guard: Box<dyn Send>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Process")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Code(u32),
    Signal,
    /// The channel closed without one. That is never success.
    Missing,
}

#[derive(Clone, Debug)]
pub struct Output {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// This machine, by `sh -c`.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalShell;

fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true)
}

impl Shell for LocalShell {
    fn spawn<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<Process, SourceError>> {
        Box::pin(async move {
            // A session of its own: what finds a terminal talks to it (virsh starts a polkit agent there), and that one is the cockpit's.
            let detached = piped(Command::new("setsid").arg("sh").arg("-c").arg(line)).spawn();
            let started = match detached {
                Err(e) if e.kind() == ErrorKind::NotFound => piped(Command::new("sh").arg("-c").arg(line).process_group(0)).spawn(),
                started => started,
            };
            let mut child = started.map_err(|e| {
                SourceError::new(SourceState::Broken, format!("cannot start sh: {e}"), "check that /bin/sh exists and that the process limit is not reached")
            })?;
            let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
                return Err(SourceError::unreachable("sh started without its pipes"));
            };
            let (ended, exit) = oneshot::channel();
            let (alive, dropped) = oneshot::channel::<()>();
            tokio::spawn(async move {
                tokio::select! {
                    status = child.wait() => {
                        let _ = ended.send(match status.map(|s| s.code()) {
                            Ok(Some(code)) => ExitStatus::Code(u32::try_from(code).unwrap_or(255)),
                            Ok(None) => ExitStatus::Signal,
                            Err(_) => ExitStatus::Missing,
                        });
                    }
                    _ = dropped => {
                        let _ = child.kill().await;
                    }
                }
            });
            Ok(Process { stdin: Box::new(stdin), stdout: Box::new(stdout), stderr: Box::new(stderr), exit, guard: Box::new(alive) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn quoted_words_stay_one_word() {
        for word in ["it's", "", "$(touch x) `id` \\ \"a\" ; & | \n二", "-n", "''"] {
            let out = LocalShell.run(&format!("printf %s {}", quote(word)), b"", Duration::from_secs(5)).await.unwrap();
            assert_eq!(out.stdout, word);
        }
    }

    #[tokio::test]
    async fn local_commands_answer_with_status_and_stdin() {
        let out = LocalShell.run("cat; echo oops >&2; exit 3", "秘密\n".as_bytes(), Duration::from_secs(5)).await.unwrap();
        assert_eq!((out.status, out.stdout.as_str(), out.stderr.as_str()), (ExitStatus::Code(3), "秘密\n", "oops\n"));
        let late = LocalShell.run("sleep 9", b"", Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(late.state, SourceState::Unreachable);
        let session = LocalShell.run("cut -d' ' -f6 /proc/$$/stat", b"", Duration::from_secs(5)).await.unwrap().stdout;
        let ours = std::fs::read_to_string("/proc/self/stat").unwrap();
        assert_ne!(Some(session.trim()), ours.split(' ').nth(5), "it shares no terminal with us");
    }
}
