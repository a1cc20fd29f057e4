//! A real cluster, whichever `QUARTERDECK_TEST_KUBECONFIG` names. Each test makes a namespace of its own and deletes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use kube::Client;
use libtest_mimic::Trial;
use quarterdeck::action::kube_inspect::KubeInspect;
use quarterdeck::base::clock::{Clock, SystemClock};
use quarterdeck::base::redact::Redactor;
use quarterdeck::config::spec::{ClusterSpec, KubeconfigRef};
use quarterdeck::link::kube::{Api, Reader};
use quarterdeck::model::ask::{Answer, AskKind};
use quarterdeck::model::effect::Inspection;
use quarterdeck::model::fact::{Batch, Change, Fact};
use quarterdeck::model::id::{Kind, Name, SourceId};
use quarterdeck::model::limits::Limits;
use quarterdeck::model::pod::Pod;
use quarterdeck::model::source::SourceState;
use quarterdeck::model::verdict::Verdict;
use quarterdeck::port::{Asker, Cx, Inspect, Inspected, Meter, Sink, Source, SourceError};
use quarterdeck::source::kube::KubeSource;
use quarterdeck::store::Store;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::components::{case, said};
use crate::rig::{apiserver, block, eventually};

pub fn tests() -> Vec<Trial> {
    const PARTS: &[&str] = &["kubernetes"];
    let mut tests = vec![
        case("kube: the picture arrives, and idling lists nothing again", PARTS, beside_others(picture_and_idle)),
        case("kube: a pod's life is followed and judged", PARTS, beside_others(pod_life)),
        case("kube: an account with one namespace sees that one", PARTS, beside_others(one_namespace)),
        case("kube: a wrong token is tried once", PARTS, beside_others(wrong_token)),
        case("kube: a renamed context is named, and found again when the file changes", PARTS, beside_others(renamed_context)),
    ];
    if std::env::var("QUARTERDECK_TEST_APISERVER_PID").is_ok() {
        tests.push(case("kube: a frozen API server shows, and heals", PARTS, alone(frozen)));
    }
    tests
}

/// One API server serves all tests: who stops or restarts it does so while nobody else looks at it.
static SERVER: RwLock<()> = RwLock::new(());

pub fn beside_others(body: fn()) -> impl FnOnce() + Send + 'static {
    move || {
        let _others = SERVER.read().unwrap_or_else(PoisonError::into_inner);
        body();
    }
}

pub fn alone(body: fn()) -> impl FnOnce() + Send + 'static {
    move || {
        let _nobody = SERVER.write().unwrap_or_else(PoisonError::into_inner);
        body();
    }
}

pub fn admin() -> PathBuf {
    PathBuf::from(std::env::var("QUARTERDECK_TEST_KUBECONFIG").expect("the component says that it is there"))
}

pub fn api(file: &Path, context: Option<&str>) -> Arc<Api> {
    let spec = ClusterSpec {
        name: "main".into(),
        kubeconfig: KubeconfigRef::File(file.to_owned()),
        context: context.map(str::to_owned),
        via: None,
        compression: false,
        namespaces: Vec::new(),
    };
    Arc::new(Api::new(&spec, Reader::from_ref(&spec.kubeconfig).expect("a file"), None, Redactor::default()))
}

#[derive(Default)]
pub struct Seen {
    pub troubles: Vec<(Instant, SourceError)>,
    pub answered: Option<Instant>,
    pub complete: bool,
    pub denied: Vec<(Kind, String)>,
    /// How many lists of pods were begun.
    pub pod_lists: usize,
}

pub struct Live {
    pub store: Arc<Mutex<Store>>,
    pub seen: Arc<Mutex<Seen>>,
    pub meter: Arc<Meter>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

struct Out(Arc<Mutex<Store>>, Arc<Mutex<Seen>>, SystemClock);

impl Sink for Out {
    fn send(&self, facts: Vec<Fact>) -> BoxFuture<'_, ()> {
        for fact in &facts {
            if let Fact::Pod(change) = fact
                && let Change::Begin(_) = **change
            {
                self.1.lock().unwrap().pod_lists += 1;
            }
            if let Fact::Denied { kind, denied, .. } = fact
                && !denied.need.is_empty()
            {
                self.1.lock().unwrap().denied.push((*kind, denied.fact.to_string()));
            }
        }
        let now = self.2.now();
        self.0.lock().unwrap().apply(Batch { source: SourceId(0), at: now, facts }, now);
        async {}.boxed()
    }
    fn answered(&self) -> BoxFuture<'_, ()> {
        self.1.lock().unwrap().answered = Some(Instant::now());
        async {}.boxed()
    }
    fn complete(&self) -> BoxFuture<'_, ()> {
        self.1.lock().unwrap().complete = true;
        async {}.boxed()
    }
    fn trouble(&self, error: SourceError) -> BoxFuture<'_, ()> {
        self.1.lock().unwrap().troubles.push((Instant::now(), error));
        async {}.boxed()
    }
}

