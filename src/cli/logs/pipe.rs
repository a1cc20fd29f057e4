//! Lines on their way to stdout. Nothing is dropped: a slow reader of the pipe makes the remotes wait.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Output;
use super::write::{Writer, told};
use crate::base::clock::{Clock, Moment};
use crate::base::text::clean;
use crate::model::log::{LogEvent, Mode, Note, Speaker, StreamId, StreamState};
use crate::port::LogOut;
use crate::store::log::merge::{Merge, Turn};

/// Buffers between the streams and stdout.
const BUFFERS: usize = 8;
/// A buffer goes out when it has so many bytes.
const FULL: usize = 64 << 10;
/// One stream may be so far ahead of those that it waits for.
const AHEAD: usize = 1 << 20;

#[derive(Debug)]
struct State {
    merge: Merge,
    writer: Writer,
}

#[derive(Debug)]
pub(super) struct Pipe {
    state: Mutex<State>,
    next: AtomicU32,
    clock: Arc<dyn Clock>,
    mode: Mode,
    out: mpsc::Sender<Vec<u8>>,
    /// Somebody waits for others to come as far.
    moved: Notify,
    gone: CancellationToken,
    /// Something is missing of what was asked for.
    short: AtomicBool,
}

impl Pipe {
    /// The second part ends when everything is written.
    pub(super) fn open(output: Output, mode: Mode, clock: Arc<dyn Clock>) -> (Arc<Self>, JoinHandle<io::Result<()>>) {
        let (out, mut buffers) = mpsc::channel::<Vec<u8>>(BUFFERS);
        let gone = CancellationToken::new();
        let ended = gone.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut stdout = io::stdout().lock();
            let done = (|| {
                while let Some(buffer) = buffers.blocking_recv().filter(|b| !b.is_empty()) {
                    stdout.write_all(&buffer)?;
                    stdout.flush()?;
                }
                Ok(())
            })();
            ended.cancel();
            done
        });
        let merge = match mode {
            Mode::Once => Merge::exact(),
            Mode::Follow => Merge::default(),
        };
        let state = Mutex::new(State { merge, writer: Writer::new(output) });
        (Arc::new(Self { state, next: AtomicU32::new(0), clock, mode, out, moved: Notify::new(), gone, short: AtomicBool::new(false) }), written)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Everything that was held back, and the end.
    pub(super) async fn close(&self) {
        let rest = {
            let mut state = self.state();
            let State { merge, writer, .. } = &mut *state;
            merge.finish(&mut |turn| print(writer, turn));
            std::mem::take(&mut writer.buffer)
        };
        self.send(rest).await;
        // An empty one tells the writer that it was the last.
        let _ = self.out.send(Vec::new()).await;
    }

    /// Cancelled when nobody reads any more.
    pub(super) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }

    /// Lets go what has waited for its turn long enough, also while nothing else comes. Has no end.
    pub(super) async fn keep_going(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tick.tick().await;
            let due = {
                let mut state = self.state();
                let State { merge, writer, .. } = &mut *state;
                merge.release(self.clock.now(), &mut |turn| print(writer, turn));
                std::mem::take(&mut writer.buffer)
            };
            self.send(due).await;
        }
    }

    /// Takes it in; gives the bytes that are due.
    fn take(&self, event: LogEvent, now: Moment) -> Vec<u8> {
        let mut state = self.state();
        let State { merge, writer, .. } = &mut *state;
        match event {
            LogEvent::Lines { stream, chunk } => merge.lines(stream, chunk, now),
            LogEvent::State { stream, state: StreamState::Ended | StreamState::Waiting } => merge.pause(stream),
            LogEvent::State { stream, state: StreamState::Live | StreamState::Opening } => merge.open(stream),
            LogEvent::Note { stream, note } => {
                if matches!(note, Note::Gap { .. } | Note::Denied { .. } | Note::Failed { .. }) {
                    self.short.store(true, Ordering::Relaxed);
                }
                match stream {
                    Some(stream) => merge.note(stream, note, now),
                    None => say(writer, None, &note),
                }
            }
            LogEvent::Stream { .. } | LogEvent::Opened | LogEvent::Closed => {}
        }
        merge.release(now, &mut |turn| print(writer, turn));
        // A reader that follows sees a line at once; one that does not is served in large pieces.
        if self.mode == Mode::Follow || writer.buffer.len() >= FULL {
            std::mem::replace(&mut writer.buffer, Vec::with_capacity(FULL + FULL / 2))
        } else {
            Vec::new()
        }
    }

    async fn send(&self, buffer: Vec<u8>) {
        if !buffer.is_empty() {
            let _ = self.out.send(buffer).await;
        }
    }
}

fn print(writer: &mut Writer, turn: Turn<'_>) {
    match turn {
        Turn::Line { stream, mark, bytes } => writer.line(stream, mark, bytes),
        Turn::Note { stream, note, .. } => say(writer, Some(stream), &note),
    }
}

fn say(writer: &Writer, stream: Option<StreamId>, note: &Note) {
    if let Some(text) = told(note) {
        let from = stream.map_or("logs", |s| writer.name(s));
        let _ = writeln!(io::stderr(), "quarterdeck: {from}: {}", clean(&text));
    }
}

impl LogOut for Pipe {
    fn stream(&self, speaker: Speaker) -> StreamId {
        let stream = StreamId(self.next.fetch_add(1, Ordering::Relaxed));
        let mut state = self.state();
        state.writer.speaker(stream, speaker);
        state.merge.open(stream);
        stream
    }

    fn say(&self, event: LogEvent) -> BoxFuture<'_, ()> {
        let stream = match &event {
            LogEvent::Lines { stream, .. } => Some(*stream),
            _ => None,
        };
        async move {
            let due = self.take(event, self.clock.now());
            self.send(due).await;
            self.moved.notify_waiters();
            let Some(stream) = stream.filter(|_| self.mode == Mode::Once) else { return };
            // Far ahead of the others: they come first.
            loop {
                let moved = self.moved.notified();
                if self.state().merge.held_of(stream) <= AHEAD {
                    return;
                }
                tokio::select! {
                    () = moved => {}
                    () = self.gone.cancelled() => return,
                }
            }
        }
        .boxed()
    }
}
