//! One container's log: read, carried on where it was cut, and read on after the container was started anew.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use kube::client::Body;

use super::object::{Future, Pod};
use super::patience::Patience;
use super::{Asked, Wanted, told, window};
use crate::base::backoff::Backoff;
use crate::base::chunk::Chunk;
use crate::base::stamp::Stamp;
use crate::base::text::{clean, percent};
use crate::link::kube::Failure;
use crate::model::id::{Name, Uid};
use crate::model::log::{GapCause, Mode, Note, Run, Speaker, StreamId, StreamState};
use crate::source::log::lines::{Lines, Stamps};
use crate::source::log::resume::{Joint, Resume};

/// How long the kubelet may take to begin.
const HEAD: Duration = Duration::from_secs(20);
/// An answer that is to end may pause so long within.
const PAUSE: Duration = Duration::from_secs(30);
/// So much of a log's start tells whether it is still the same log.
const START: usize = 256;
/// A right may be granted, a container may be started: asked again so often.
const LATER: Duration = Duration::from_secs(20);
/// While a container waits to be started (anew).
const SOON: Duration = Duration::from_secs(1);

/// Which container.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) namespace: Name,
    pub(super) pod: Name,
    pub(super) uid: Uid,
    pub(super) container: Name,
    pub(super) run: Run,
    /// How often it had been started anew when it was looked at.
    pub(super) restarts: u32,
}

impl Who {
    pub(super) fn pod_path(&self) -> String {
        format!("/api/v1/namespaces/{}/pods/{}", percent(&self.namespace), percent(&self.pod))
    }
}

/// How reading one answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// The server says that there is no more.
    Whole,
    /// Behind the window's end.
    Past,
    Closed,
    Silent,
}

/// How a kubelet says, in place of the log and as a success, that the runtime no longer has the container.
const NOT_KEPT: &[u8] = b"unable to retrieve container logs for ";

/// What went before the answer that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// It was cut, or nothing.
    Cut,
    /// The server said that there is no more, and the pod's status did not say yet that the container was started anew.
    End,
    /// The container was started anew, and that was told.
    Restart,
}

/// What is to be done now.
enum Next {
    Again,
    Wait(Duration),
    End(String),
    Closed,
}

struct Following<'a> {
    asked: &'a Asked,
    who: Who,
    stream: StreamId,
    lines: Lines,
    resume: Resume,
    backoff: Backoff,
    /// What was said last of why it does not speak: said once.
    trouble: String,
    /// Bytes taken, where no stamps tell how far it came.
    taken: u64,
    /// The first of those bytes.
    start: Vec<u8>,
    patience: Patience,
    before: Before,
    /// A notice of a cut is open and wants its end.
    is_cut: bool,
}

/// Says what one container says, to its end.
pub(super) async fn follow(asked: &Asked, who: Who) {
    let speaker = Speaker::Pod { cluster: asked.api.name.clone(), namespace: who.namespace.clone(), pod: who.pod.clone(), container: who.container.clone() };
    let stream = asked.cx.out.stream(speaker);
    let stamps = if asked.stamps == Wanted::Stamps { Stamps::Prefixed } else { Stamps::Unasked };
    let seed = u64::try_from(who.uid.0 >> 64).unwrap_or(1) ^ (u64::from(stream.0) << 17);
    let mut following = Following {
        asked,
        who,
        stream,
        lines: Lines::new(stamps).encoded(asked.encoding).longest(asked.cx.longest_line),
        resume: Resume::default(),
        backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5), seed),
        trouble: String::new(),
        taken: 0,
        start: Vec::new(),
        patience: Patience::default(),
        before: Before::Cut,
        is_cut: false,
    };
    following.run().await;
}

