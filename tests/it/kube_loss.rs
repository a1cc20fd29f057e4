//! What a cluster's picture survives: its line cut, its API server killed, history compacted away under the watches, an account
//! that ends.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use quarterdeck::model::source::SourceState;
use serde_json::{Value, json};

use crate::components::case;
use crate::kube::{Live, Space, account, admin, alone, api, beside_others, edited, with_user};
use crate::rig::apiserver::{ApiServer, CutLine};
use crate::rig::eventually;

pub fn tests() -> Vec<Trial> {
    const PARTS: &[&str] = &["kubernetes"];
    let mut tests = vec![
        case("kube: an account that ends while its watches are open", PARTS, beside_others(ended_account)),
        case("kube: cut watches go on where they were", PARTS, beside_others(cut_line)),
    ];
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
