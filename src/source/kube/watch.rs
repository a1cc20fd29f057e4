//! One kind: listed once, then watched, and carried on from where the watch broke.

use std::time::Duration;

use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use prost::Message as _;
use serde::Deserialize;

use super::object::{ListMeta, Object, Status};
use super::outbox::Outbox;
use super::session::Session;
use super::wire::{Broken, Encoding, Part, Reading, field, unwrap};
use crate::base::backoff::Backoff;
use crate::base::text::percent;
use crate::link::kube::Failure;
use crate::model::fact::Fact;

/// A large list takes an old server seconds before its first byte.
const HEAD: Duration = Duration::from_mins(1);
/// No byte of a list for so long, and it is given up.
const STALL: Duration = Duration::from_secs(30);
/// What a watch is asked to last; the server ends it, and it is opened again where it stopped.
const WATCH: u64 = 290;
/// Paged answers come in such pages (only where the server does not serve the list whole from its cache).
const PAGE: u32 = 500;

/// What becomes of the objects.
pub(super) trait Feed: Send + Sync {
    type Object: Object;
    /// A list begins. It may begin again without having ended.
    fn begin(&mut self, out: &mut Vec<Fact>);
    fn seen(&mut self, object: &Self::Object, out: &mut Vec<Fact>);
    fn gone(&mut self, object: &Self::Object, out: &mut Vec<Fact>);
    /// The list is whole.
    fn end(&mut self, out: &mut Vec<Fact>);
}

/// What is listed and watched.
#[derive(Clone, Debug)]
pub(super) struct Path {
    /// `/api/v1/pods`
    pub(super) path: String,
    /// Further parameters, percent-encoded (`fieldSelector=...`).
    pub(super) select: &'static str,
}

/// Why following ended.
#[derive(Debug)]
pub(super) enum End {
    Stopped,
    Unauthorized(Failure),
    /// 403.
    Forbidden,
    /// 404: this server does not know the kind.
    Missing,
}

/// Why a list or a watch ended.
enum Cut {
    Failure(Failure),
    /// The version is too old to continue from.
    Expired,
    Stopped,
    /// The stream ended where it may: the watch has lasted its time, or the source healed and asks for new streams.
    Over,
}

impl From<Failure> for Cut {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status { code: StatusCode::GONE, .. } => Self::Expired,
            other => Self::Failure(other),
        }
    }
}

impl From<Broken> for Cut {
    fn from(broken: Broken) -> Self {
        Self::Failure(Failure::Transport(broken.to_string()))
    }
}

/// Follows one kind until there is a reason not to.
pub(super) async fn follow<F: Feed>(session: &Session, path: &Path, feed: &mut F) -> End {
    let mut follower = Follower { session, path, feed, outbox: Outbox::default(), json: false, healed: session.healed.clone() };
    follower.run().await
}

struct Follower<'a, F> {
    session: &'a Session,
    path: &'a Path,
    feed: &'a mut F,
    outbox: Outbox,
    /// The server cannot write this kind in protobuf.
    json: bool,
    healed: tokio::sync::watch::Receiver<u64>,
}

