//! Nacos against real servers: who leads, who is gone, what is registered and well; and a verdict that no lie turns.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::model::group::Group;
use quarterdeck::model::source::SourceState;
use quarterdeck::model::verdict::Verdict::{Crit, Ok, Unknown, Warn};
use quarterdeck::source::middleware::Spec;
use quarterdeck::source::middleware::spec::{Account, Password, Tls};

use crate::components::case;
use crate::kube::{Space, admin, beside_others};
use crate::rig::eventually;
use crate::rig::group::{Watched, has, member, number, reasons, show};
use crate::rig::redis::liar_before;
use crate::rig::registry::{Server, protected, servers};
use crate::rig::stub::{Asked, stub};
use crate::rig::terminal::{binary, environment};

const SOON: Duration = Duration::from_secs(60);

pub fn tests() -> Vec<Trial> {
    vec![
        case("nacos::three_servers_from_well_to_no_majority", &["nacos"], trio),
        case("nacos::what_is_registered_against_ready_pods", &["nacos", "kubernetes"], beside_others(against_pods)),
        case("nacos::tls_with_a_self_signed_certificate", &["nacos"], tls),
        case("nacos::a_third_generation_with_a_login_as_documented", &[], third),
        case("nacos::a_first_generation_as_documented", &[], first),
    ]
}

fn spec(members: &[&str]) -> Spec {
    let mut spec = Spec::new("nacos", "registry", members);
    // A round has a quarter of it, and the machine may be busy.
    spec.every = Some(Duration::from_secs(2));
    spec
}

/// Everything but that none of them asks for a login.
fn well(group: &Group) -> bool {
    reasons(group).all(|r| r.verdict == Ok || r.code == "nacos.open") && group.members.iter().all(|m| m.answered_at.is_some())
}

fn leader_of(group: &Group) -> String {
    group.members.iter().find(|m| &*m.role == "leader").expect("a leader").address.to_string()
}

fn trio() {
    let mut trio = servers(3);
    let addresses: Vec<String> = trio.iter().map(|s| s.address.clone()).collect();
    // Two are configured; the third is found.
    let watched = Watched::start(spec(&[&addresses[0], &addresses[1]]));
    let group = watched.wait("three healthy servers", SOON, |g| g.members.len() == 3 && well(g) && g.members.iter().any(|m| &*m.role == "leader"));
    assert!(group.members.iter().all(|m| has(&m.reasons, "nacos.open", Warn)), "nobody asked for a login: {}", show(&group));
    assert!(group.members.iter().all(|m| m.details.iter().any(|d| d.key == "version" && d.text == "2.3.1")), "{}", show(&group));
    assert!(group.members.iter().all(|m| m.details.iter().any(|d| d.key == "grpc")), "the port of newer clients is open: {}", show(&group));

    registered(&trio, &watched);
    liar(&trio, &watched);
    frozen(&trio, &watched);
    no_majority(&mut trio, &watched);
}

/// An instance that sends no heartbeat is unhealthy after 15 s; another one that nobody checks stays well.
fn registered(trio: &[Server], watched: &Watched) {
    let register = |service: &str, ip: &str| trio[0].ask("POST", &format!("/nacos/v1/ns/instance?serviceName={service}&ip={ip}&port=8080"));
    assert_eq!(register("mall-order", "10.0.0.5"), "ok");
    let group = watched.wait("an instance at every server", SOON, |g| g.members.iter().all(|m| number(m, "instances") == Some(1.0)));
    assert!(well(&group), "{}", show(&group));
    let group = watched.wait_for("nacos.service.none", Crit, SOON);
    assert!(format!("{:?}", group.reasons).contains("mall-order"), "{}", show(&group));
    // It is taken out after 30 s.
    watched.wait("no instance, and all well", SOON, |g| well(g) && g.members.iter().all(|m| number(m, "instances") == Some(0.0)));
}