pub struct Nobody;

impl Asker for Nobody {
    fn ask(&self, _: AskKind, _: Name, _: String) -> BoxFuture<'_, Option<Answer>> {
        async { None }.boxed()
    }
}

impl Live {
    pub fn start(api: Arc<Api>) -> Self {
        let store = Arc::new(Mutex::new(Store::new(Limits::default())));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (meter, stop) = (Arc::new(Meter::default()), CancellationToken::new());
        let cx = Cx {
            source: SourceId(0),
            out: Arc::new(Out(store.clone(), seen.clone(), SystemClock::default())),
            ask: Arc::new(Nobody),
            clock: Arc::new(SystemClock::default()),
            redact: Redactor::default(),
            meter: meter.clone(),
            stop: stop.clone(),
        };
        let troubled = seen.clone();
        let thread = std::thread::spawn(move || {
            let ended = block(async move { KubeSource::new(api, Vec::new()).run(cx).await });
            if let Err(error) = ended {
                troubled.lock().unwrap().troubles.push((Instant::now(), error));
            }
        });
        Self { store, seen, meter, stop, thread: Some(thread) }
    }

    pub fn complete(&self) {
        eventually("the whole picture", Duration::from_secs(30), || self.seen.lock().unwrap().complete.then_some(()));
    }

    pub fn pod(&self, name: &str) -> Option<Pod> {
        self.store.lock().unwrap().pods.iter().map(|(_, e)| &e.row).find(|p| &*p.name == name).cloned()
    }

    /// Waits for a pod to be as `wanted` says.
    pub fn pod_when(&self, name: &str, limit: u64, wanted: impl Fn(&Pod) -> bool) -> Pod {
        let mut last = None;
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(limit) * crate::rig::BUSY {
            last = self.pod(name);
            if let Some(pod) = last.as_ref().filter(|p| wanted(p)) {
                return pod.clone();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{name} never was as wanted within {limit} s; it is {last:?}");
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A namespace for one test, deleted at its end.
pub struct Space {
    pub name: String,
    /// Cluster-wide objects to delete as well.
    client: Arc<Api>,
}

impl Space {
    pub fn new(label: &str) -> Self {
        let space = Self::within(&admin(), label);
        // Pods are refused until the namespace has its account.
        eventually("the default service account", Duration::from_secs(20), || {
            space.try_send("GET", &format!("/api/v1/namespaces/{}/serviceaccounts/default", space.name), &Value::Null).ok()
        });
        space
    }

    /// In the cluster of another kubeconfig.
    pub fn within(kubeconfig: &Path, label: &str) -> Self {
        let stamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_nanos();
        let space = Self { name: format!("qd-test-{label}-{}-{}", std::process::id(), stamp % 1_000_000_000), client: api(kubeconfig, None) };
        space.send("POST", "/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space.name}}));
        space
    }

    pub fn try_send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json").body(bytes).unwrap();
        let api = self.client.clone();
        // A runtime lives for one request only, and a client dies with its runtime.
        api.forget();
        block(async move {
            let client: Client = api.connection(SystemClock::default().now()).await.map_err(|e| e.text)?.client.clone();
            client.request::<Value>(request).await.map_err(|e| e.to_string())
        })
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        self.try_send(method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.name)
    }

    pub fn pod(&self, name: &str, image: &str, command: &[&str], extra: &Value) {
        let mut spec = json!({
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": image, "imagePullPolicy": "Never", "command": command}],
        });
        for (key, value) in extra.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"of": "test"}}, "spec": spec});
        // An old server has the account before it has its token, and refuses pods until then.
        eventually(&format!("pod {name} is taken"), Duration::from_secs(30), || match self.try_send("POST", &self.path("pods"), &pod) {
            Ok(_) => Some(()),
            Err(e) if e.contains("No API token found") => None,
            Err(e) => panic!("pod {name}: {e}"),
        });
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.try_send("DELETE", &format!("/api/v1/namespaces/{}", self.name), &Value::Null);
    }
}

