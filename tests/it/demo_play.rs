//! The demo is where people learn the playbooks: those that the product is named for run in it from start to end, and what they
//! changed is seen by real clients. The others show their plan.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::components::case;
use crate::rig::demo::Demo;
use crate::rig::eventually;

pub fn tests() -> Vec<Trial> {
    vec![
        case("demo: the playbook for RabbitMQ makes a vhost, once, and takes it back", &["curl"], rabbitmq),
        case("demo: the playbook for MySQL makes a replica follow, once", &["mariadb"], mysql),
        case("demo: the playbook for Kuboard brings its pods up, once", &["kubectl"], kuboard),
        case("demo: the playbook for IK brings the analyzer to every pod, once", &["curl", "kubectl"], ik),
        case("demo: other playbooks show their plan", &[], plans),
    ]
}

const LIMIT: Duration = Duration::from_secs(90);

fn text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// Runs it to its end; gives what it said.
#[track_caller]
fn play(demo: &Demo, name: &str, values: &Value, secrets: &[(&str, &str)]) -> String {
    let out = demo.ours(&["--write", "playbook", "run", name, "--yes", "-e", &values.to_string()], secrets);
    let said = text(&out);
    assert!(out.status.success(), "{said}");
    said
}

#[track_caller]
fn unchanged(said: &str) {
    let recap = said.rsplit_once("PLAY RECAP").expect("a recap").1;
    assert!(recap.contains("changed=0") && !recap.split("changed=").skip(1).any(|rest| !rest.starts_with('0')), "{said}");
}

