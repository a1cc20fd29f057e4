//! The demo as a whole: the built binary serves its cluster, and real clients and another process of ours look at it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::lab::world::scenario::Scenario;
use serde_json::Value;

use crate::components::case;
use crate::kube;
use crate::rig::eventually;
use crate::rig::terminal::{binary, environment};

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
        case("demo: each scenario says what it promises and never what it rules out", &["scenarios"], scenarios),
    ]
}

const START: Duration = Duration::from_secs(60);

struct Demo {
    child: Child,
    home: tempfile::TempDir,
    access: BTreeMap<String, String>,
}

fn ours(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().envs(environment(home)).env("TMPDIR", home).args(args).current_dir(home).stdin(Stdio::null());
    command
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), args)
    }

    fn start_in(home: tempfile::TempDir, args: &[&str]) -> Self {
        let args: Vec<&str> = ["demo", "--print-access"].iter().chain(args).copied().collect();
        let mut child = ours(home.path(), &args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the demo starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut access = BTreeMap::new();
        while !access.contains_key("KUBECONFIG") {
            let line = lines.next().expect("it says how it is reached").expect("text");
            let (name, value) = line.split_once('=').expect("NAME='value'");
            access.insert(name.to_owned(), value.trim_matches('\'').to_owned());
        }
        Self { child, home, access }
    }

    fn kubectl(&self, args: &[&str]) -> Output {
        let mut command = Command::new("kubectl");
        command.env_clear().envs(environment(self.home.path())).env("KUBECONFIG", &self.access["KUBECONFIG"]).args(args).stdin(Stdio::null());
        command.output().expect("kubectl runs")
    }

    #[track_caller]
    fn said(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What another process says of it.
    fn status(&self) -> Value {
        let output =
            ours(self.home.path(), &["status", "--json", "--timeout", "30", "--config", &self.access["QUARTERDECK_CONFIG"]]).output().expect("status runs");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // As a person ends it, so that it can clear up; by force when it does not.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        for _ in 0..100 {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
}

fn pod_life() {
    let demo = Demo::start(&[]);
    let file = PathBuf::from(&demo.access["KUBECONFIG"]);
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
    follower.env_clear().envs(environment(demo.home.path())).env("KUBECONFIG", &demo.access["KUBECONFIG"]);
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
    let status = demo.status();
    let cluster = &status["clusters"][0];
    assert_eq!((cluster["nodes"].as_array().map(Vec::len), cluster["pods"]["total"].as_u64()), (Some(1000), Some(5000)));
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

/// Is this floor served by the lab of today? What a target needs is among the sources.
fn is_served(target: &str, status: &Value) -> bool {
    let (floor, name) = target.split_once(' ').expect("floor and name");
    let has = |kind: &str, name: &str| {
        status["sources"].as_array().is_some_and(|all| all.iter().any(|s| s.to_string().contains(kind) && (name == "*" || s["name"] == name)))
    };
    match floor {
        "host" | "vm" | "container" => has("host", "*") && status["hosts"].as_array().is_some_and(|h| !h.is_empty()),
        "middleware" => has("middleware", name),
        _ => true,
    }
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
            let found = |entries: &[(String, Vec<String>)], target: &str, code: &str| {
                entries.iter().any(|(n, codes)| matches(target, n) && codes.iter().any(|c| c == code))
            };
            let due: Vec<_> = scenario.expects.iter().filter(|e| e.at.0.as_secs() == at).collect();
            let (mut status, mut seen) = (Value::Null, Vec::new());
            // What holds from a moment on may be seen a little later on a machine that is busy.
            for _ in 0..4 {
                status = demo.status();
                seen = entries(&status);
                if due.iter().all(|e| !is_served(&e.target, &status) || found(&seen, &e.target, &e.code)) {
                    break;
                }
            }
            for expect in due.iter().filter(|e| is_served(&e.target, &status)) {
                let near: Vec<_> = seen.iter().filter(|(n, codes)| matches(&expect.target, n) || !codes.is_empty()).collect();
                assert!(found(&seen, &expect.target, &expect.code), "{name} after {at} s: {} lacks {}; there is {near:?}", expect.target, expect.code);
            }
            for never in &scenario.nevers {
                assert!(!found(&seen, &never.target, &never.code), "{name} after {at} s: {} has {}", never.target, never.code);
            }
        }
    }
}
