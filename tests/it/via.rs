//! Members that only others can reach: inside a container on a host, inside the pods of a cluster.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::link::shell::quote;
use serde_json::{Value, json};

use crate::cockpit::configure_hosts;
use crate::components::{case, said};
use crate::kube::{Space, admin, beside_others};
use crate::rig::docker::{Docker, carried};
use crate::rig::sshd::Lab;
use crate::rig::terminal::{Terminal, binary, command, environment};
use crate::rig::{BUSY, eventually};

const SOON: Duration = Duration::from_secs(60);

pub fn tests() -> Vec<Trial> {
    vec![
        case("via: a Redis and its replica on the loopback of a container, over SSH", &["docker", "redis", "sshd", "netns"], inside_a_container),
        case("via: a container without a shell, by its own address", &["docker", "redis"], by_a_containers_address),
        case("via: the pods of a StatefulSet, also after one was made anew", &["kubernetes", "kubectl", "redis"], beside_others(pods)),
    ]
}

fn add(home: &Path, text: &str) {
    let file = home.join(".config/quarterdeck/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let before = fs::read_to_string(&file).unwrap_or_default();
    fs::write(file, format!("{before}\n{text}")).unwrap();
}

/// The one group, as `status` tells it.
fn told(home: &Path) -> Value {
    let out = Command::new(binary()).args(["status", "--json", "--timeout", "20"]).env_clear().envs(environment(home)).output().expect("it runs");
    let picture: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)));
    picture["middleware"][0].clone()
}

fn roles(group: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = group["members"].as_array().into_iter().flatten().map(|m| (text(&m["address"]), text(&m["role"]))).collect();
    all.sort();
    all
}

/// The group once it has two members and nothing is wrong.
#[track_caller]
fn well(home: &Path) -> Value {
    let start = std::time::Instant::now();
    loop {
        let group = told(home);
        if group["verdict"] == "ok" && roles(&group).len() == 2 {
            return group;
        }
        assert!(start.elapsed() < SOON * BUSY, "two members, and all well: {group:#}");
    }
}

