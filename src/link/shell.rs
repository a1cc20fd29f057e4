//! This machine as a [`Shell`]; `link::ssh` is the others.

use std::io::ErrorKind;
use std::process::Stdio;

use futures::future::BoxFuture;
use tokio::process::Command;
use tokio::sync::oneshot;

use crate::model::source::SourceState;
use crate::port::SourceError;
pub use crate::port::shell::{ExitStatus, MOST_OUTPUT, Output, Process, Shell, quote};

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
    use std::time::Duration;

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
