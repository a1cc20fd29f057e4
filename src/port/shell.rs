//! Running commands on a machine, whichever way it is reached.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::SourceError;
use crate::model::source::SourceState;

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

/// A byte stream to somewhere, however it is carried.
pub trait Line: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Line for T {}