fn status_of(demo: &Demo, path: &str) -> String {
    let user = format!("admin:{}", demo.access("RABBITMQ_PASSWORD"));
    let url = format!("{}/api/{path}", demo.access("RABBITMQ_API_1"));
    let out = Command::new("curl").args(["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "-u", &user, &url]).output().expect("curl");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn rabbitmq() {
    let demo = Demo::start(&[]);
    let values = json!({
        "way": "pod", "namespace": "pro", "pods": ["rabbitmq-0", "rabbitmq-1", "rabbitmq-2"],
        "admin_user": "admin", "vhost": "/mall", "user": "app", "tags": "",
    });
    let secrets = [("admin_password", demo.access("RABBITMQ_PASSWORD")), ("password", "of-the-application")];
    assert_eq!(status_of(&demo, "vhosts/%2Fmall"), "404");
    let said = play(&demo, "rabbitmq-vhost", &values, &secrets);
    assert!(!said.contains("of-the-application") && !said.contains(secrets[0].1), "no secret is told");
    assert_eq!((status_of(&demo, "vhosts/%2Fmall").as_str(), status_of(&demo, "permissions/%2Fmall/app").as_str()), ("200", "200"));
    unchanged(&play(&demo, "rabbitmq-vhost", &values, &secrets));
    let runs = text(&demo.ours(&["playbook", "runs"], &[]));
    // The oldest stands last.
    let first = runs.lines().filter_map(|l| l.split_whitespace().next().filter(|id| id.ends_with("rabbitmq-vhost"))).next_back().expect("a run").to_owned();
    let undone = demo.ours(&["--write", "playbook", "undo", &first, "--yes"], &secrets);
    assert!(undone.status.success(), "{}", text(&undone));
    assert_eq!((status_of(&demo, "vhosts/%2Fmall").as_str(), status_of(&demo, "users/app").as_str()), ("404", "404"));
}

fn mysql() {
    let demo = Demo::start(&[]);
    let values = json!({
        "servers": "db-2,db-3", "source_host": "db-2", "way": "host", "ports": {"db-2": 3307, "db-3": 3307},
        "source_address": "10.20.0.42", "canary": true,
    });
    let secrets = [("admin_password", demo.access("MYSQL_PWD")), ("repl_password", "of-the-replicas")];
    let tell = |server: &str, statement: &str| {
        let out = Command::new("mariadb")
            .args(["--no-defaults", "-h127.0.0.1", "-P", demo.port(server), "-uroot", "-N", "-e", statement])
            .env("MYSQL_PWD", demo.access("MYSQL_PWD"))
            .stdin(Stdio::null())
            .output()
            .expect("mariadb");
        if out.status.success() { Ok(String::from_utf8_lossy(&out.stdout).into_owned()) } else { Err(text(&out)) }
    };
    let ask = |server: &str, statement: &str| tell(server, statement).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ask("MYSQL_DB_3_3307", "show replica status"), "");
    let said = play(&demo, "mysql-replication", &values, &secrets);
    assert!(!said.contains("of-the-replicas"), "no secret is told");
    let state = ask("MYSQL_DB_3_3307", "show replica status\\G");
    assert!(state.contains("10.20.0.42\n") && state.matches("\nYes\n").count() >= 2, "{state}");
    ask("MYSQL_DB_2_3307", "create table mall.after (id int primary key); insert into mall.after values (7)");
    eventually("the row at the replica", LIMIT, || (tell("MYSQL_DB_3_3307", "select id from mall.after where id = 7").as_deref() == Ok("7\n")).then_some(()));
    unchanged(&play(
        &demo,
        "mysql-replication",
        &{
            let mut v = values.clone();
            v["canary"] = false.into();
            v
        },
        &secrets,
    ));
    // The new member is written down; then the pair is one picture.
    let config = std::fs::read_to_string(demo.access("QUARTERDECK_CONFIG")).expect("the configuration");
    let alone = r#"members = ["10.20.0.42:3307"]"#;
    assert!(config.contains(alone), "{config}");
    let file = demo.home.path().join("pair.toml");
    std::fs::write(&file, config.replace(alone, r#"members = ["10.20.0.42:3307", "10.20.0.43:3307"]"#)).expect("written");
    eventually("the pair on the picture", LIMIT, || {
        let status = demo.status_of(&file.to_string_lossy());
        let group = status["middleware"].as_array()?.iter().find(|m| m["name"] == "archive")?.clone();
        let role = |address: &str| group["members"].as_array()?.iter().find(|m| m["address"] == address)?["role"].as_str().map(str::to_owned);
        (role("10.20.0.42:3307")? == "source" && role("10.20.0.43:3307")? == "replica").then_some(())
    });
}

/// A stand-in in the shape of the maker's manifest, which no test may fetch: the parts that the playbook looks at.
const KUBOARD: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: kuboard}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kuboard-etcd, namespace: kuboard}
spec:
  selector: {matchLabels: {app: kuboard-etcd}}
  template:
    metadata: {labels: {app: kuboard-etcd}}
    spec:
      nodeSelector: {node-role.kubernetes.io/master: ""}
      tolerations: [{operator: Exists}]
      containers: [{name: etcd, image: "eipwork/etcd-host:3.4.16-2"}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kuboard-v3, namespace: kuboard}
spec:
  replicas: 1
  selector: {matchLabels: {app: kuboard-v3}}
  template:
    metadata: {labels: {app: kuboard-v3}}
    spec: {containers: [{name: kuboard, image: "eipwork/kuboard:v3", ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: kuboard-v3, namespace: kuboard}
spec:
  type: NodePort
  selector: {app: kuboard-v3}
  ports: [{name: web, port: 80, targetPort: 80, nodePort: 30080}]
"#;

fn kuboard() {
    let demo = Demo::start(&[]);
    let manifest = demo.home.path().join("kuboard-v3.yaml");
    std::fs::write(&manifest, KUBOARD).expect("written");
    let values = json!({"kuboard": "v3", "master": "k8s-m-1", "manifest": manifest});
    let said = play(&demo, "kuboard", &values, &[]);
    assert!(said.contains("http://10.20.0.21:30080/"), "{said}");
    let pods = demo.said(&["get", "pods", "-n", "kuboard", "--no-headers"]);
    let running = |name: &str| pods.lines().filter(|l| l.starts_with(name) && l.contains("Running")).count();
    assert_eq!((running("kuboard-v3-"), running("kuboard-etcd-")), (1, 3), "{pods}");
    unchanged(&play(&demo, "kuboard", &values, &[]));
}

fn ik() {
    let demo = Demo::start(&[]);
    let pods = ["elasticsearch-0", "elasticsearch-1", "elasticsearch-2"];
    let password = demo.access("ELASTICSEARCH_PASSWORD");
    let analyze = |at: usize| {
        let out = Command::new("curl")
            .args(["-s", "-m", "20", "-u", &format!("elastic:{password}"), "-H", "content-type: application/json"])
            .args(["-d", r#"{"analyzer":"ik_smart","text":"中华人民共和国国歌"}"#, &format!("{}/_analyze", demo.access(&format!("ELASTICSEARCH_{at}")))])
            .output()
            .expect("curl");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    assert!(analyze(0).contains("failed to find global analyzer [ik_smart]"));
    // What is installed inside of a running pod is gone with its container: the reason for all of this.
    let inside = demo.kubectl(&["exec", "-n", "pro", pods[0], "--", "elasticsearch-plugin", "install", "--batch", "analysis-ik"]);
    assert!(inside.status.success(), "{}", text(&inside));
    demo.said(&["delete", "pod", "-n", "pro", pods[0], "--wait=true"]);
    eventually("the pod is back without the plugin", LIMIT, || analyze(0).contains("failed to find global analyzer").then_some(()));
    eventually("the cluster is green again", LIMIT, || {
        let status = demo.status();
        let group = status["middleware"].as_array()?.iter().find(|m| m["name"] == "search")?.clone();
        (group["verdict"] == "ok").then_some(())
    });
    let values = json!({"namespace": "pro", "pods": pods, "plugin_sha256": "0".repeat(64), "es_user": "elastic"});
    let secrets = [("es_password", password)];
    play(&demo, "ik-analyzer-pods", &values, &secrets);
    for at in 0..3 {
        assert!(analyze(at).contains("国歌"), "{}", analyze(at));
    }
    demo.said(&["delete", "pod", "-n", "pro", pods[1], "--wait=true"]);
    eventually("a pod that is made anew has it too", LIMIT, || analyze(1).contains("国歌").then_some(()));
    unchanged(&play(&demo, "ik-analyzer-pods", &values, &secrets));
}

fn plans() {
    let demo = Demo::start(&[]);
    let plan = |name: &str, values: &Value, secrets: &[(&str, &str)]| {
        let out = demo.ours(&["playbook", "run", name, "--check", "-e", &values.to_string()], secrets);
        let said = text(&out);
        assert!(out.status.success() && said.contains("PLAN [") && said.contains("changed=0"), "{said}");
        said
    };
    let members: Vec<String> = (0..6).map(|n| format!("10.244.{}.10:6379", n + 4)).collect();
    let said = plan("redis-cluster", &json!({"first": "kvm-4", "members": members}), &[("redis_password", demo.access("REDISCLI_AUTH"))]);
    assert!(said.contains("Let the members meet"), "{said}");
    let manifest = demo.home.path().join("components.yaml");
    std::fs::write(&manifest, KUBOARD.replace("kuboard", "metrics")).expect("written");
    let said = plan("metrics-server", &json!({"master": "k8s-m-1", "metrics_manifest": manifest}), &[]);
    assert!(said.contains("to do"), "{said}");
}
