//! The demo as a whole: the built binary serves its cluster, and real clients and another process of ours look at it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use quarterdeck::lab::world::scenario::Scenario;
use serde_json::Value;

use crate::components::case;
use crate::kube;
use crate::rig::demo::{Demo, ours};
use crate::rig::eventually;
use crate::rig::terminal::{Terminal, command, environment};

pub fn tests() -> Vec<Trial> {
    const NONE: &[&str] = &[];
    const KUBECTL: &[&str] = &["kubectl"];
    vec![
        case("demo: without a terminal it is one picture with its verdict as the code", NONE, one_picture),
        case("demo: another process sees it with nothing but what was printed", NONE, another_process),
        case("demo: a pod's life is followed and judged, as on a real cluster", NONE, pod_life),
        case("demo: kubectl lists, follows logs, runs commands", KUBECTL, kubectl_looks),
        case("demo: kubectl applies, scales, rolls and deletes", KUBECTL, kubectl_changes),
        case("demo: nothing is left behind, also after kill -9", NONE, leaves_nothing),
        case("demo: a big cluster starts", NONE, big),
        case("demo: redis-cli, mariadb, ssh and curl work with what was printed", &["redis", "mariadb", "sshd", "curl"], other_tools),
        case("demo: a seed repeats its world", KUBECTL, seeds),
        case("demo: the tour, and a scenario that is switched while it runs", NONE, tour),
        case("demo: a registry that is down, at a higher speed", NONE, || quick("image-registry-down")),
        case("demo: a disk that passes the flood mark, at a higher speed", NONE, || quick("es-flood-stage")),
        case("demo: a clock that runs ahead, at a higher speed", NONE, || quick("clock-skew")),
        case("demo: each scenario says what it promises and never what it rules out", &["scenarios"], scenarios),
    ]
}

const START: Duration = Duration::from_secs(90);

