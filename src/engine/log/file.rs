//! A whole log, asked anew from its start, to a file: merged in the order of time, nothing dropped, however slow the disk.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::Wanted;
use crate::base::clock::Clock;
use crate::base::text::clean;
use crate::engine::Engine;
use crate::model::log::{LogEvent, LogQuery, Note, Speaker, StreamId, StreamState};
use crate::port::LogOut;
use crate::store::log::merge::{Merge, Turn};

/// Buffers between the streams and the disk.
const BUFFERS: usize = 8;
const FULL: usize = 64 << 10;
/// One stream may be so far ahead of those that it waits for.
const AHEAD: usize = 1 << 20;
/// A longer line is cut, and the rest counted.
const LONGEST_LINE: usize = 16 << 20;

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    pub lines: u64,
    /// What could not be had, in words.
    pub missing: Vec<String>,
}

#[derive(Debug)]
struct State {
    merge: Merge,
    names: BTreeMap<StreamId, String>,
    buffer: Vec<u8>,
    saved: Saved,
}

struct File {
    state: Mutex<State>,
    next: AtomicU32,
    clock: Arc<dyn Clock>,
    out: mpsc::Sender<Vec<u8>>,
    moved: Notify,
    gone: CancellationToken,
}

impl State {
    fn turn(&mut self, turn: Turn<'_>) {
        match turn {
            Turn::Line { stream, mark, bytes } => {
                let name = self.names.get(&stream).map_or("", String::as_str);
                let _ = write!(self.buffer, "{} {name} ", mark.stamp);
                self.buffer.extend_from_slice(bytes);
                if mark.cut > 0 {
                    let _ = write!(self.buffer, " [+{} bytes]", mark.cut);
                }
                self.buffer.push(b'\n');
                self.saved.lines += 1;
            }
            Turn::Note { stream, note, .. } => self.note(Some(stream), &note),
        }
    }

    fn note(&mut self, stream: Option<StreamId>, note: &Note) {
        let name = stream.and_then(|s| self.names.get(&s)).map_or("", String::as_str);
        let text = match note {
            Note::Gap { lines: Some(n), .. } => format!("{name}: {n} lines are missing here"),
            Note::Gap { lines: None, .. } => format!("{name}: lines may be missing here"),
            Note::Denied { text } | Note::Failed { text } => format!("{name}: {}", clean(text)),
            _ => return,
        };
        let _ = writeln!(self.buffer, "-- {text}");
        if self.saved.missing.len() < 3 {
            self.saved.missing.push(text);
        }
    }

    fn merged(&mut self, go: impl FnOnce(&mut Merge, &mut dyn FnMut(Turn<'_>))) {
        let mut merge = std::mem::replace(&mut self.merge, Merge::exact());
        go(&mut merge, &mut |turn| self.turn(turn));
        self.merge = merge;
    }
}

impl File {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes it in; gives the bytes that are due.
    fn take(&self, event: LogEvent) -> Vec<u8> {
        let now = self.clock.now();
        let mut state = self.state();
        match event {
            LogEvent::Lines { stream, chunk } => state.merge.lines(stream, chunk, now),
            LogEvent::State { stream, state: StreamState::Ended | StreamState::Waiting } => state.merge.pause(stream),
            LogEvent::State { stream, state: StreamState::Live | StreamState::Opening } => state.merge.open(stream),
            LogEvent::Note { stream: Some(stream), note } => state.merge.note(stream, note, now),
            LogEvent::Note { stream: None, note } => state.note(None, &note),
            LogEvent::Stream { .. } | LogEvent::Opened | LogEvent::Closed => {}
        }
        state.merged(|merge, each| merge.release(now, each));
        if state.buffer.len() < FULL { Vec::new() } else { std::mem::take(&mut state.buffer) }
    }

    async fn send(&self, buffer: Vec<u8>) {
        if !buffer.is_empty() {
            let _ = self.out.send(buffer).await;
        }
    }
}

impl LogOut for File {
    fn stream(&self, speaker: Speaker) -> StreamId {
        let stream = StreamId(self.next.fetch_add(1, Ordering::Relaxed));
        let mut state = self.state();
        state.names.insert(stream, clean(&speaker.to_string()).into_owned());
        state.merge.open(stream);
        stream
    }

    fn say(&self, event: LogEvent) -> BoxFuture<'_, ()> {
        let stream = match &event {
            LogEvent::Lines { stream, .. } => Some(*stream),
            _ => None,
        };
        async move {
            let due = self.take(event);
            self.send(due).await;
            self.moved.notify_waiters();
            let Some(stream) = stream else { return };
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

impl Engine {
    /// Writes everything that `query` finds to a new file below `header`. Ends with the last stream.
    pub fn save_log(&self, query: &LogQuery, header: String, path: &Path) -> BoxFuture<'static, io::Result<Saved>> {
        let (out, mut buffers) = mpsc::channel::<Vec<u8>>(BUFFERS);
        let stop = self.ground.stop.child_token();
        let gone = stop.child_token();
        let state = State { merge: Merge::exact(), names: BTreeMap::new(), buffer: header.into_bytes(), saved: Saved::default() };
        let file = Arc::new(File {
            state: Mutex::new(state),
            next: AtomicU32::new(0),
            clock: self.ground.clock.clone(),
            out,
            moved: Notify::new(),
            gone: gone.clone(),
        });
        let cx = self.log_cx(file.clone(), LONGEST_LINE, stop);
        let said = self.say(query, Wanted::Stamps, &cx);
        let path = path.to_owned();
        async move {
            let ended = gone.clone();
            let written = tokio::task::spawn_blocking(move || -> io::Result<()> {
                // Whatever goes wrong here, the streams must not wait for it.
                let _ended = ended.drop_guard();
                let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
                while let Some(buffer) = buffers.blocking_recv() {
                    file.write_all(&buffer)?;
                }
                file.sync_all()
            });
            tokio::select! {
                () = said => {}
                () = gone.cancelled() => {}
            }
            let (rest, saved) = {
                let mut state = file.state();
                state.merged(|merge, each| merge.finish(each));
                (std::mem::take(&mut state.buffer), state.saved.clone())
            };
            file.send(rest).await;
            // The last sender goes, and with it the writer's loop.
            drop((cx, file));
            written.await.map_err(io::Error::other)??;
            Ok(saved)
        }
        .boxed()
    }
}