/// One server names another leader, and is reached by a port alone beside which there is no other.
fn liar(trio: &[Server], watched: &Watched) {
    let leader = leader_of(&watched.group().expect("a picture"));
    let raft = |address: &str| {
        let (host, port) = address.rsplit_once(':').expect("a port");
        format!("\"leader\":\"{host}:{}\"", port.parse::<u16>().expect("a number") - 1000)
    };
    let honest: Vec<&Server> = trio.iter().filter(|s| s.address == leader).chain(trio.iter().filter(|s| s.address != leader)).collect();
    let lying = liar_before("127.0.0.1", honest[1].address.clone(), &raft(&leader), &raft(&honest[2].address));
    let deceived = Watched::start(spec(&[&honest[0].address, &lying, &honest[2].address]));
    let group = deceived.wait_for("nacos.raft.split", Crit, SOON);
    assert!(format!("{:?}", group.reasons).contains(&lying), "{}", show(&group));
    assert_eq!(leader_of(&group), leader, "by the word of most: {}", show(&group));
    let group = deceived.wait_for("nacos.grpc", Crit, SOON);
    assert!(has(&member(&group, &lying).reasons, "nacos.grpc", Crit) && !has(&member(&group, &leader).reasons, "nacos.grpc", Crit), "{}", show(&group));
}

fn frozen(trio: &[Server], watched: &Watched) {
    let leader = leader_of(&watched.group().expect("a picture"));
    let victim = trio.iter().find(|s| s.address == leader).expect("a server");
    victim.freeze();
    let group = watched.wait_for("middleware.member.mute", Unknown, SOON);
    assert!(reasons(&group).any(|r| r.code.starts_with("nacos.peers.")), "{}", show(&group));
    let group = watched.wait("another leader", SOON, |g| {
        has(&member(g, &leader).reasons, "nacos.peers.gone", Crit) && g.members.iter().any(|m| &*m.role == "leader" && *m.address != *leader)
    });
    assert!(!reasons(&group).any(|r| r.code == "nacos.raft.no-majority"), "two of three go on: {}", show(&group));
    victim.thaw();
    watched.wait("thawed", SOON, well);
}

/// The last one goes on calling itself UP and naming its old leader.
fn no_majority(trio: &mut [Server], watched: &Watched) {
    let leader = leader_of(&watched.group().expect("a picture"));
    let last = trio.iter().find(|s| s.address != leader).expect("another").address.clone();
    for server in trio.iter_mut().filter(|s| s.address != last) {
        server.kill();
    }
    let group = watched.wait_for("nacos.raft.no-majority", Crit, SOON);
    assert!(has(&group.reasons, "nacos.few-witnesses", Unknown), "{}", show(&group));
    assert!(member(&group, &last).details.iter().any(|d| d.key == "state" && d.text == "UP"), "{}", show(&group));
    watched.wait_for("nacos.peers.gone", Crit, SOON);
}

