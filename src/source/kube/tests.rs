//! A server that lies down in every way a real one does: lists and watches in both encodings, in pages, cut anywhere,
//! compacted under the reader. Whatever happens, the rows end up as what the server holds.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use kube::client::Body;
use proptest::prelude::*;
use prost::Message;
use tokio_util::sync::CancellationToken;

use super::feed::Pods;
use super::object::{self, ListMeta, ObjectMeta, PodStatus};
use super::scope;
use super::session::Session;
use super::watch::follow;
use crate::base::clock::{ManualClock, Moment};
use crate::base::intern::Interner;
use crate::base::redact::Redactor;
use crate::link::kube::Api;
use crate::model::ask::{Answer, AskKind};
use crate::model::cluster::Cluster;
use crate::model::fact::{Change, Fact, Row};
use crate::model::id::{Name, ObjectKey, SourceId};
use crate::port::{Asker, Cx, Meter, Sink, SourceError};

const PHASES: [&str; 3] = ["Pending", "Running", "Failed"];

#[derive(Clone, Debug)]
struct Thing {
    id: u32,
    version: u64,
    phase: usize,
}

impl Thing {
    fn object(&self) -> object::Pod {
        let metadata = ObjectMeta {
            name: format!("pod-{}", self.id),
            namespace: "pro".into(),
            uid: format!("{:032x}", self.id),
            resource_version: self.version.to_string(),
            ..ObjectMeta::default()
        };
        // A message of varying length, with all that JSON escapes, moves the cuts around.
        let message = "\"\\{[\n".repeat(usize::try_from(self.version % 7).unwrap());
        object::Pod { metadata, status: PodStatus { phase: PHASES[self.phase].into(), message, ..PodStatus::default() }, ..object::Pod::default() }
    }

    fn json(&self) -> serde_json::Value {
        let pod = self.object();
        serde_json::json!({
            "metadata": { "name": pod.metadata.name, "namespace": "pro", "uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version,
                          "managedFields": [{"x": {"items": [1]}}] },
            "spec": { "containers": null },
            "status": { "phase": pod.status.phase, "message": pod.status.message },
        })
    }
}

#[derive(Message)]
struct Unknown {
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
    #[prost(string, tag = "3")]
    content_encoding: String,
}

#[derive(Message)]
struct PodList {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ListMeta>,
    #[prost(message, repeated, tag = "2")]
    items: Vec<object::Pod>,
}

#[derive(Message)]
struct WatchEvent {
    #[prost(string, tag = "1")]
    r#type: String,
    #[prost(message, optional, tag = "2")]
    object: Option<Raw>,
}

#[derive(Message)]
struct Raw {
    #[prost(bytes = "vec", tag = "1")]
    raw: Vec<u8>,
}

fn wrapped(message: &impl Message) -> Vec<u8> {
    let mut out = b"k8s\0".to_vec();
    out.extend(Unknown { raw: message.encode_to_vec(), content_encoding: String::new() }.encode_to_vec());
    out
}