/// Waits for a screen on which the group's row says so.
#[track_caller]
fn until(terminal: &Terminal, what: &str, test: impl Fn(&str) -> bool) {
    let start = std::time::Instant::now();
    while !test(&terminal.text()) {
        assert!(start.elapsed() < SOON * BUSY, "{what}: never; the screen:\n{}", terminal.text());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The cockpit with the replication of its one group in the place of the panes.
fn opened(home: &Path) -> Terminal {
    let terminal = Terminal::start(command(home, &[]), 160, 45);
    until(&terminal, "the group's row", |s| s.contains("2/2"));
    terminal.send("5\r\r");
    terminal
}

fn inside_a_container() {
    let docker = Docker::start();
    docker.redis_images();
    // Both listen on the container's loopback only: neither the host nor anybody else can dial them.
    let both = "redis-server --port 6379 --bind 127.0.0.1 --save '' --maxmemory 64mb --repl-diskless-sync-delay 0 & exec redis-server --port 6380 --bind 127.0.0.1 --save '' --maxmemory 64mb --repl-diskless-sync-delay 0 --replicaof 127.0.0.1 6379";
    docker.run(&format!("run -d --name cache --network none redis:shell sh -c {}", quote(both)));
    let lab = Lab::new();
    let host = lab.host("app-1").option(&format!("SetEnv DOCKER_HOST={} PATH=/usr/bin:/bin:/usr/sbin:/sbin", docker.shared_host())).start();
    let names = host.run(&format!("DOCKER_HOST={} /usr/bin/docker ps --format '{{{{.Names}}}}'", docker.shared_host()));
    assert!(names.contains("cache"), "the host's own docker: {names}");
    let home = tempfile::tempdir().unwrap();
    configure_hosts(home.path(), &lab, &[&host], &lab.known_hosts());
    add(home.path(), "[[middleware]]\nkind = \"redis\"\nname = \"mall\"\nvia = \"docker:app-1/cache\"\nevery = \"4s\"\n");
    // The replica is known by its master's word alone, and its address means something inside the container only.
    let group = well(home.path());
    assert_eq!(roles(&group), [("127.0.0.1:6380".to_owned(), "replica".to_owned()), ("cache:6379".to_owned(), "master".to_owned())], "{group:#}");

    let terminal = opened(home.path());
    until(&terminal, "both are followed", |s| s.contains("ok for") && s.contains("flowing") && s.contains("cache:6379"));
    docker.run("stop -t 0 cache");
    until(&terminal, "it says what is wrong", |s| s.contains("it is not running"));
    docker.run("start cache");
    until(&terminal, "it is dialled again by itself", |s| s.contains("ok for") && s.contains("flowing"));
}

fn by_a_containers_address() {
    let docker = Docker::start();
    docker.redis_images();
    let net = format!("qd-{}", std::process::id());
    docker.run(&format!("network create {net}"));
    docker.run(&format!("run -d --name plain --network {net} redis:bare /usr/bin/redis-server --port 6379 --save '' --maxmemory 64mb --repl-diskless-sync-delay 0 --protected-mode no"));
    let home = tempfile::tempdir().unwrap();
    add(
        home.path(),
        "[[host]]\nname = \"here\"\nlocal = true\n\n[[middleware]]\nkind = \"redis\"\nname = \"plain\"\nvia = \"docker:here/plain\"\nevery = \"1s\"\n\n\
         [[middleware]]\nkind = \"redis\"\nname = \"nowhere\"\nvia = \"docker:here/missing\"\nevery = \"1s\"\n",
    );
    let out = docker.status(home.path());
    let of = |name: &str| out["middleware"].as_array().unwrap().iter().find(|g| g["name"] == name).unwrap_or_else(|| panic!("{out:#}"));
    assert_eq!(roles(of("plain")), [("plain:6379".to_owned(), "master".to_owned())], "{out:#}");
    assert!(of("nowhere").to_string().contains("No such container: missing"), "{out:#}");
}

/// A Redis in a pod of any image: the server and its libraries are brought in.
fn feed(space: &Space, pod: &str, master: &str) {
    let dir = tempfile::tempdir().unwrap();
    carried(&dir.path().join("r"));
    fs::write(dir.path().join("r/master"), master).unwrap();
    let line = format!(
        "tar -C {} -cf - r | kubectl --kubeconfig {} -n {} exec -i {pod} -- tar -C / -xf - && kubectl --kubeconfig {1} -n {2} exec {pod} -- touch /r/go",
        dir.path().display(),
        admin().display(),
        space.name
    );
    eventually(&format!("{pod} takes its server"), Duration::from_secs(90), || {
        let out = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().expect("sh");
        out.status.success().then_some(())
    });
}

fn ip(space: &Space, pod: &str) -> String {
    eventually(&format!("{pod} is ready"), Duration::from_secs(90), || {
        let pod = space.try_send("GET", &space.path(&format!("pods/{pod}")), &Value::Null).ok()?;
        let ready = pod["status"]["conditions"].as_array()?.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
        ready.then(|| pod["status"]["podIP"].as_str().unwrap().to_owned())
    })
}

fn pods() {
    let space = Space::new("via");
    let script = "until [ -f /r/go ]; do sleep 0.1; done; m=$(cat /r/master); \
        exec /r/ld.so --library-path /r /r/redis-server --port 6379 --save '' --maxmemory 64mb --repl-diskless-sync-delay 0 --protected-mode no --replica-announce-ip $IP ${m:+--replicaof $m 6379}";
    space.send(
        "POST",
        &format!("/apis/apps/v1/namespaces/{}/statefulsets", space.name),
        &json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "redis"}, "spec": {
            "serviceName": "redis", "replicas": 2, "podManagementPolicy": "Parallel", "selector": {"matchLabels": {"app": "redis"}},
            "template": {"metadata": {"labels": {"app": "redis"}}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                "name": "redis", "image": "busybox:1.35", "imagePullPolicy": "Never", "command": ["sh", "-c", script],
                "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 1}}]}}}}),
    );
    feed(&space, "redis-0", "");
    let master = ip(&space, "redis-0");
    let home = tempfile::tempdir().unwrap();
    add(
        home.path(),
        &format!(
            "[[cluster]]\nname = \"main\"\nkubeconfig = \"{}\"\n\n[[middleware]]\nkind = \"redis\"\nname = \"cache\"\nvia = \"k8s:main/{}/statefulset/redis\"\nevery = \"1s\"\n",
            admin().display(),
            space.name
        ),
    );
    let group = told(home.path());
    assert_eq!(roles(&group), [(format!("{master}:6379"), "master".to_owned())], "ready pods only: {group:#}");
    assert!(group.to_string().contains("middleware.pods.unready"), "{group:#}");

    feed(&space, "redis-1", &master);
    let replica = ip(&space, "redis-1");
    let group = well(home.path());
    let mut expected = vec![(format!("{master}:6379"), "master".to_owned()), (format!("{replica}:6379"), "replica".to_owned())];
    expected.sort();
    assert_eq!(roles(&group), expected, "{group:#}");
    assert!(group.to_string().contains("redis-1"), "its pod's name stands there: {group:#}");
    said("kubernetes", "Redis in two pods, by port-forward");

    let terminal = opened(home.path());
    until(&terminal, "both are followed", |s| s.contains("ok for") && s.contains("flowing") && s.contains(&replica));
    space.send("DELETE", &space.path("pods/redis-1"), &json!({"gracePeriodSeconds": 0}));
    until(&terminal, "its pod is gone", |s| s.contains("its pod is gone") || s.contains("pods are ready"));
    feed(&space, "redis-1", &master);
    let moved = ip(&space, "redis-1");
    assert_ne!(moved, replica);
    until(&terminal, "the new pod is dialled", |s| s.contains(&format!("{moved}:6379")) && s.lines().any(|l| l.contains(&moved) && l.contains("flowing")));
}