fn picture_and_idle() {
    let live = Live::start(api(&admin(), None));
    live.complete();
    let (version, nodes) = eventually("the cluster's row", Duration::from_secs(15), || {
        let store = live.store.lock().unwrap();
        let cluster = store.clusters.iter().map(|(_, e)| e.row.clone()).next()?;
        (cluster.latency_ms.is_some() && cluster.certificate_expires_at.is_some()).then(|| (cluster.version.to_string(), store.nodes.len()))
    });
    said("kubernetes", &format!("Kubernetes {version}"));
    assert!(nodes >= 1, "no node");
    // Let the first minute's look at the masters pass, then count.
    std::thread::sleep(Duration::from_secs(3));
    let before = live.meter.read().requests;
    std::thread::sleep(Duration::from_secs(60));
    let asked = live.meter.read().requests - before;
    // A heartbeat every 5 s (a tenth less at the least), each minute the masters' addresses and the masters, and metrics-server. One list or
    // watch of every kind would be a dozen more.
    assert!(asked <= 18, "{asked} requests in 60 s of idling: only the heartbeat every 5 s is expected");
    let troubles = &live.seen.lock().unwrap().troubles;
    assert!(troubles.is_empty(), "{troubles:?}");
}

fn pod_life() {
    life(&admin(), &Space::new("life"));
}

/// In any cluster that can be written to, the demo's as well.
pub fn life(kubeconfig: &Path, space: &Space) {
    let live = Live::start(api(kubeconfig, None));
    live.complete();
    let run = &["sh", "-c", "sleep 1000"];
    space.pod("runs", "busybox:1.35", run, &json!({}));
    space.pod("crashes", "busybox:1.35", &["sh", "-c", "exit 3"], &json!({}));
    space.pod("no-image", "qd.invalid/no-such:1", run, &json!({}));
    space.pod("nowhere", "busybox:1.35", run, &json!({"nodeSelector": {"qd/none": "such"}}));
    space.pod("done", "busybox:1.35", &["true"], &json!({"restartPolicy": "Never"}));

    let runs = live.pod_when("runs", 60, |p| &*p.status == "Running" && p.ready == 1);
    assert!(runs.node.is_some() && runs.ip.is_some() && runs.trouble.is_none());
    let clock = SystemClock::default();
    let judged = |pod: &Pod, later: u64| quarterdeck::model::judge::pod(pod, clock.now().plus(Duration::from_secs(later)), &Limits::default());
    assert_eq!(judged(&runs, 0).verdict, Verdict::Ok);
    let crashes = live.pod_when("crashes", 90, |p| &*p.status == "CrashLoopBackOff");
    let j = judged(&crashes, 0);
    assert_eq!((j.verdict, j.reasons[0].code), (Verdict::Crit, "pod.crash-loop.exit"));
    let no_image = live.pod_when("no-image", 60, |p| &*p.status == "ErrImageNeverPull");
    assert_eq!(judged(&no_image, 0).reasons[0].code, "pod.image");
    let nowhere = live.pod_when("nowhere", 30, |p| &*p.status == "Pending" && p.trouble.is_some());
    assert_eq!(judged(&nowhere, 0).verdict, Verdict::Ok, "not before its time");
    assert_eq!(judged(&nowhere, 61).reasons[0].code, "pod.unschedulable.affinity");
    assert_eq!(judged(&live.pod_when("done", 60, |p| &*p.status == "Completed"), 0).verdict, Verdict::Off);

    // What was shown is what is fetched: the uid is checked.
    let shared = api(kubeconfig, None);
    let inspector = KubeInspect::new(Arc::new(move |_: &str| Some(shared.clone())), Arc::new(SystemClock::default()));
    let of = |uid| Inspected::Pod { cluster: "main".into(), namespace: space.name.as_str().into(), name: "crashes".into(), uid };
    block(async {
        let yaml = inspector.inspect(of(crashes.uid), Inspection::Yaml).unwrap().await.unwrap();
        assert!(yaml.lines.iter().any(|l| l == "kind: Pod") && !yaml.lines.iter().any(|l| l.contains("managedFields")), "{:?}", yaml.lines);
        let text = inspector.inspect(of(crashes.uid), Inspection::Describe).unwrap().await.unwrap().lines.join("\n");
        assert!(text.contains("exit code 3") && text.contains("BackOff"), "{text}");
        let other = inspector.inspect(of(runs.uid), Inspection::Yaml).unwrap().await.unwrap_err();
        assert!(other.contains("replaced"), "{other}");
    });

    space.send("DELETE", &space.path("pods/runs"), &Value::Null);
    eventually("the deleted pod is gone", Duration::from_secs(60), || live.pod("runs").is_none().then_some(()));
}

