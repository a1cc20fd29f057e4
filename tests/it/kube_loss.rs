//! What a cluster's picture survives: its line cut, its API server killed, history compacted away under the watches, an account
//! that ends.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use quarterdeck::model::source::SourceState;
use serde_json::{Value, json};

use crate::cockpit::configure_hosts;
use crate::components::{case, said};
use crate::kube::{Live, Space, account, admin, alone, api, beside_others, edited, with_user};
use crate::rig::apiserver::{ApiServer, CutLine};
use crate::rig::eventually;
use crate::rig::sshd::{Lab, Sudo, User};
use crate::rig::terminal::{binary, environment};
use quarterdeck::link::shell::quote;

pub fn tests() -> Vec<Trial> {
    const PARTS: &[&str] = &["kubernetes"];
    let mut tests = vec![
        case("kube: an account that ends while its watches are open", PARTS, beside_others(ended_account)),
        case("kube: cut watches go on where they were", PARTS, beside_others(cut_line)),
        case("kube: a kubeconfig that stands on a master, and a cluster reached through it", &["kubernetes", "sshd", "netns"], beside_others(through_a_master)),
    ];
    tests.push(case("kube: a current server: what it holds is what is shown, before and after changes", &["kubernetes-new"], || bare_server("NEW")));
    tests.push(case("kube: an old server: what it holds is what is shown, before and after changes", &["kubernetes-old"], || bare_server("OLD")));
    if std::env::var("QUARTERDECK_TEST_APISERVER_PID").is_ok() {
        tests.push(case("kube: a killed API server comes back with its history compacted", &["kubernetes", "curl"], alone(compacted)));
    }
    tests
}

const SLEEPER: &[&str] = &["sh", "-c", "sleep 1000"];

/// While the server is dead a pod leaves etcd and the history is compacted: nothing of that can arrive by a watch.
fn compacted() {
    let space = Space::new("compact");
    let live = Live::start(api(&admin(), None));
    live.complete();
    for name in ["stays", "vanishes"] {
        space.pod(name, "busybox:1.35", SLEEPER, &json!({}));
        live.pod_when(name, 60, |p| &*p.status == "Running");
    }
    let mut server = ApiServer::here();
    server.kill();
    let killed = Instant::now();
    let at = eventually("the trouble", Duration::from_secs(15), || live.seen.lock().unwrap().troubles.iter().map(|(at, _)| *at).find(|at| *at > killed));
    assert!(at.duration_since(killed) < Duration::from_secs(15), "within three intervals");
    assert!(live.pod("vanishes").is_some(), "the last picture stays");
    server.forget(&format!("/registry/pods/{}/vanishes", space.name));
    server.start();
    eventually("the API server answers again", Duration::from_secs(60), || space.try_send("GET", &space.path("pods"), &Value::Null).ok());
    let back = Instant::now();
    eventually("the pod that left in between is gone", Duration::from_secs(60), || live.pod("vanishes").is_none().then_some(()));
    assert!(live.pod("stays").is_some());
    eventually("it is live", Duration::from_secs(30), || live.seen.lock().unwrap().answered.filter(|at| *at > back));
    // And news arrive again.
    space.pod("later", "busybox:1.35", SLEEPER, &json!({}));
    live.pod_when("later", 90, |p| &*p.status == "Running");
}

fn cut_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut line = None;
    let path = edited(dir.path(), |config| {
        let cluster = &mut config["clusters"][0]["cluster"];
        let url: http::Uri = cluster["server"].as_str().unwrap().parse().unwrap();
        let cut = CutLine::to(&format!("{}:{}", url.host().unwrap(), url.port_u16().unwrap_or(443)));
        cluster["tls-server-name"] = json!(url.host().unwrap());
        cluster["server"] = json!(format!("https://127.0.0.1:{}", cut.port));
        line = Some(cut);
    });
    let line = line.unwrap();
    let space = Space::new("cut");
    let live = Live::start(api(&path, None));
    live.complete();
    space.pod("before", "busybox:1.35", SLEEPER, &json!({}));
    live.pod_when("before", 60, |p| &*p.status == "Running");
    let lists = live.seen.lock().unwrap().pod_lists;
    for round in 0..3 {
        assert!(line.cut() > 0, "nothing was open");
        let name = format!("after-{round}");
        space.pod(&name, "busybox:1.35", SLEEPER, &json!({}));
        live.pod_when(&name, 60, |p| &*p.status == "Running");
    }
    assert_eq!(live.seen.lock().unwrap().pod_lists, lists, "a cut watch is resumed from its version, nothing is listed again");
}

fn ended_account() {
    let space = Space::new("ended");
    let token = account(&space, "leaver");
    space.pod("mine", "busybox:1.35", SLEEPER, &json!({}));
    let dir = tempfile::tempdir().unwrap();
    let path = with_user(dir.path(), &json!({ "token": token }), &space.name);
    let live = Live::start(api(&path, None));
    live.complete();
    live.pod_when("mine", 60, |p| &*p.status == "Running");
    space.send("DELETE", &space.path("serviceaccounts/leaver"), &Value::Null);
    let error = eventually("the refusal", Duration::from_secs(60), || {
        live.seen.lock().unwrap().troubles.iter().map(|(_, e)| e.clone()).find(|e| e.state == SourceState::AuthLost)
    });
    assert!(!error.remedy.is_empty(), "{error:?}");
    assert!(live.pod("mine").is_some(), "what was known stays");
    // Refused credentials are asked with once more by nobody.
    let asked = live.meter.read().requests;
    std::thread::sleep(Duration::from_secs(12));
    assert!(live.meter.read().requests <= asked + 1, "{} requests after the refusal", live.meter.read().requests - asked);
    let token = account(&space, "joiner");
    with_user(dir.path(), &json!({ "token": token }), &space.name);
    let changed = Instant::now();
    eventually("the new account is used", Duration::from_secs(60), || live.seen.lock().unwrap().answered.filter(|at| *at > changed));
    assert!(live.pod("mine").is_some());
}

