//! Measures the complete picture of a cluster against its floors: `picture --kubeconfig FILE [--floor | --table | --stay SECONDS]`.
//! Prints one line: seconds, own processor milliseconds, peak resident memory, requests, bytes, rows.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a measuring tool")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use http_body_util::BodyExt;
use quarterdeck::base::clock::{Clock, SystemClock};
use quarterdeck::base::redact::Redactor;
use quarterdeck::config::spec::{ClusterSpec, KubeconfigRef};
use quarterdeck::link::kube::{Api, Reader};
use quarterdeck::model::ask::{Answer, AskKind};
use quarterdeck::model::fact::{Batch, Change, Fact, Row};
use quarterdeck::model::id::{Kind, Name, SourceId};
use quarterdeck::model::limits::Limits;
use quarterdeck::port::{Asker, Cx, Meter, Sink, Source, SourceError};
use quarterdeck::source::kube::KubeSource;
use quarterdeck::store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const KINDS: [&str; 8] = [
    "/api/v1/nodes",
    "/api/v1/pods",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/batch/v1/jobs",
    "/apis/batch/v1beta1/cronjobs",
    "/api/v1/events",
];

struct Channel(mpsc::Sender<Vec<Fact>>);

impl Sink for Channel {
    fn send(&self, facts: Vec<Fact>) -> BoxFuture<'_, ()> {
        async move {
            let _ = self.0.send(facts).await;
        }
        .boxed()
    }
    fn answered(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
    fn complete(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }
    fn trouble(&self, error: SourceError) -> BoxFuture<'_, ()> {
        eprintln!("trouble: {error}");
        async {}.boxed()
    }
}

struct Nobody;

impl Asker for Nobody {
    fn ask(&self, _: AskKind, _: Name, _: String) -> BoxFuture<'_, Option<Answer>> {
        async { None }.boxed()
    }
}

fn proc_line(file: &str, key: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().find_map(|l| l.strip_prefix(key)).and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// Own processor time in milliseconds, at 100 ticks a second.
fn cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

fn report(mode: &str, start: Instant, meter: &Meter, rows: &str) {
    let load = meter.read();
    println!(
        "{mode} seconds={:.3} cpu_ms={} peak_kb={} requests={} bytes={} {rows}",
        start.elapsed().as_secs_f64(),
        cpu(),
        proc_line("/proc/self/status", "VmHWM:"),
        load.requests,
        load.bytes_received
    );
}

async fn raw(api: &Api, clock: &SystemClock, meter: &Meter, path: &str, accept: &str) -> usize {
    let request = http::Request::get(path).header("accept", accept).body(Vec::new()).unwrap();
    let Ok(response) = api.send(request, Duration::from_secs(60), clock.now(), meter).await else { return 0 };
    let mut body = response.into_body();
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap();
        let data = frame.data_ref().map_or(0, bytes::Bytes::len);
        meter.received(data);
        bytes += data;
    }
    bytes
}

async fn picture(api: Arc<Api>, seconds: u64) {
    let meter = Arc::new(Meter::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let (send, mut facts) = mpsc::channel(16);
    let stop = CancellationToken::new();
    let cx = Cx {
        source: SourceId(0),
        out: Arc::new(Channel(send)),
        ask: Arc::new(Nobody),
        clock: clock.clone(),
        redact: Redactor::default(),
        meter: meter.clone(),
        stop: stop.clone(),
    };
    let start = Instant::now();
    let mut source = KubeSource::new(api, Vec::new());
    let running = tokio::spawn(async move { source.run(cx).await });
    let mut store = Store::new(Limits::default());
    let mut open: BTreeMap<Kind, bool> = [Kind::Node, Kind::Pod, Kind::Workload, Kind::Event].map(|k| (k, true)).into();
    let mut glance = None;
    let mut done = false;
    let mut churn = (0_u64, cpu());
    loop {
        let left = Duration::from_secs(seconds).saturating_sub(start.elapsed());
        let Ok(Some(batch)) = tokio::time::timeout(if done { left } else { Duration::from_secs(120) }, facts.recv()).await else { break };
        for fact in &batch {
            match fact {
                Fact::Node(c) => ended(&mut open, c),
                Fact::Pod(c) => ended(&mut open, c),
                Fact::Workload(c) => ended(&mut open, c),
                Fact::Event(c) => ended(&mut open, c),
                Fact::Glance(_) => glance = Some(start.elapsed()),
                _ => {}
            }
        }
        churn.0 += batch.len() as u64;
        store.apply(Batch { source: SourceId(0), at: clock.now(), facts: batch }, clock.now());
        if !done && open.values().all(|o| !o) {
            done = true;
            let first = glance.map_or(0, |g| g.as_millis());
            report("picture", start, &meter, &format!("glance_ms={first} nodes={} pods={}", store.nodes.len(), store.pods.len()));
            churn = (0, cpu());
        }
        if done && start.elapsed().as_secs() >= seconds {
            break;
        }
    }
    if seconds > 0 {
        report("after", start, &meter, &format!("facts={} cpu_since_ms={} rss_kb={}", churn.0, cpu() - churn.1, proc_line("/proc/self/status", "VmRSS:")));
    }
    stop.cancel();
    let _ = running.await;
}

fn ended<T: Row>(open: &mut BTreeMap<Kind, bool>, change: &Change<T>) {
    if let Change::End(_) = change {
        open.insert(T::KIND, false);
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|at| args.get(at + 1)).cloned();
    let has = |name: &str| args.iter().any(|a| a == name);
    let file = value("--kubeconfig").expect("--kubeconfig FILE");
    let spec = ClusterSpec {
        name: "measured".into(),
        kubeconfig: KubeconfigRef::File(file.into()),
        context: None,
        via: None,
        compression: false,
        namespaces: Vec::new(),
    };
    let api = Arc::new(Api::new(&spec, Reader::from_ref(&spec.kubeconfig).unwrap(), None, Redactor::default()));
    let clock = SystemClock::default();
    let meter = Meter::default();
    let start = Instant::now();
    if has("--floor") {
        let each = KINDS.iter().map(|k| {
            let (api, clock, meter) = (&api, &clock, &meter);
            async move { raw(api, clock, meter, &format!("{k}?resourceVersion=0"), "application/vnd.kubernetes.protobuf").await }
        });
        futures::future::join_all(each).await;
        report("floor", start, &meter, "");
    } else if has("--table") {
        raw(&api, &clock, &meter, "/api/v1/pods?resourceVersion=0&includeObject=None", "application/json;as=Table;v=v1;g=meta.k8s.io").await;
        report("table", start, &meter, "");
    } else {
        picture(api, value("--stay").and_then(|s| s.parse().ok()).unwrap_or(0)).await;
    }
}