/// Writes a kubeconfig like the admin's with another user in it.
pub fn with_user(dir: &Path, user: &Value, namespace: &str) -> PathBuf {
    let text = std::fs::read_to_string(admin()).unwrap();
    let config: Value = serde_saphyr::from_str(&text).unwrap();
    let made = json!({
        "apiVersion": "v1", "kind": "Config", "clusters": config["clusters"],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": config["clusters"][0]["name"], "user": "u", "namespace": namespace}}],
        "current-context": "c",
    });
    let path = dir.join("config");
    std::fs::write(&path, made.to_string()).unwrap();
    path
}

/// Makes an account that may view its namespace, and gives its token.
pub fn account(space: &Space, name: &str) -> String {
    let made = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    space.send("POST", &space.path("serviceaccounts"), &made);
    let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", space.name);
    space.send(
        "POST",
        &rbac,
        &json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": space.name}]}),
    );
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    space.send("POST", &space.path(&format!("serviceaccounts/{name}/token")), &request)["status"]["token"].as_str().unwrap().to_owned()
}

fn one_namespace() {
    let space = Space::new("narrow");
    let token = account(&space, "viewer");
    space.pod("mine", "busybox:1.35", &["sh", "-c", "sleep 1000"], &json!({}));

    let dir = tempfile::tempdir().unwrap();
    let live = Live::start(api(&with_user(dir.path(), &json!({ "token": token }), &space.name), None));
    live.complete();
    live.pod_when("mine", 60, |p| &*p.status == "Running");
    let others: BTreeMap<String, ()> = live.store.lock().unwrap().pods.iter().map(|(_, e)| (e.row.namespace.to_string(), ())).collect();
    assert_eq!(others.keys().collect::<Vec<_>>(), [&space.name]);
    let denied = live.seen.lock().unwrap().denied.clone();
    assert!(denied.contains(&(Kind::Node, "list nodes".to_owned())), "{denied:?}");
    assert!(denied.iter().any(|(kind, fact)| *kind == Kind::Pod && fact == "list pods"), "{denied:?}");
}

/// The admin's kubeconfig, changed.
pub fn edited(dir: &Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut config: Value = serde_saphyr::from_str(&std::fs::read_to_string(admin()).unwrap()).unwrap();
    change(&mut config);
    let path = dir.join("config");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

fn wrong_token() {
    let dir = tempfile::tempdir().unwrap();
    let live = Live::start(api(&with_user(dir.path(), &json!({"token": "not-a-token"}), "default"), None));
    let error = eventually("the refusal", Duration::from_secs(10), || live.seen.lock().unwrap().troubles.first().map(|(_, e)| e.clone()));
    assert_eq!(error.state, SourceState::AuthLost, "{error:?}");
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(live.meter.read().requests, 1, "refused credentials are not tried again by themselves");
    // They are when they change.
    std::fs::copy(admin(), dir.path().join("config")).unwrap();
    live.complete();
}

fn renamed_context() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(admin()).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    let path = dir.path().join("config");
    config["contexts"][0]["name"] = json!("new");
    std::fs::write(&path, config.to_string()).unwrap();
    let live = Live::start(api(&path, Some("old")));
    let error = eventually("the missing context", Duration::from_secs(10), || live.seen.lock().unwrap().troubles.first().map(|(_, e)| e.clone()));
    assert!(error.state == SourceState::Broken && error.text.contains("`old`") && error.text.contains("new"), "{error:?}");
    config["contexts"][0]["name"] = json!("old");
    std::fs::write(&path, config.to_string()).unwrap();
    live.complete();
}

/// Stops a process and lets it go on, also when the test fails.
struct Frozen(String);

impl Frozen {
    fn new(pid: String) -> Self {
        signal("-STOP", &pid);
        Self(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

pub fn signal(which: &str, pid: &str) {
    assert!(std::process::Command::new("kill").args([which, pid]).status().unwrap().success(), "kill {which} {pid}");
}

fn frozen() {
    let pid = apiserver::pid();
    let live = Live::start(api(&admin(), None));
    live.complete();
    let stopped = Instant::now();
    let ice = Frozen::new(pid);
    let at = eventually("the trouble", Duration::from_secs(15), || live.seen.lock().unwrap().troubles.first().map(|(at, _)| *at));
    assert!(at.duration_since(stopped) < Duration::from_secs(15), "within three intervals");
    drop(ice);
    let thawed = Instant::now();
    eventually("it heals", Duration::from_secs(20), || live.seen.lock().unwrap().answered.filter(|at| *at > thawed));
}
