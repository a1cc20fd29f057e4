//! What a command on the host writes: run, read to its end, and run again from where it stopped.

use std::time::Duration;

use super::mux::{Frame, Here};
use super::{Asked, Trouble};
use crate::base::backoff::Backoff;
use crate::base::chunk::Chunk;
use crate::base::stamp::Stamp;
use crate::link::shell::quote;
use crate::model::id::Name;
use crate::model::log::{GapCause, Mode, Note, Speaker, StreamId, StreamState};
use crate::model::source::SourceState;
use crate::port::SourceError;
use crate::source::log::lines::{Lines, Stamps};
use crate::source::log::resume::{Joint, Resume};
use crate::source::log::window;

/// A command that ended is asked again so often whether there is more.
const AGAIN: Duration = Duration::from_secs(3);

/// What one kind of command is like. Pure but for its own memory of how far it came.
pub(super) trait Spoken: Send {
    /// The command; it is run by `sh -c`.
    fn command(&self, asked: &Asked) -> String;
    /// A new run begins.
    fn begin(&mut self, here: Here);
    /// Takes in what it wrote; gives lines that were not told before, and what happened before each.
    fn take(&mut self, data: &[u8], now: Stamp) -> Vec<(Option<Note>, Chunk)>;
    /// It ended in order: what is left of a line.
    fn finish(&mut self, now: Stamp) -> Option<Chunk>;
    /// It was cut off: what was begun comes again.
    fn cut(&mut self);
    /// Does it end by itself when it follows?
    fn ends(&self) -> Ends;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// Then it is run again: the container may have been started anew.
    Often,
    /// Only when something is wrong.
    Never,
}

/// Is this how a refusal sounds?
fn is_refusal(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["permission denied", "operation not permitted", "not seeing messages", "insufficient permissions", "access denied"].iter().any(|w| text.contains(w))
}

pub(super) async fn follow(asked: &Asked, stream: StreamId, mut spoken: impl Spoken) {
    let mut trouble = Trouble::default();
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(15), u64::from(stream.0) + 11);
    loop {
        let command = spoken.command(asked);
        let opened = tokio::select! {
            opened = asked.mux.open(|id| format!("pipe {id} {}\n", quote(&command))) => opened,
            () = asked.cx.stop.cancelled() => return,
        };
        let mut wait = backoff.next();
        match opened {
            Ok(mut tail) => {
                spoken.begin(tail.here);
                let mut spoke = false;
                let end = loop {
                    let frame = tokio::select! {
                        frame = tail.frames.recv() => frame,
                        () = asked.cx.stop.cancelled() => return,
                    };
                    match frame {
                        None => break None,
                        Some(Frame::Data(data)) => {
                            if !std::mem::replace(&mut spoke, true) {
                                trouble.over(asked, stream).await;
                                backoff.reset();
                            }
                            asked.cx.meter.received(data.len());
                            for (note, mut chunk) in spoken.take(&data, asked.now().into()) {
                                if let Some(note) = note {
                                    asked.cx.note(stream, note).await;
                                }
                                let more = window::cut(&asked.window, &mut chunk);
                                asked.cx.lines(stream, chunk).await;
                                if more == window::More::No {
                                    return asked.cx.end(stream, "the end of the time that was asked for").await;
                                }
                            }
                        }
                        Some(Frame::Warning(text)) if is_refusal(&text) => asked.cx.note(stream, Note::Denied { text }).await,
                        Some(Frame::Warning(_) | Frame::At { .. } | Frame::Missing(_)) => {}
                        Some(Frame::End { status, text }) => break Some((status, text)),
                    }
                };
                match end {
                    None => {
                        spoken.cut();
                        trouble.cut(asked, stream).await;
                    }
                    // journalctl calls that a success.
                    Some((0, text)) if text.contains("No journal files were found") => {
                        let why = format!("{} keeps no journal that this account may read: {text}", asked.mux.host);
                        trouble.told(asked, stream, &SourceError::new(SourceState::Unreachable, why, "")).await;
                        if asked.mode == Mode::Once {
                            return asked.cx.state(stream, StreamState::Ended).await;
                        }
                        wait = AGAIN * 5;
                    }
                    Some((0, _)) => {
                        if let Some(mut chunk) = spoken.finish(asked.now().into()) {
                            window::cut(&asked.window, &mut chunk);
                            asked.cx.lines(stream, chunk).await;
                        }
                        if asked.mode == Mode::Once {
                            return asked.cx.end(stream, "").await;
                        }
                        asked.cx.state(stream, StreamState::Waiting).await;
                        spoken.cut();
                        wait = if spoken.ends() == Ends::Often { AGAIN } else { wait.max(Duration::from_secs(1)) };
                    }
                    Some((status, text)) => {
                        spoken.cut();
                        let why = if text.is_empty() { format!("ended with status {status}") } else { text };
                        let state = if is_refusal(&why) { SourceState::NoRight } else { SourceState::Unreachable };
                        trouble.told(asked, stream, &SourceError::new(state, why, "")).await;
                        if asked.mode == Mode::Once || spoken.ends() == Ends::Often {
                            return asked.cx.state(stream, StreamState::Ended).await;
                        }
                        wait = wait.max(AGAIN);
                    }
                }
            }
            Err(error) => {
                if !trouble.told(asked, stream, &error).await || asked.mode == Mode::Once {
                    return asked.cx.state(stream, StreamState::Ended).await;
                }
            }
        }
        if asked.pause(wait).await {
            return;
        }
    }
}