fn one_picture() {
    let home = tempfile::tempdir().expect("a folder");
    let output = ours(home.path(), &["demo"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("main v1.19.16") && text.contains("nodes       12: 12 ok"), "{text}");
    let code = match text.split_whitespace().next() {
        Some("OK") => 0,
        Some("WARN" | "WARNING") => 1,
        Some("CRIT" | "CRITICAL") => 2,
        // A source that did not answer in time, on a machine that is busy.
        Some("UNKNOWN") => 3,
        other => panic!("{other:?}"),
    };
    assert_eq!(output.status.code(), Some(code));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no terminal"));
}

fn another_process() {
    let demo = Demo::start(&[]);
    let status = demo.status();
    let cluster = &status["clusters"][0];
    assert_eq!((cluster["name"].as_str(), cluster["nodes"].as_array().map(Vec::len)), (Some("main"), Some(12)), "{status}");
    assert!(cluster["pods"]["by_status"]["Running"].as_u64().is_some_and(|n| n > 100), "{cluster}");
    // Nothing is wrong in it, and there is nothing that the cockpit cannot read.
    eventually("all middleware is well", START, || {
        let status = demo.status();
        let groups = status["middleware"].as_array().expect("a list");
        let bad: Vec<_> = groups.iter().filter(|g| g["verdict"] != "ok").map(|g| (&g["name"], &g["reasons"])).collect();
        if !bad.is_empty() {
            eprintln!("not yet well: {bad:?}");
        }
        (groups.len() == 7 && bad.is_empty()).then_some(())
    });
    assert_eq!(status["vms"].as_array().map(Vec::len), Some(15), "{status}");
    let kinds: std::collections::BTreeSet<&str> = status["middleware"].as_array().into_iter().flatten().filter_map(|m| m["kind"].as_str()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["elasticsearch", "mysql", "nacos", "rabbitmq", "redis"], "{status}");
}

fn pod_life() {
    let demo = Demo::start(&[]);
    let file = PathBuf::from(demo.access("KUBECONFIG"));
    kube::life(&file, &kube::Space::within(&file, "life"));
}

fn kubectl_looks() {
    let demo = Demo::start(&[]);
    let pods = demo.said(&["get", "pods", "-A"]);
    assert!(pods.lines().count() > 100 && pods.contains("mall-gateway"), "{pods}");
    let wide = demo.said(&["get", "nodes", "-o", "wide"]);
    assert!(wide.contains("k8s-m-1   Ready    master") && wide.contains("v1.19.16"), "{wide}");
    let pod = demo.said(&["get", "pods", "-n", "pro", "-l", "app=mall-order", "-o", "name"]).lines().next().expect("a pod").to_owned();
    let mut follower = Command::new("kubectl");
    follower.env_clear().envs(environment(demo.home.path())).env("KUBECONFIG", demo.access("KUBECONFIG"));
    let mut follower = follower.args(["logs", "-n", "pro", "-f", "--tail=2", &pod]).stdout(Stdio::piped()).spawn().expect("kubectl");
    let lines = BufReader::new(follower.stdout.take().expect("stdout")).lines();
    // Two of the past and two that are written while we look.
    assert_eq!(lines.take(4).filter(Result::is_ok).count(), 4);
    follower.kill().expect("kubectl ends");
    follower.wait().expect("kubectl ends");
    let output = demo.kubectl(&["exec", "-n", "pro", &pod, "--", "sh", "-c", "hostname && false"]);
    assert_eq!(format!("pod/{}", String::from_utf8_lossy(&output.stdout).trim()), pod);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(demo.said(&["top", "nodes"]).contains("k8s-w-9"));
    assert_eq!(demo.said(&["auth", "can-i", "*", "*"]).trim(), "yes");
    assert!(demo.said(&["describe", "pod", "-n", "pro", "redis-0"]).contains("Controlled By:  StatefulSet/redis"));
}

fn kubectl_changes() {
    let demo = Demo::start(&[]);
    let file = demo.home.path().join("web.yaml");
    let write = |image: &str| {
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: dev}}\nspec:\n  replicas: 2\n  selector: {{matchLabels: {{app: web}}}}\n  \
             template:\n    metadata: {{labels: {{app: web}}}}\n    spec: {{containers: [{{name: web, image: \"{image}\"}}]}}\n"
        );
        std::fs::write(&file, text).expect("written");
    };
    let path = file.to_str().expect("utf-8");
    write("nginx:1");
    assert!(demo.said(&["apply", "--dry-run=server", "-f", path]).contains("created (server dry run)"));
    assert!(!demo.kubectl(&["get", "deploy", "-n", "dev", "web"]).status.success(), "a dry run stores nothing");
    assert!(demo.said(&["apply", "-f", path]).contains("created"));
    demo.said(&["rollout", "status", "-n", "dev", "deploy/web", "--timeout=60s"]);
    write("nginx:2");
    assert!(demo.said(&["apply", "-f", path]).contains("configured"));
    demo.said(&["rollout", "status", "-n", "dev", "deploy/web", "--timeout=90s"]);
    assert!(demo.said(&["get", "pods", "-n", "dev", "-l", "app=web", "-o", "jsonpath={.items[*].spec.containers[0].image}"]).contains("nginx:2"));
    demo.said(&["apply", "--server-side", "--force-conflicts", "-f", path]);
    demo.said(&["scale", "-n", "dev", "deploy/web", "--replicas=3"]);
    let three = || (demo.said(&["get", "deploy", "-n", "dev", "web", "-o", "jsonpath={.status.readyReplicas}"]) == "3").then_some(());
    eventually("three replicas", START, three);
    assert!(demo.said(&["cordon", "k8s-w-9"]).contains("cordoned"));
    assert!(demo.said(&["get", "node", "k8s-w-9"]).contains("SchedulingDisabled"));
    demo.said(&["delete", "-f", path]);
    eventually("no pods of it", START, || demo.said(&["get", "pods", "-n", "dev", "-l", "app=web", "-o", "name"]).is_empty().then_some(()));
}

/// Each with nothing but what `--print-access` said, as the READMEs of those tools say.
fn other_tools() {
    let demo = Demo::start(&[]);
    let text = |command: &mut Command| {
        let out = command.env("LC_ALL", "C").stdin(Stdio::null()).output().expect("it runs");
        assert!(out.status.success(), "{out:?}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let redis =
        |at: &str, words: &[&str]| text(Command::new("redis-cli").args(["-p", demo.port(at)]).args(words).env("REDISCLI_AUTH", demo.access("REDISCLI_AUTH")));
    assert_eq!(redis("REDIS_0", &["cluster", "nodes"]).lines().filter(|l| l.contains("connected")).count(), 6);
    let address = redis("SENTINEL_0", &["sentinel", "get-master-addr-by-name", "sessions"]);
    assert_eq!(address, "10.244.9.50\n6379\n");
    assert!(redis("SENTINEL_2", &["sentinel", "ckquorum", "sessions"]).starts_with("OK 3 usable Sentinels"));
    assert!(redis("SESSIONS_0", &["info", "replication"]).contains("role:master"));
    let status = text(
        Command::new("mariadb")
            .args(["--no-defaults", "-h127.0.0.1", "-P", demo.port("MYSQL_DB_2"), "-uroot", "-e", "show slave status\\G"])
            .env("MYSQL_PWD", demo.access("MYSQL_PWD")),
    );
    assert!(status.contains("Slave_IO_Running: Yes") && status.contains("Slave_SQL_Running: Yes"), "{status}");
    let ssh = text(Command::new("ssh").args(["-F", demo.access("SSH_CONFIG"), "-o", "BatchMode=yes", "kvm-2", "hostname; virsh list --name"]));
    assert!(ssh.starts_with("kvm-2\n") && ssh.contains("db-2"), "{ssh}");
    let user = format!("admin:{}", demo.access("RABBITMQ_PASSWORD"));
    let queues = text(Command::new("curl").args(["-sf", "-u", &user, &format!("{}/api/queues", demo.access("RABBITMQ_API_0"))]));
    assert!(queues.contains("mall.order.cancel"), "{queues}");
}

fn seeds() {
    let world = |seed: &str| {
        let demo = Demo::start(&["--seed", seed]);
        let uuids = demo.said(&["get", "nodes", "-o", "jsonpath={.items[*].status.nodeInfo.systemUUID}"]);
        let pods = demo.said(&["get", "pods", "-n", "pro", "-o", "name", "-l", "app!=order-timeout-close"]);
        let ids = demo.said(&["exec", "-n", "pro", "redis-0", "--", "redis-cli", "role"]);
        (uuids, pods, ids)
    };
    let (first, again, other) = (world("42"), world("42"), world("43"));
    assert_eq!(first, again);
    assert!(first.0 != other.0 && first.1 != other.1);
}

/// What the screen shows, once `test` holds.
#[track_caller]
fn on_screen(terminal: &Terminal, what: &str, test: impl Fn(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let text = terminal.text();
        if test(&text) {
            return text;
        }
        assert!(start.elapsed() < Duration::from_secs(90), "{what}; the screen:\n{text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn tour() {
    let home = tempfile::tempdir().expect("a folder");
    let mut start = command(home.path(), &["demo", "--speed", "8"]);
    start.env("TMPDIR", home.path());
    let mut terminal = Terminal::start(start, 160, 45);
    on_screen(&terminal, "the first hint and the cluster", |s| s.contains("1/6") && s.contains("Nodes 12") && s.contains("k8s-w-9"));
    terminal.resize(80, 24);
    on_screen(&terminal, "the hint on a small screen", |s| s.contains("1/6") && s.lines().count() <= 24);
    terminal.resize(160, 45);
    for n in 2..=6 {
        terminal.send("H");
        on_screen(&terminal, "the next hint", |s| s.contains(&format!("{n}/6")));
    }
    terminal.send("H");
    on_screen(&terminal, "the end of the tour", |s| !s.contains("6/6"));
    terminal.send(":scenario nonsense\r");
    on_screen(&terminal, "there is none of that name", |s| s.contains("there is no scenario"));
    terminal.send(":scenario replica-broken\r");
    on_screen(&terminal, "the broken replica", |s| s.contains("1062"));
    terminal.send(":scenario calm\r");
    on_screen(&terminal, "all is well again", |s| !s.contains("1062"));
    terminal.send("q");
    assert_eq!(terminal.end(), 0);
    assert_eq!(folders(home.path()), Vec::<String>::new());
}

fn folders(home: &Path) -> Vec<String> {
    let all = std::fs::read_dir(home).expect("the folder").map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned());
    all.filter(|name| name.starts_with("quarterdeck-")).collect()
}

fn leaves_nothing() {
    let mut demo = Demo::start(&[]);
    let left = folders(demo.home.path());
    assert_eq!(left.len(), 1);
    demo.child.kill().expect("killed");
    demo.child.wait().expect("ended");
    assert_eq!(folders(demo.home.path()), left, "nobody could clear up");
    let home = demo.home.path();
    assert!(ours(home, &["demo"]).output().expect("it runs").status.code().is_some());
    assert_eq!(folders(home), Vec::<String>::new());
}

fn big() {
    let demo = Demo::start(&["--nodes", "1000", "--pods", "5000"]);
    eventually("the whole of it in one picture", START, || {
        let status = demo.status();
        let cluster = &status["clusters"][0];
        ((cluster["nodes"].as_array()?.len(), cluster["pods"]["total"].as_u64()?) == (1000, 5000)).then_some(())
    });
}

/// Every entry of the picture as `floor name` with its codes.
fn entries(status: &Value) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    let mut add = |floor: &str, list: &Value| {
        for entry in list.as_array().into_iter().flatten() {
            let name = entry["name"].as_str().unwrap_or_default();
            let name = if floor == "pod" { format!("{}/{name}", entry["namespace"].as_str().unwrap_or_default()) } else { name.to_owned() };
            let mut codes = Vec::new();
            reasons(entry, &mut codes);
            all.push((format!("{floor} {name}"), codes));
        }
    };
    for (floor, list) in [("host", "hosts"), ("vm", "vms"), ("container", "containers"), ("cluster", "clusters"), ("middleware", "middleware")] {
        add(floor, &status[list]);
    }
    for cluster in status["clusters"].as_array().into_iter().flatten() {
        add("node", &cluster["nodes"]);
        add("pod", &cluster["pods"]["unhealthy"]);
        add("workload", &cluster["workloads"]);
    }
    all
}

/// The codes of an entry and, for a group, of its members.
fn reasons(entry: &Value, codes: &mut Vec<String>) {
    let list = entry["reasons"].as_array().into_iter().flatten();
    codes.extend(list.filter_map(|r| r["code"].as_str()).map(str::to_owned));
    for member in entry["members"].as_array().into_iter().flatten().chain(entry["edges"].as_array().into_iter().flatten()) {
        reasons(member, codes);
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => name.starts_with(start) && name.ends_with(end),
        None => pattern == name,
    }
}

/// What waits by the clock of whoever looks, which no `--speed` hastens.
const BY_THE_WALL: [&str; 2] = ["pod.not-ready", "pod.creating"];

/// A scenario at twentyfold speed: everything that it promises is there at last, and what it rules out is not.
fn quick(name: &str) {
    let scenario = Scenario::named(name).expect("it is read");
    let demo = Demo::start(&["--scenario", name, "--speed", "20"]);
    let start = Instant::now();
    loop {
        let seen = entries(&demo.status());
        let missing: Vec<_> =
            scenario.expects.iter().filter(|e| !BY_THE_WALL.contains(&e.code.as_str())).filter(|e| !found(&seen, &e.target, &e.code)).collect();
        for never in &scenario.nevers {
            assert!(!found(&seen, &never.target, &never.code), "{name}: {} has {}", never.target, never.code);
        }
        if missing.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{name}: {missing:?}; there is {seen:?}");
    }
}

fn found(entries: &[(String, Vec<String>)], target: &str, code: &str) -> bool {
    entries.iter().any(|(n, codes)| matches(target, n) && codes.iter().any(|c| c == code))
}

fn scenarios() {
    for name in Scenario::names() {
        let scenario = Scenario::named(name).expect("it is read");
        let mut ats: Vec<u64> = scenario.expects.iter().map(|e| e.at.0.as_secs()).collect();
        ats.push(ats.iter().max().copied().unwrap_or(900));
        ats.sort_unstable();
        ats.dedup();
        for at in ats {
            let demo = Demo::start(&["--scenario", name, "--ago", &at.to_string()]);
            let due: Vec<_> = scenario.expects.iter().filter(|e| e.at.0.as_secs() == at).collect();
            let mut seen = Vec::new();
            // What holds from a moment on may be seen a little later on a machine that is busy.
            for _ in 0..4 {
                seen = entries(&demo.status());
                if due.iter().all(|e| found(&seen, &e.target, &e.code)) {
                    break;
                }
            }
            for expect in &due {
                let near: Vec<_> = seen.iter().filter(|(n, codes)| matches(&expect.target, n) || !codes.is_empty()).collect();
                assert!(found(&seen, &expect.target, &expect.code), "{name} after {at} s: {} lacks {}; there is {near:?}", expect.target, expect.code);
            }
            for never in &scenario.nevers {
                assert!(!found(&seen, &never.target, &never.code), "{name} after {at} s: {} has {}", never.target, never.code);
            }
        }
    }
}