/// One instance in a ready pod, one in a pod that is not ready, one whose pod is gone; a service that runs in no pod is left alone.
fn against_pods() {
    let server = servers(1);
    let space = Space::new("registered");
    let run = &["sh", "-c", "sleep 1000"];
    let never = serde_json::json!({"containers": [{"name": "app", "image": "busybox:1.35", "imagePullPolicy": "Never", "command": run,
        "readinessProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1}}]});
    space.pod("order-ready", "busybox:1.35", run, &serde_json::json!({}));
    space.pod("order-not-ready", "busybox:1.35", run, &never);
    let ip = |pod: &str| {
        eventually(&format!("{pod} has an address"), SOON, || {
            let pod = space.try_send("GET", &space.path(&format!("pods/{pod}")), &serde_json::Value::Null).ok()?;
            pod["status"]["podIP"].as_str().map(ToOwned::to_owned)
        })
    };
    let instances = [
        ("mall-order", ip("order-ready")),
        ("mall-order", ip("order-not-ready")),
        ("mall-order", "10.255.255.9".to_owned()),
        ("legacy", "192.168.99.7".to_owned()),
    ];
    let home = tempfile::tempdir().expect("a folder");
    let config = home.path().join(".config/quarterdeck/config.toml");
    std::fs::create_dir_all(config.parent().expect("a folder")).expect("a folder");
    let text = format!(
        "[[cluster]]\nname = \"main\"\nkubeconfig = \"{}\"\n\n[[middleware]]\nkind = \"nacos\"\nname = \"registry\"\nmembers = [\"{}\"]\nevery = \"2s\"\n",
        admin().display(),
        server[0].address
    );
    std::fs::write(config, text).expect("written");
    let group = eventually("what does not fit", Duration::from_secs(120), || {
        // An instance that is silent for 15 s is no longer called healthy.
        for (service, ip) in &instances {
            server[0].ask("POST", &format!("/nacos/v1/ns/instance?serviceName={service}&ip={ip}&port=8080"));
        }
        let out = Command::new(binary()).args(["status", "--json", "--timeout", "10"]).env_clear().envs(environment(home.path())).output().expect("it runs");
        let picture: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
        let group = picture["middleware"][0].clone();
        let text = group.to_string();
        // A pod has its address before it is ready.
        let settled = text.contains("registry.pod.unready") && text.contains("registry.pod.gone") && !text.contains("(order-ready)");
        settled.then_some(group)
    });
    let said =
        |code: &str| group["reasons"].as_array().and_then(|all| all.iter().find(|r| r["code"] == code)).map(|r| r["text"].to_string()).unwrap_or_default();
    assert!(said("registry.pod.unready").contains("order-not-ready"), "{group:#}");
    assert!(said("registry.pod.gone").contains("10.255.255.9") && !said("registry.pod.gone").contains("192.168.99.7"), "{group:#}");
}

fn tls() {
    let (server, pem) = protected();
    let start = |tls: Tls| {
        let mut spec = spec(&[&server.address]);
        spec.tls = tls;
        Watched::start(spec)
    };
    let verified = |name: &str| Tls::Verified { ca: Some(pem.as_bytes().to_vec()), server_name: Some(name.to_owned()) };
    // It takes its time to start.
    start(verified("registry.example")).wait("well, verified", Duration::from_mins(3), |g| g.members.len() == 1 && well(g));
    let group = start(verified("other.example")).wait_for("middleware.member.tls", Unknown, SOON);
    assert!(format!("{:?}", group.members[0].reasons).contains("other.example"), "{}", show(&group));
    start(Tls::Unverified).wait_for("middleware.tls.unverified", Ok, SOON);
}

fn found(body: &str) -> (u16, String) {
    (200, body.to_owned())
}

/// 3.x: other paths, and nothing without a token. From its manual, not from a server.
fn third() {
    let logins = Arc::new(AtomicUsize::new(0));
    let counted = logins.clone();
    let address = stub(move |asked: &Asked| {
        let path = asked.path.as_str();
        if path == "/nacos/v3/auth/user/login" {
            counted.fetch_add(1, Ordering::SeqCst);
            let known = asked.method == "POST" && asked.body == "username=deck&password=deck+pw%261";
            return if known {
                found(r#"{"accessToken":"token-77","tokenTtl":18000,"globalAdmin":true,"username":"deck"}"#)
            } else {
                (403, "unknown user!".to_owned())
            };
        }
        if !path.starts_with("/nacos/v3/") {
            return (410, r#"{"code":410,"message":"gone"}"#.to_owned());
        }
        if !asked.head.contains("Bearer token-77") {
            return (403, r#"{"code":10000,"message":"access denied"}"#.to_owned());
        }
        let node = r#"{"ip":"127.0.0.1","port":8848,"state":"UP","address":"127.0.0.1:8848","extendInfo":{"version":"3.0.3","raftPort":"7848",
            "raftMetaData":{"metaDataMap":{"naming_service_metadata":{"leader":"127.0.0.1:7848","raftGroupMember":["127.0.0.1:7848"],"term":2}}}}}"#;
        match path.split('?').next().unwrap_or_default() {
            "/nacos/v3/admin/core/cluster/node/list" => found(&format!(r#"{{"code":0,"message":"success","data":[{node}]}}"#)),
            "/nacos/v3/admin/core/cluster/node/self" => found(&format!(r#"{{"code":0,"message":"success","data":{node}}}"#)),
            "/nacos/v3/admin/ns/ops/metrics" => found(r#"{"code":0,"message":"success","data":{"status":"UP","instanceCount":3,"clientCount":2}}"#),
            "/nacos/v3/admin/ns/service/list" => found(
                r#"{"code":0,"message":"success","data":{"totalCount":1,"pageNumber":1,"pagesAvailable":1,"pageItems":
                [{"name":"mall-order","groupName":"DEFAULT_GROUP","clusterCount":1,"ipCount":3,"healthyInstanceCount":2,"triggerFlag":false}]}}"#,
            ),
            _ => (404, String::new()),
        }
    });
    let mut with = spec(&[&address]);
    with.account = Account { user: "deck".to_owned(), password: Password::known("deck pw&1".to_owned().into()) };
    let watched = Watched::start(with.clone());
    let group = watched.wait_for("nacos.service.some", Warn, SOON);
    assert_eq!(number(&group.members[0], "instances_unhealthy"), Some(1.0), "{}", show(&group));
    assert!(!reasons(&group).any(|r| r.code == "nacos.open") && has(&group.members[0].reasons, "nacos.grpc", Crit), "{}", show(&group));
    let pictures = watched.pictures();
    eventually("more pictures", SOON, || (watched.pictures() > pictures + 3).then_some(()));
    assert_eq!(logins.load(Ordering::SeqCst), 1, "one login serves them all");
    drop(watched);

    with.account.password = Password::known("wrong".to_owned().into());
    let watched = Watched::start(with);
    let error = eventually("the end of the source", SOON, || watched.ended());
    assert!(error.state == SourceState::AuthLost && !error.text.contains("wrong"), "{error:?}");
    assert_eq!(logins.load(Ordering::SeqCst), 2, "tried once");
}

/// 1.0 to 1.3: other paths again, no raft metadata, no gRPC. From its manual, not from a server.
fn first() {
    let address = stub(|asked: &Asked| match asked.path.split('?').next().unwrap_or_default() {
        "/nacos/v1/ns/operator/servers" => {
            let own = asked.head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("host: 127.0.0.1:").map(str::to_owned)).unwrap_or_default();
            let server = |ip: &str, port: &str, alive: bool| format!(r#"{{"ip":"{ip}","servePort":{port},"site":"unknown","weight":1,"alive":{alive}}}"#);
            found(&format!(r#"{{"servers":[{},{}]}}"#, server("127.0.0.1", &own, true), server("127.0.0.9", "8848", false)))
        }
        "/nacos/v1/ns/raft/leader" => found(r#"{"leader":"{\"heartbeatDueMs\":2500,\"ip\":\"127.0.0.9:8848\",\"state\":\"LEADER\",\"term\":5}"}"#),
        "/nacos/v1/ns/operator/metrics" => found(r#"{"serviceCount":1,"load":0.1,"mem":0.2,"status":"UP","instanceCount":1}"#),
        "/nacos/v1/ns/catalog/services" if asked.path.contains("withInstances=true") => found(
            r#"[{"serviceName":"mall-order","groupName":"DEFAULT_GROUP","clusterMap":{"DEFAULT":{"hosts":[{"ip":"order.example","port":80,"valid":true}]}}}]"#,
        ),
        "/nacos/v1/ns/catalog/services" => found(r#"{"count":0,"serviceList":[]}"#),
        _ => (404, String::new()),
    });
    let watched = Watched::start(spec(&[&address]));
    let group = watched.wait_for("nacos.raft.leader-gone", Crit, SOON);
    assert!(has(&group.members[0].reasons, "nacos.open", Warn) && !reasons(&group).any(|r| r.code == "nacos.grpc"), "{}", show(&group));
}