impl<F: Feed> Follower<'_, F> {
    async fn run(&mut self) -> End {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(20), self.session.seed(&self.path.path));
        let mut version: Option<String> = None;
        loop {
            let started = self.session.cx.clock.now();
            let cut = match &version {
                None => match self.list().await {
                    Ok(listed) => {
                        version = Some(listed);
                        backoff.reset();
                        continue;
                    }
                    Err(cut) => cut,
                },
                Some(from) => {
                    let mut at = from.clone();
                    let cut = self.watch(&mut at).await;
                    version = Some(at);
                    cut
                }
            };
            self.outbox.flush(&*self.session.cx.out).await;
            let mut wait = None;
            match cut {
                Cut::Stopped => return End::Stopped,
                // A server that ends every watch at once is not asked in a loop.
                Cut::Over if self.session.cx.clock.now().since(started) < Duration::from_secs(1) => wait = Some(backoff.next()),
                Cut::Over => backoff.reset(),
                Cut::Expired => {
                    version = None;
                    wait = Some(backoff.next());
                }
                Cut::Failure(Failure::Status { code, retry_after, .. }) => match code {
                    StatusCode::FORBIDDEN => return End::Forbidden,
                    StatusCode::NOT_FOUND => return End::Missing,
                    StatusCode::NOT_ACCEPTABLE | StatusCode::UNSUPPORTED_MEDIA_TYPE if !self.json => self.json = true,
                    _ => wait = Some(retry_after.unwrap_or_else(|| backoff.next())),
                },
                Cut::Failure(failure @ Failure::Unauthorized(_)) => return End::Unauthorized(failure),
                Cut::Failure(failure) => {
                    tracing::debug!(path = self.path.path, %failure, "will be asked again");
                    wait = Some(backoff.next());
                }
            }
            if let Some(wait) = wait {
                tokio::select! {
                    () = self.session.cx.stop.cancelled() => return End::Stopped,
                    () = tokio::time::sleep(wait) => {}
                    // Only after a whole outage, never on a single refusal.
                    Ok(()) = self.healed.changed() => backoff.reset(),
                }
            }
        }
    }

    fn accept(&self, watching: bool) -> &'static str {
        match (self.json, watching) {
            (true, _) => "application/json",
            (false, false) => "application/vnd.kubernetes.protobuf, application/json",
            (false, true) => "application/vnd.kubernetes.protobuf;stream=watch, application/json;stream=watch, application/json",
        }
    }

    async fn open(&self, query: &str, watching: bool) -> Result<(Encoding, Body), Cut> {
        let select = if self.path.select.is_empty() { String::new() } else { format!("&{}", self.path.select) };
        let request = Request::get(format!("{}?{query}{select}", self.path.path))
            .header(header::ACCEPT, self.accept(watching))
            .body(Vec::new())
            .map_err(|e| Failure::Transport(e.to_string()))?;
        let session = self.session;
        let send = session.api.send(request, HEAD, session.cx.clock.now(), &session.cx.meter);
        let response = tokio::select! {
            () = session.cx.stop.cancelled() => return Err(Cut::Stopped),
            response = send => response?,
        };
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        Ok((Encoding::of(kind), response.into_body()))
    }

    /// The next piece of a body; `None` at its end.
    async fn chunk(&self, body: &mut Body, limit: Duration) -> Result<Option<bytes::Bytes>, Cut> {
        loop {
            let frame = tokio::select! {
                () = self.session.cx.stop.cancelled() => return Err(Cut::Stopped),
                frame = tokio::time::timeout(limit, body.frame()) => frame,
            };
            let frame = frame.map_err(|_| Failure::Transport(format!("no data for {} s", limit.as_secs())))?;
            match frame {
                None => return Ok(None),
                Some(Err(e)) => return Err(Failure::Transport(crate::base::text::clean(&e.to_string()).into_owned()).into()),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.session.cx.meter.received(data.len());
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Lists everything and returns the version to watch from.
    async fn list(&mut self) -> Result<String, Cut> {
        self.feed.begin(&mut self.outbox.facts);
        let mut more = String::new();
        loop {
            let query = if more.is_empty() { format!("limit={PAGE}&resourceVersion=0") } else { format!("limit={PAGE}&continue={}", percent(&more)) };
            let (encoding, mut body) = self.open(&query, false).await?;
            let mut reading = Reading::list(encoding);
            let mut meta = ListMeta::default();
            while let Some(chunk) = self.chunk(&mut body, STALL).await? {
                let (feed, facts) = (&mut *self.feed, &mut self.outbox.facts);
                let mut unreadable = false;
                reading.push(&chunk, |part| match part {
                    Part::Meta(bytes) => match decode(encoding, bytes) {
                        Some(read) => meta = read,
                        None => unreadable = true,
                    },
                    Part::Item(bytes) => match decode::<F::Object>(encoding, bytes) {
                        Some(object) => feed.seen(&object, facts),
                        None if encoding == Encoding::Json => tracing::warn!("an object of a list cannot be read and is left out"),
                        None => unreadable = true,
                    },
                })?;
                if unreadable {
                    return Err(self.unreadable(encoding));
                }
                self.outbox.pass(&*self.session.cx.out).await;
            }
            reading.end()?;
            // Cut off at its very beginning and ended in good order, an answer reads as a cluster in which there is nothing.
            if meta.resource_version.is_empty() {
                return Err(Failure::Transport("a list ended before it named its version".to_owned()).into());
            }
            if meta.r#continue.is_empty() {
                self.feed.end(&mut self.outbox.facts);
                self.outbox.flush(&*self.session.cx.out).await;
                self.session.settled(&self.path.path).await;
                return Ok(meta.resource_version);
            }
            more = meta.r#continue;
        }
    }

    /// Watches from `version` and moves it along.
    async fn watch(&mut self, version: &mut String) -> Cut {
        let query = format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH}&resourceVersion={}", percent(version.as_str()));
        let (encoding, mut body) = match self.open(&query, true).await {
            Ok(opened) => opened,
            Err(cut) => return cut,
        };
        let mut reading = Reading::watch(encoding);
        self.healed.mark_unchanged();
        let mut healed = self.healed.clone();
        loop {
            let due = self.outbox.due();
            let chunk = tokio::select! {
                biased;
                () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {
                    self.outbox.flush(&*self.session.cx.out).await;
                    continue;
                }
                // After an outage the old stream may be dead without knowing it.
                Ok(()) = healed.changed() => return Cut::Over,
                chunk = self.chunk(&mut body, Duration::from_secs(WATCH + 15)) => chunk,
            };
            let bytes = match chunk {
                Ok(Some(bytes)) => bytes,
                Ok(None) => return Cut::Over,
                Err(cut) => return cut,
            };
            let mut wrong = None;
            let (feed, facts) = (&mut *self.feed, &mut self.outbox.facts);
            let pushed = reading.push(&bytes, |part| {
                if let (Part::Item(frame), None) = (part, &wrong) {
                    match read_frame::<F::Object>(encoding, frame) {
                        Frame::Seen(object) => {
                            object.resource_version().clone_into(version);
                            feed.seen(&object, facts);
                        }
                        Frame::Gone(object) => {
                            object.resource_version().clone_into(version);
                            feed.gone(&object, facts);
                        }
                        Frame::Bookmark(object) => object.resource_version().clone_into(version),
                        Frame::Wrong(status) => wrong = Some(wrong_cut(&status)),
                        Frame::Unreadable => wrong = Some(Cut::Failure(Failure::Transport("a watch event cannot be read".to_owned()))),
                    }
                }
            });
            if let Err(broken) = pushed {
                return broken.into();
            }
            if let Some(cut) = wrong {
                return cut;
            }
            self.outbox.pass(&*self.session.cx.out).await;
        }
    }

    /// An object that protobuf cannot give is asked for in JSON from now on.
    fn unreadable(&mut self, encoding: Encoding) -> Cut {
        if encoding == Encoding::Protobuf {
            self.json = true;
        }
        Cut::Failure(Failure::Transport(format!("an object of {} cannot be read", self.path.path)))
    }
}