fn frame(kind: &str, object: &impl Message) -> Vec<u8> {
    let event = WatchEvent { r#type: kind.into(), object: Some(Raw { raw: wrapped(object) }) }.encode_to_vec();
    let mut out = u32::try_from(event.len()).unwrap().to_be_bytes().to_vec();
    out.extend(event);
    out
}

struct Server {
    seed: u64,
    version: u64,
    /// Watches from before this are answered 410.
    compacted: u64,
    things: BTreeMap<u32, Thing>,
    log: Vec<(u64, &'static str, Thing)>,
    /// A list is handed out in pages: they are of one version, so the world stands still meanwhile.
    paging: bool,
    /// So many changes are still to come.
    left: u32,
    clock: Arc<ManualClock>,
}

impl Server {
    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    fn change(&mut self) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        self.version += 1;
        let id = u32::try_from(self.random(12)).unwrap();
        let phase = usize::try_from(self.random(3)).unwrap();
        let known = self.things.contains_key(&id);
        let thing = Thing { id, version: self.version, phase };
        let kind = if known && self.random(3) == 0 {
            self.things.remove(&id);
            "DELETED"
        } else {
            self.things.insert(id, thing.clone());
            if known { "MODIFIED" } else { "ADDED" }
        };
        self.log.push((self.version, kind, thing));
        if self.random(15) == 0 {
            self.compacted = self.version;
        }
    }

    fn answer(&mut self, request: &Request<Body>) -> Response<BodyOf> {
        // Every request finds the world older, so that an early end of a watch is not taken for a busy loop.
        self.clock.advance(Duration::from_secs(2));
        let query = request.uri().query().unwrap_or_default().to_owned();
        let value = |key: &str| query.split('&').find_map(|p| p.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned);
        let accepts = request.headers()["accept"].to_str().unwrap().to_owned();
        let proto = accepts.contains("protobuf") && self.random(2) == 0;
        match self.random(12) {
            0 => return plain(StatusCode::TOO_MANY_REQUESTS),
            1 => return plain(StatusCode::SERVICE_UNAVAILABLE),
            _ => {}
        }
        if value("watch").is_some() { self.watch(&value("resourceVersion").unwrap(), proto) } else { self.list(value("continue").as_deref(), proto) }
    }

    fn list(&mut self, from: Option<&str>, proto: bool) -> Response<BodyOf> {
        if from.is_some() && self.random(4) == 0 {
            return plain(StatusCode::GONE);
        }
        for _ in 0..self.random(3) {
            if from.is_none() {
                self.change();
            }
        }
        let after = from.map_or(-1, |f| f.parse::<i64>().unwrap());
        let rest: Vec<Thing> = self.things.values().filter(|t| i64::from(t.id) > after).cloned().collect();
        let page = if self.random(2) == 0 { 3 } else { 100 };
        let items: Vec<Thing> = rest.iter().take(page).cloned().collect();
        let more = if rest.len() > page { items.last().map(|t| t.id.to_string()).unwrap_or_default() } else { String::new() };
        self.paging = !more.is_empty();
        let version = self.version.to_string();
        let bytes = if proto {
            let list = PodList { metadata: Some(ListMeta { resource_version: version, r#continue: more }), items: items.iter().map(Thing::object).collect() };
            wrapped(&list)
        } else {
            let meta = serde_json::json!({ "resourceVersion": version, "continue": more });
            let items: Vec<_> = items.iter().map(Thing::json).collect();
            serde_json::json!({ "kind": "PodList", "items": items, "metadata": meta }).to_string().into_bytes()
        };
        let cut = self.random(6) == 0;
        self.body(bytes, proto, cut, false)
    }

    fn watch(&mut self, from: &str, proto: bool) -> Response<BodyOf> {
        let from: u64 = from.parse().unwrap();
        for _ in 0..self.random(5) {
            self.change();
        }
        let gone = object::Status { message: "too old".into(), reason: "Expired".into(), code: 410 };
        if from < self.compacted {
            if self.random(2) == 0 {
                return plain(StatusCode::GONE);
            }
            let bytes = if proto {
                frame("ERROR", &gone)
            } else {
                b"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\"}}\n".to_vec()
            };
            return self.body(bytes, proto, false, false);
        }
        let mut bytes = Vec::new();
        for (version, kind, thing) in self.log.iter().filter(|(v, ..)| *v > from) {
            if proto {
                bytes.extend(frame(kind, &thing.object()));
                let mark = object::Pod { metadata: ObjectMeta { resource_version: version.to_string(), ..ObjectMeta::default() }, ..object::Pod::default() };
                bytes.extend(frame("BOOKMARK", &mark));
            } else {
                bytes.extend(format!("{}\n", serde_json::json!({ "type": kind, "object": thing.json() })).into_bytes());
                bytes.extend(format!("{{\"type\":\"BOOKMARK\",\"object\":{{\"metadata\":{{\"resourceVersion\":\"{version}\"}}}}}}\n").into_bytes());
            }
        }
        let cut = self.random(4) == 0;
        let stays = self.left == 0 && self.random(2) == 0;
        self.body(bytes, proto, cut, stays)
    }

    /// In pieces of any size; `cut` loses the end of it, `stays` leaves the stream open.
    fn body(&mut self, mut bytes: Vec<u8>, proto: bool, cut: bool, stays: bool) -> Response<BodyOf> {
        if cut && !bytes.is_empty() {
            let at = self.random(bytes.len() as u64);
            bytes.truncate(usize::try_from(at).unwrap());
        }
        let mut pieces: Vec<io::Result<Frame<Bytes>>> = Vec::new();
        let mut rest = Bytes::from(bytes);
        while !rest.is_empty() {
            let most = if self.random(3) == 0 { 3 } else { 200 };
            let size = usize::try_from(1 + self.random(most)).unwrap().min(rest.len());
            pieces.push(Ok(Frame::data(rest.split_to(size))));
        }
        // A cut connection is an error or, through some balancers, a clean end.
        if cut && self.random(2) == 0 {
            pieces.push(Err(io::Error::other("cut")));
        }
        let tail: stream::BoxStream<'static, io::Result<Frame<Bytes>>> = if stays { Box::pin(stream::pending()) } else { Box::pin(stream::empty()) };
        let stream: stream::BoxStream<'static, _> = Box::pin(futures::StreamExt::chain(stream::iter(pieces), tail));
        let kind = if proto { "application/vnd.kubernetes.protobuf" } else { "application/json" };
        Response::builder().header("content-type", kind).body(StreamBody::new(stream)).unwrap()
    }
}

type BodyOf = StreamBody<stream::BoxStream<'static, io::Result<Frame<Bytes>>>>;

fn plain(code: StatusCode) -> Response<BodyOf> {
    Response::builder().status(code).body(StreamBody::new(Box::pin(stream::empty()) as stream::BoxStream<'static, _>)).unwrap()
}

/// A table kept by the contract of [`Change`].
#[derive(Default)]
struct Table {
    rows: BTreeMap<ObjectKey, crate::model::pod::Pod>,
    seen: Option<BTreeSet<ObjectKey>>,
}

struct Rows(Mutex<Table>);

impl Sink for Rows {
    fn send(&self, facts: Vec<Fact>) -> BoxFuture<'_, ()> {
        let mut table = self.0.lock().unwrap();
        for fact in facts {
            let Fact::Pod(change) = fact else { continue };
            match *change {
                Change::Begin(_) => table.seen = Some(BTreeSet::new()),
                Change::Upsert(row) => {
                    if let Some(seen) = &mut table.seen {
                        seen.insert(row.key());
                    }
                    table.rows.insert(row.key(), row);
                }
                Change::Remove(key) => {
                    table.rows.remove(&key);
                }
                Change::End(_) => {
                    let seen = table.seen.take().expect("an end has a beginning");
                    table.rows.retain(|key, _| seen.contains(key));
                }
            }
        }
        async {}.boxed()
    }
    fn answered(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
    fn complete(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
    fn trouble(&self, _: SourceError) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
}

struct Nobody;

impl Asker for Nobody {
    fn ask(&self, _: AskKind, _: Name, _: String) -> BoxFuture<'_, Option<Answer>> {
        async { None }.boxed()
    }
}

fn cluster() -> Cluster {
    Cluster {
        name: "main".into(),
        context: "".into(),
        server: "".into(),
        version: "".into(),
        latency_ms: None,
        failing_checks: Vec::new(),
        leases: Vec::new(),
        endpoints: Vec::new(),
        certificate_expires_at: None,
        metrics: false,
        tls_verified: true,
        denied: Vec::new(),
    }
}

async fn converges(seed: u64) {
    let clock = Arc::new(ManualClock::at(Moment(1_800_000_000_000)));
    let server = Server { seed: seed | 1, version: 10, compacted: 0, things: BTreeMap::new(), log: Vec::new(), paging: false, left: 60, clock: clock.clone() };
    let server = Arc::new(Mutex::new(server));
    let answering = server.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let response = answering.lock().unwrap().answer(&request);
        async move { Ok::<_, io::Error>(response) }
    });
    let rows = Arc::new(Rows(Mutex::new(Table::default())));
    let cx = Cx {
        source: SourceId(0),
        out: rows.clone(),
        ask: Arc::new(Nobody),
        clock,
        redact: Redactor::default(),
        meter: Arc::new(Meter::default()),
        stop: CancellationToken::new(),
    };
    let (heal, healed) = tokio::sync::watch::channel(0_u64);
    let api = Arc::new(Api::from_client("main".into(), kube::Client::new(service, "pro")));
    let session = Session::new(api, cx.clone(), healed, cluster());
    let following = tokio::spawn(async move {
        let mut feed = Pods { cluster: "main".into(), namespace: None, names: Interner::default(), changes: 0 };
        follow(&session, &scope::PODS.path(None), &mut feed).await
    });
    for round in 0..2000 {
        tokio::time::sleep(Duration::from_millis(4)).await;
        // Ends the waits of the back-off, and a stream that stays now and then.
        heal.send_modify(|n| *n += 1);
        let wanted: Vec<(String, Name)> = {
            let mut server = server.lock().unwrap();
            if round % 8 == 7 && !server.paging {
                server.change();
            }
            if server.left > 0 {
                continue;
            }
            server.things.values().map(|t| (format!("pod-{}", t.id), Name::from(PHASES[t.phase]))).collect()
        };
        let mut held: Vec<(String, Name)> = rows.0.lock().unwrap().rows.values().map(|r| (r.name.to_string(), r.status.clone())).collect();
        held.sort_by_key(|(name, _)| name[4..].parse::<u32>().unwrap());
        if held == wanted {
            cx.stop.cancel();
            let _ = following.await;
            return;
        }
    }
    panic!("seed {seed}: the rows never became what the server holds");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn rows_become_what_the_server_holds(seed in any::<u64>()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(converges(seed));
    }
}

/// Lists that a balancer cut off at their very beginning, and ended in good order.
#[tokio::test]
async fn an_answer_of_nothing_is_no_empty_cluster() {
    for seed in [4_044_883_400_691_708_586, 5_823_917_924_058_827_210, 7_781_820_534_629_102_516] {
        converges(seed).await;
    }
}
