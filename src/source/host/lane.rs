//! The wire to one sampler: lines out, frames in, its complaints kept for the error message.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::frame::{Frame, Frames};
use crate::base::text;
use crate::link::shell::{ExitStatus, Process};
use crate::model::source::SourceState;
use crate::port::{Meter, SourceError};

/// A remote that takes no bytes for this long takes none at all.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// For the sampler to remove its folder and end.
const FAREWELL: Duration = Duration::from_millis(500);
const MOST_COMPLAINTS: usize = 4096;

#[derive(Debug)]
pub(super) struct Lane {
    process: Process,
    frames: Frames,
    ready: VecDeque<Frame>,
    complaints: Vec<u8>,
    mute: bool,
    buffer: Vec<u8>,
    meter: Arc<Meter>,
}

impl Lane {
    pub(super) fn new(process: Process, nonce: &str, meter: Arc<Meter>) -> Self {
        Self { process, frames: Frames::new(nonce.to_owned()), ready: VecDeque::new(), complaints: Vec::new(), mute: false, buffer: vec![0; 16 * 1024], meter }
    }

    pub(super) fn asked(&mut self) {
        self.frames.asked();
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        let put = async {
            self.process.stdin.write_all(bytes).await?;
            self.process.stdin.flush().await
        };
        match timeout(WRITE_LIMIT, put).await {
            Ok(Ok(())) => {
                self.meter.sent(bytes.len());
                Ok(())
            }
            // It ended: what it said last is the reason, not our broken pipe.
            Ok(Err(_)) => loop {
                self.next().await?;
            },
            Err(_) => Err(SourceError::unreachable(format!("the host takes no input for {} s", WRITE_LIMIT.as_secs()))),
        }
    }

    /// The next frame. Loses nothing when it is dropped half way.
    pub(super) async fn next(&mut self) -> Result<Frame, SourceError> {
        let mut err = [0_u8; 512];
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(frame);
            }
            tokio::select! {
                got = self.process.stdout.read(&mut self.buffer) => match got {
                    Ok(n) if n > 0 => {
                        self.meter.received(n);
                        let frames = self.frames.push(&self.buffer[..n]).map_err(|_| SourceError::unreachable("the host answers with more than any sample is"))?;
                        self.ready.extend(frames);
                    }
                    _ => return Err(self.ended().await),
                },
                got = self.process.stderr.read(&mut err), if !self.mute => match got {
                    Ok(n) if n > 0 => {
                        self.meter.received(n);
                        self.complaints.extend_from_slice(&err[..n]);
                        let over = self.complaints.len().saturating_sub(MOST_COMPLAINTS);
                        self.complaints.drain(..over);
                    }
                    _ => self.mute = true,
                },
            }
        }
    }

    /// Why there will be no more frames.
    async fn ended(&mut self) -> SourceError {
        let mut rest = Vec::new();
        if !self.mute {
            let _ = timeout(FAREWELL, (&mut self.process.stderr).take(4096).read_to_end(&mut rest)).await;
        }
        self.complaints.extend(rest);
        let status = match timeout(FAREWELL, &mut self.process.exit).await {
            Ok(Ok(status)) => status,
            _ => ExitStatus::Missing,
        };
        let words = String::from_utf8_lossy(&self.complaints).into_owned();
        let last = words.lines().rev().find(|l| !l.trim().is_empty()).map(|l| text::cut_end(&text::clean(l.trim()), 200, "…"));
        let how = match status {
            ExitStatus::Code(code) => format!("the sampler ended with status {code}"),
            ExitStatus::Signal => "the sampler was killed".to_owned(),
            ExitStatus::Missing => "the connection to the sampler was lost".to_owned(),
        };
        SourceError::new(SourceState::Unreachable, last.map_or(how.clone(), |l| format!("{how}: {l}")), "")
    }

    /// Closes its input and gives it a moment to clean up.
    pub(super) async fn farewell(mut self) -> Result<(), SourceError> {
        let _ = timeout(FAREWELL, self.process.stdin.shutdown()).await;
        drop(std::mem::replace(&mut self.process.stdin, Box::new(tokio::io::sink())));
        let _ = timeout(FAREWELL, &mut self.process.exit).await;
        Ok(())
    }
}