/// The kubeconfig stands on a master, for root only; the API server is reached through that master.
fn through_a_master() {
    let lab = Lab::new();
    let mut line = None;
    let dir = tempfile::tempdir().unwrap();
    let path = edited(dir.path(), |config| {
        let cluster = &mut config["clusters"][0]["cluster"];
        let url: http::Uri = cluster["server"].as_str().unwrap().parse().unwrap();
        let relay = CutLine::at(&lab.gateway(), &format!("{}:{}", url.host().unwrap(), url.port_u16().unwrap_or(443)));
        cluster["tls-server-name"] = json!(url.host().unwrap());
        cluster["server"] = json!(format!("https://{}:{}", lab.gateway(), relay.port));
        line = Some(relay);
    });
    let line = line.unwrap();
    let master = lab.host("master-1").user(User::new("ops").sudo(Sudo::Free)).start();
    let text = std::fs::read_to_string(path).unwrap();
    master.run(&format!("mkdir -p /etc/kubernetes; umask 077; printf %s {} > /etc/kubernetes/admin.conf", quote(&text)));
    // Only the master may connect to the API server: through anybody else nothing would be seen.
    let home = tempfile::tempdir().unwrap();
    configure_hosts(home.path(), &lab, &[&master], &lab.known_hosts());
    let file = home.path().join(".config/quarterdeck/config.toml");
    let hosts = std::fs::read_to_string(&file).unwrap().replace("user = \"root\"", "user = \"ops\"");
    let cluster = "[[cluster]]\nname = \"main\"\nkubeconfig = { ssh = \"master-1:/etc/kubernetes/admin.conf\", become = true }\nvia = \"host:master-1\"\n";
    std::fs::write(&file, format!("{hosts}{cluster}")).unwrap();
    let out = std::process::Command::new(binary()).args(["status", "--json", "--timeout", "30"]).env_clear().envs(environment(home.path())).output().unwrap();
    let picture: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)));
    let cluster = &picture["clusters"][0];
    assert_eq!(cluster["freshness"]["state"], "live", "{cluster}");
    assert!(!cluster["nodes"].as_array().unwrap().is_empty(), "{cluster}");
    assert!(line.carried_from(master.address()) > 0 && line.carried_from(&lab.gateway()) == 0, "only through the master");
}

/// A server of another version, of which only the API server needs to run: pods stay pending.
fn bare_server(which: &str) {
    let file = std::path::PathBuf::from(std::env::var(format!("QUARTERDECK_TEST_KUBECONFIG_{which}")).unwrap());
    let space = Space::within(&file, &which.to_lowercase());
    let version = space.send("GET", "/version", &Value::Null)["gitVersion"].as_str().unwrap().to_owned();
    let _ = space.try_send("POST", &space.path("serviceaccounts"), &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}));
    let node = format!("node-of-{}", space.name);
    space.send("POST", "/api/v1/nodes", &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}));
    // No controller makes tokens there.
    let tokenless = json!({"automountServiceAccountToken": false});
    let names: Vec<String> = (0..60).map(|n| format!("pod-{n}")).collect();
    for name in &names {
        space.pod(name, "busybox:1.35", SLEEPER, &tokenless);
    }
    let live = Live::start(api(&file, None));
    live.complete();
    let mine = || {
        let store = live.store.lock().unwrap();
        let mut mine: Vec<_> = store.pods.iter().map(|(_, e)| &e.row).filter(|p| *p.namespace == *space.name).map(|p| p.name.to_string()).collect();
        mine.sort();
        mine
    };
    let held = || {
        let list = space.send("GET", &space.path("pods"), &Value::Null);
        let mut held: Vec<_> = list["items"].as_array().unwrap().iter().map(|p| p["metadata"]["name"].as_str().unwrap().to_owned()).collect();
        held.sort();
        held
    };
    assert_eq!((mine().len(), mine()), (60, held()));
    assert!(live.store.lock().unwrap().nodes.iter().any(|(_, e)| *e.row.name == *node), "the node");
    for name in names.iter().step_by(2) {
        space.send("DELETE", &space.path(&format!("pods/{name}")), &json!({"gracePeriodSeconds": 0}));
    }
    space.pod("late", "busybox:1.35", SLEEPER, &tokenless);
    eventually("the changes", Duration::from_secs(30), || (mine().len() == 31 && mine() == held()).then_some(()));
    space.send("DELETE", &format!("/api/v1/nodes/{node}"), &Value::Null);
    eventually("the node is gone", Duration::from_secs(30), || (!live.store.lock().unwrap().nodes.iter().any(|(_, e)| *e.row.name == *node)).then_some(()));
    said(&format!("kubernetes-{}", which.to_lowercase()), &format!("Kubernetes {version}"));
}