fn wrong_cut(status: &Status) -> Cut {
    if status.code == 410 || status.reason == "Expired" || status.reason == "Gone" {
        return Cut::Expired;
    }
    let code = u16::try_from(status.code).ok().and_then(|c| StatusCode::from_u16(c).ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Cut::Failure(Failure::Status { code, text: crate::base::text::clean(&status.message).into_owned(), retry_after: None })
}

enum Frame<T> {
    Seen(T),
    Gone(T),
    Bookmark(T),
    Wrong(Status),
    Unreadable,
}

fn decode<T: prost::Message + Default + for<'de> Deserialize<'de>>(encoding: Encoding, bytes: &[u8]) -> Option<T> {
    match encoding {
        Encoding::Protobuf => T::decode(bytes).ok(),
        Encoding::Json => serde_json::from_slice(bytes).ok(),
    }
}

fn read_frame<T: Object>(encoding: Encoding, frame: &[u8]) -> Frame<T> {
    read_frame_of(encoding, frame).unwrap_or(Frame::Unreadable)
}

fn read_frame_of<T: Object>(encoding: Encoding, frame: &[u8]) -> Option<Frame<T>> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        r#type: std::borrow::Cow<'a, str>,
    }
    #[derive(Deserialize)]
    struct Carried<T> {
        object: T,
    }
    let kind = match encoding {
        Encoding::Protobuf => String::from_utf8_lossy(field(frame, 1)?),
        Encoding::Json => serde_json::from_slice::<Kind<'_>>(frame).ok()?.r#type,
    };
    if kind == "ERROR" {
        let status = match encoding {
            Encoding::Protobuf => Status::decode(unwrap(field(field(frame, 2)?, 1)?)?).ok()?,
            Encoding::Json => serde_json::from_slice::<Carried<Status>>(frame).ok()?.object,
        };
        return Some(Frame::Wrong(status));
    }
    let object = match encoding {
        Encoding::Protobuf => T::decode(unwrap(field(field(frame, 2)?, 1)?)?).ok()?,
        Encoding::Json => serde_json::from_slice::<Carried<T>>(frame).ok()?.object,
    };
    match &*kind {
        "ADDED" | "MODIFIED" => Some(Frame::Seen(object)),
        "DELETED" => Some(Frame::Gone(object)),
        "BOOKMARK" => Some(Frame::Bookmark(object)),
        _ => None,
    }
}