impl Following<'_> {
    async fn run(&mut self) {
        loop {
            let next = match self.once().await {
                Ok(Read::Closed) => Next::Closed,
                Ok(Read::Past) => Next::End("the end of the time that was asked for".to_owned()),
                Ok(Read::Silent) => {
                    self.patience.over();
                    self.cut();
                    self.before = Before::Cut;
                    Next::Again
                }
                Ok(Read::Whole) => self.whole().await,
                Err(failure) => self.failed(failure).await,
            };
            match next {
                Next::Again => {}
                Next::Wait(wait) => {
                    if self.asked.pause(wait).await {
                        return;
                    }
                }
                Next::End(why) => return self.end(&why).await,
                Next::Closed => return,
            }
        }
    }

    async fn end(&mut self, why: &str) {
        self.finish_line().await;
        self.asked.cx.end(self.stream, why).await;
    }

    /// The writer is done: what has no line break is a line all the same.
    async fn finish_line(&mut self) {
        let now = self.asked.now().into();
        if let Some(chunk) = self.lines.finish(now) {
            let (chunk, _) = self.new_of(chunk);
            self.asked.cx.lines(self.stream, chunk).await;
        }
    }

    /// What has not been taken before.
    fn new_of(&mut self, chunk: Chunk) -> (Chunk, Option<Joint>) {
        match self.asked.stamps {
            Wanted::Stamps => self.resume.take(chunk),
            Wanted::Bytes => (chunk, None),
        }
    }

    /// The connection is gone; the next one begins behind the last whole line.
    fn cut(&mut self) {
        self.taken = self.taken.saturating_sub(self.lines.unfinished() as u64);
        self.lines.forget_unfinished();
        self.resume.cut();
    }

    fn query(&self, run: Run) -> String {
        let mut query = format!("{}/log?container={}", self.who.pod_path(), percent(&self.who.container));
        if self.asked.stamps == Wanted::Stamps {
            query.push_str("&timestamps=true");
        }
        if run == Run::Previous {
            query.push_str("&previous=true");
        } else if self.asked.mode == Mode::Follow {
            query.push_str("&follow=true");
        }
        let since = self.resume.since().or(self.asked.window.since.map(Stamp::from));
        if let Some(since) = since {
            query.push_str("&sinceTime=");
            query.push_str(&since.seconds_text());
        }
        if let (None, Some(tail)) = (self.resume.since(), self.asked.window.tail) {
            query.push_str("&tailLines=");
            query.push_str(&tail.to_string());
        }
        query
    }

    async fn open(&self, run: Run) -> Result<Body, Failure> {
        let request = Request::get(self.query(run)).body(Vec::new()).map_err(|e| Failure::Transport(e.to_string()))?;
        self.asked.api.send(request, HEAD, self.asked.now(), &self.asked.cx.meter).await.map(http::Response::into_body)
    }

    /// One request, read to its end.
    async fn once(&mut self) -> Result<Read, Failure> {
        let cx = &self.asked.cx;
        let body = tokio::select! {
            () = cx.stop.cancelled() => return Ok(Read::Closed),
            body = self.open(self.who.run) => body?,
        };
        cx.state(self.stream, StreamState::Live).await;
        self.trouble.clear();
        if std::mem::take(&mut self.is_cut) {
            cx.note(self.stream, Note::Resumed).await;
        }
        self.read(body).await
    }

    async fn read(&mut self, mut body: Body) -> Result<Read, Failure> {
        // What comes again, where no stamps tell it.
        let mut skip = self.taken;
        let mut read = 0_usize;
        loop {
            let limit = if self.asked.mode == Mode::Follow { self.patience.limit() } else { PAUSE };
            let frame = tokio::select! {
                () = self.asked.cx.stop.cancelled() => return Ok(Read::Closed),
                frame = tokio::time::timeout(limit, body.frame()) => frame,
            };
            let mut data = match frame {
                Err(_) if self.asked.mode == Mode::Follow => return Ok(Read::Silent),
                Err(_) => return Err(Failure::Transport(format!("no data for {} s", limit.as_secs()))),
                Ok(None) => {
                    if skip > 0 {
                        // It is shorter than what was read of it: it was rotated in between.
                        self.asked.cx.note(self.stream, Note::Gap { lines: None, bytes: skip, cause: GapCause::Lost }).await;
                    }
                    return Ok(Read::Whole);
                }
                Ok(Some(Err(e))) => return Err(Failure::Transport(clean(&e.to_string()).into_owned())),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_) => continue,
                },
            };
            self.asked.cx.meter.received(data.len());
            if data.starts_with(NOT_KEPT) {
                let text = clean(&String::from_utf8_lossy(&data)).trim().to_owned();
                return Err(Failure::Status { code: StatusCode::BAD_REQUEST, text, retry_after: None });
            }
            self.backoff.reset();
            if skip > 0 {
                if !continues(&self.start, read, &data) {
                    // Another file has begun in its place: nothing of it has been told yet.
                    self.asked.cx.note(self.stream, Note::Gap { lines: None, bytes: 0, cause: GapCause::Lost }).await;
                    (skip, self.taken) = (0, 0);
                    self.start.clear();
                }
                let repeated = skip.min(data.len() as u64);
                skip -= repeated;
                read += data.len();
                data = data.slice(usize::try_from(repeated).unwrap_or(data.len())..);
            }
            if self.take(data).await == window::More::No {
                return Ok(Read::Past);
            }
        }
    }

    async fn take(&mut self, data: Bytes) -> window::More {
        let now: Stamp = self.asked.now().into();
        if self.asked.stamps == Wanted::Bytes {
            self.taken += data.len() as u64;
            let room = START.saturating_sub(self.start.len()).min(data.len());
            self.start.extend_from_slice(&data[..room]);
        }
        for chunk in self.lines.push(&data, now) {
            let (mut chunk, joint) = self.new_of(chunk);
            let more = window::cut(&self.asked.window, &mut chunk);
            if joint == Some(Joint::Torn) {
                self.torn().await;
            }
            if chunk.lines() > 0 {
                self.patience.heard(self.asked.now());
            }
            self.asked.cx.lines(self.stream, chunk).await;
            if more == window::More::No {
                return more;
            }
        }
        window::More::Yes
    }

    /// The line that was read last is not there any more.
    async fn torn(&mut self) {
        let note = match self.before {
            Before::Restart => return,
            // What it said was read to its end, so this is the next life; its status comes later than its lines.
            Before::End => {
                self.who.restarts += 1;
                Note::Restarted { count: self.who.restarts }
            }
            Before::Cut => Note::Gap { lines: None, bytes: 0, cause: GapCause::Lost },
        };
        self.before = Before::Restart;
        self.asked.cx.note(self.stream, note).await;
    }

    /// The server has ended the answer in order. Has the container ended too?
    async fn whole(&mut self) -> Next {
        if self.asked.mode == Mode::Once || self.who.run == Run::Previous {
            return Next::End(String::new());
        }
        let pod = match self.look().await {
            Ok(Some(pod)) if pod.uid() == self.who.uid => pod,
            Ok(_) => return Next::End("the pod is gone".to_owned()),
            Err(failure) => return self.failed(failure).await,
        };
        // A kubelet ends it only when the writer has ended: what has no line break is a line all the same.
        self.finish_line().await;
        let restarts = pod.restarts(&self.who.container);
        if restarts > self.who.restarts {
            return self.started_anew(restarts).await;
        }
        if let Future::Over(how) = pod.future(&self.who.container) {
            return Next::End(how);
        }
        // It still runs, or waits to be started.
        self.cut();
        self.before = Before::End;
        Next::Wait(self.backoff.next())
    }

    async fn started_anew(&mut self, restarts: u32) -> Next {
        let cx = &self.asked.cx;
        if restarts > self.who.restarts + 1 {
            // Whole lives between two looks: nobody keeps what they said but the last.
            cx.note(self.stream, Note::Gap { lines: None, bytes: 0, cause: GapCause::Lost }).await;
        }
        self.who.restarts = restarts;
        // The next life may have been read already; what it says comes behind the last line of this one.
        self.cut();
        self.before = Before::Restart;
        self.is_cut = false;
        cx.note(self.stream, Note::Restarted { count: restarts }).await;
        Next::Again
    }

    async fn look(&self) -> Result<Option<Pod>, Failure> {
        let (status, body) =
            self.asked.api.get(&self.who.pod_path(), "application/json", Duration::from_secs(10), self.asked.now(), &self.asked.cx.meter).await?;
        match status {
            StatusCode::OK => Ok(serde_json::from_slice(&body).ok()),
            StatusCode::NOT_FOUND => Ok(None),
            // Whoever may read logs need not be allowed to see the pod: then only the log itself tells.
            code => Err(Failure::Status { code, text: String::new(), retry_after: None }),
        }
    }

    async fn failed(&mut self, failure: Failure) -> Next {
        self.cut();
        self.before = Before::Cut;
        let cx = &self.asked.cx;
        let once = self.asked.mode == Mode::Once || self.who.run == Run::Previous;
        let wait = match &failure {
            Failure::Unauthorized(_) | Failure::Setup(_) => None,
            Failure::Status { code: StatusCode::NOT_FOUND, .. } => return self.gone(&failure).await,
            Failure::Status { code: StatusCode::FORBIDDEN, .. } => (!once).then_some(LATER),
            // "is waiting to start", "previous terminated container not found".
            Failure::Status { code: StatusCode::BAD_REQUEST, .. } => (!once).then_some(SOON),
            Failure::Status { retry_after, .. } => Some(retry_after.unwrap_or_else(|| self.backoff.next())),
            Failure::Transport(_) => {
                let wait = self.backoff.next();
                // A listing that nobody follows is given up after some tries: a pipe waits for its end.
                (!once || wait < Duration::from_secs(2)).then_some(wait)
            }
        };
        let note = match &failure {
            Failure::Transport(text) => Note::Cut { text: text.clone() },
            other => told(other),
        };
        let text = failure.to_string();
        if self.trouble != text && !matches!((&note, self.is_cut), (Note::Cut { .. }, true)) {
            self.is_cut = matches!(note, Note::Cut { .. });
            self.trouble = text;
            cx.note(self.stream, note).await;
        }
        match wait {
            None => {
                if let Failure::Transport(text) = failure {
                    cx.note(self.stream, Note::Failed { text: format!("given up: {text}") }).await;
                }
                cx.state(self.stream, StreamState::Ended).await;
                Next::Closed
            }
            Some(wait) => {
                cx.state(self.stream, StreamState::Waiting).await;
                Next::Wait(wait)
            }
        }
    }

    /// 404: the pod, or only the container in it that has not been made yet.
    async fn gone(&mut self, failure: &Failure) -> Next {
        match self.look().await {
            Ok(Some(pod)) if pod.uid() == self.who.uid && self.asked.mode == Mode::Follow => Next::Wait(SOON),
            Ok(None) if self.asked.mode == Mode::Follow => Next::End("the pod is gone".to_owned()),
            _ => {
                self.asked.cx.note(self.stream, told(failure)).await;
                self.asked.cx.state(self.stream, StreamState::Ended).await;
                Next::Closed
            }
        }
    }
}

/// Is `data`, which begins at byte `at` of an answer, the same as what began with `start`?
fn continues(start: &[u8], at: usize, data: &[u8]) -> bool {
    let known = start.get(at..).unwrap_or_default();
    let both = known.len().min(data.len());
    known[..both] == data[..both]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_log_in_the_place_of_one_is_noticed() {
        assert!(continues(b"abc", 0, b"ab") && continues(b"abc", 2, b"cde") && continues(b"abc", 3, b"x") && continues(b"", 0, b"x"));
        assert!(!continues(b"abc", 0, b"b") && !continues(b"abc", 1, b"x"));
    }
}
