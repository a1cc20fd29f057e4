//! Watches: changes as they happen, bookmarks, and 410 for who comes too late.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::answer::{Answer, Encoding, Refusal, stream};
use super::ask::{Query, Selector, Target};
use super::{table, wire};
use crate::lab::Lab;
use crate::lab::world::kube::objects::{Change, Expired, Key, Object};

/// A real server sends one about once a minute.
const BOOKMARK: Duration = Duration::from_secs(20);
/// What a watch lasts when nobody says otherwise.
const LASTS: u64 = 1800;
/// Pieces waiting for a slow client.
const QUEUE: usize = 64;

struct Watch {
    lab: Arc<Lab>,
    target: Target,
    selector: Selector,
    encoding: Encoding,
    include: String,
    /// What a selector has let through, so that leaving it is told.
    shown: BTreeSet<Key>,
    version: u64,
    columns_told: bool,
    out: mpsc::Sender<Bytes>,
}

pub(super) fn answer(lab: &Arc<Lab>, target: &Target, query: &Query, encoding: Encoding) -> Result<Answer, Refusal> {
    let mut target = target.clone();
    let mut selector_query = query.clone();
    if let Some(name) = target.name.take() {
        // `watch=1` on one object is the same as a selector on its name.
        selector_query.push("fieldSelector", &format!("metadata.name={name}"));
    }
    let encoding = if encoding == Encoding::Protobuf && !wire::speaks(target.kind) { Encoding::Json } else { encoding };
    let (out, pieces) = mpsc::channel(QUEUE);
    let asked = query.get("resourceVersion").unwrap_or("0");
    let version: u64 = asked.parse().map_err(|_| Refusal::bad(format!("invalid resource version \"{asked}\"")))?;
    let watch = Watch {
        lab: lab.clone(),
        selector: Selector::of(&selector_query),
        target,
        encoding,
        include: query.get("includeObject").unwrap_or_default().to_owned(),
        shown: BTreeSet::new(),
        version,
        columns_told: false,
        out,
    };
    let lasts = Duration::from_secs(query.number("timeoutSeconds").unwrap_or(LASTS).clamp(1, LASTS));
    let bookmarks = query.is("allowWatchBookmarks");
    lab.spawn(watch.run(lasts, bookmarks));
    Ok(stream(if encoding == Encoding::Protobuf { "application/vnd.kubernetes.protobuf;stream=watch" } else { "application/json" }, pieces))
}

impl Watch {
    async fn run(mut self, lasts: Duration, bookmarks: bool) {
        let mut changed = self.lab.changed();
        let end = tokio::time::sleep(lasts);
        tokio::pin!(end);
        let mut bookmark = tokio::time::interval(BOOKMARK);
        bookmark.reset();
        if self.version == 0 && self.begin().await.is_none() {
            return;
        }
        loop {
            if self.step().await.is_none() {
                return;
            }
            tokio::select! {
                () = self.out.closed() => return,
                () = &mut end => return,
                _ = bookmark.tick(), if bookmarks => {
                    if self.bookmark().await.is_none() {
                        return;
                    }
                }
                told = changed.changed() => if told.is_err() { return },
            }
        }
    }

    /// Everything there is, as if it had just been added.
    async fn begin(&mut self) -> Option<()> {
        let (items, version) = self.lab.with(|w| (w.kube.objects.list(self.target.kind, self.target.namespace.as_deref()), w.kube.objects.version()));
        for item in items {
            self.tell(Change::Added, &item).await?;
        }
        self.version = version;
        Some(())
    }

    async fn step(&mut self) -> Option<()> {
        let (changes, version) = self.lab.with(|w| (w.kube.objects.since(self.version, self.target.kind), w.kube.objects.version()));
        match changes {
            Ok(changes) => {
                for (change, object) in changes {
                    if self.target.namespace.as_deref().is_none_or(|space| *object.key.0 == *space) {
                        self.tell(change, &object).await?;
                    }
                }
                self.version = version;
                Some(())
            }
            Err(Expired(oldest)) => {
                let message = format!("too old resource version: {} ({oldest})", self.version);
                let refusal = Refusal::new(http::StatusCode::GONE, "Expired", message);
                let piece = if self.encoding == Encoding::Protobuf {
                    wire::frame("ERROR", &wire::refusal(410, refusal.reason, &refusal.message))
                } else {
                    line(&json!({ "type": "ERROR", "object": refusal.status() }))
                };
                let _ = self.out.send(piece).await;
                None
            }
        }
    }

    async fn tell(&mut self, change: Change, object: &Arc<Object>) -> Option<()> {
        let mut change = change;
        if !self.selector.is_empty() {
            let selected = self.selector.selects(&object.value()) && change != Change::Deleted;
            let was = if selected { !self.shown.insert(object.key.clone()) } else { self.shown.remove(&object.key) };
            change = match (selected, was) {
                (true, true) => Change::Modified,
                (true, false) if self.version > 0 && change == Change::Modified => Change::Modified,
                (true, false) => Change::Added,
                // Who began to watch at a version knows objects that were not shown here.
                (false, true) => Change::Deleted,
                (false, false) if change == Change::Deleted && self.selector.selects(&object.value()) => Change::Deleted,
                (false, false) => return Some(()),
            };
        }
        let piece = match self.encoding {
            Encoding::Protobuf => wire::frame(change.word(), &wire::object(object)),
            Encoding::Json => {
                let mut out = format!("{{\"type\":\"{}\",\"object\":", change.word()).into_bytes();
                out.extend_from_slice(&object.json);
                out.extend_from_slice(b"}\n");
                out.into()
            }
            Encoding::Table => {
                let now = self.lab.with(|w| w.now);
                let rows = [table::row(object.kind, &object.value(), &self.include, now)];
                let mut table = table::table(object.kind, &rows, &object.version.to_string(), "");
                if std::mem::replace(&mut self.columns_told, true) {
                    table["columnDefinitions"] = Value::Null;
                }
                line(&json!({ "type": change.word(), "object": table }))
            }
        };
        self.out.send(piece).await.ok()
    }

    async fn bookmark(&self) -> Option<()> {
        let kind = self.target.kind.of();
        let object = json!({ "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": { "resourceVersion": self.version.to_string(), "creationTimestamp": null } });
        let piece = if self.encoding == Encoding::Protobuf {
            let raw = wire::message(self.target.kind, object.to_string().as_bytes()).unwrap_or_default();
            wire::frame("BOOKMARK", &wire::enveloped(&kind.api_version(), kind.kind, raw))
        } else {
            line(&json!({ "type": "BOOKMARK", "object": object }))
        };
        self.out.send(piece).await.ok()
    }
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}