/// A container's log, by `docker logs`, `podman logs` or `crictl logs`.
pub(super) async fn container(asked: &Asked, runtime: &Name, name: &Name) {
    let stream = asked.cx.out.stream(Speaker::Container { host: asked.mux.host.clone(), name: name.clone() });
    let lines = Lines::new(Stamps::Prefixed).encoded(asked.encoding).longest(asked.cx.longest_line);
    follow(asked, stream, Container { runtime: runtime.clone(), name: name.clone(), lines, resume: Resume::default() }).await;
}

/// `crictl logs` takes an id only. A row of it is named `pod/container`, or by the container alone where the kubelet did not start it; the
/// latest of several lives is meant.
fn cri_id(name: &str) -> String {
    let (pod, name) = name.rsplit_once('/').map_or((None, name), |(pod, name)| (Some(pod), name));
    let label = pod.map_or_else(String::new, |pod| format!(" --label {}", quote(&format!("io.kubernetes.pod.name={pod}"))));
    let named = quote(&format!("^{}$", regex::escape(name)));
    let missing = quote(&format!("crictl: no container {name} here; crictl ps -a lists those that are"));
    format!("id=$(crictl ps -aq --latest --name {named}{label}) && {{ [ -n \"$id\" ] || {{ echo {missing} >&2; false; }}; }}")
}

struct Container {
    runtime: Name,
    name: Name,
    lines: Lines,
    resume: Resume,
}

impl Container {
    fn new_of(&mut self, chunk: Chunk) -> (Option<Note>, Chunk) {
        let (chunk, joint) = self.resume.take(chunk);
        let torn = joint == Some(Joint::Torn);
        (torn.then_some(Note::Gap { lines: None, bytes: 0, cause: GapCause::Lost }), chunk)
    }
}

impl Spoken for Container {
    fn command(&self, asked: &Asked) -> String {
        let (runtime, name) = (&*self.runtime, quote(&self.name));
        let (found, name) =
            if runtime == "crictl" { (cri_id(&self.name), "\"$id\"".to_owned()) } else { (format!("{runtime} inspect {name} >/dev/null"), name) };
        let mut command = format!("{found} || exit 1; exec {runtime} logs --timestamps");
        if asked.mode == Mode::Follow {
            command.push_str(" --follow");
        }
        if let Some(since) = self.resume.since().or(asked.window.since.map(Stamp::from)) {
            command.push_str(" --since ");
            command.push_str(&since.seconds_text());
        }
        if let (None, Some(tail)) = (self.resume.since(), asked.window.tail) {
            command.push_str(" --tail ");
            command.push_str(&tail.to_string());
        }
        // The container's errors are lines like its others; whether there is such a container was asked before.
        format!("{command} {name} 2>&1")
    }

    fn begin(&mut self, _: Here) {}

    fn take(&mut self, data: &[u8], now: Stamp) -> Vec<(Option<Note>, Chunk)> {
        let chunks = self.lines.push(data, now);
        chunks.into_iter().map(|chunk| self.new_of(chunk)).collect()
    }

    fn finish(&mut self, now: Stamp) -> Option<Chunk> {
        let last = self.lines.finish(now)?;
        Some(self.new_of(last).1)
    }

    fn cut(&mut self) {
        self.lines.forget_unfinished();
        self.resume.cut();
    }

    fn ends(&self) -> Ends {
        Ends::Often
    }
}
