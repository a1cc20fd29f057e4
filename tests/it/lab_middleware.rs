//! The embedded cluster's Redis, RabbitMQ, Elasticsearch and Nacos: real clients, and the cockpit's picture of them.

use std::process::Command;
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use libtest_mimic::Trial;
use quarterdeck::lab::world::kube::Ail;
use serde_json::{Value, json};

use crate::components::case;
use crate::lab_ssh::{named, status};
use crate::rig::eventually;
use crate::rig::lab::LabRig;

pub fn tests() -> Vec<Trial> {
    vec![
        case("lab::redis::redis_cli_sees_the_cluster_and_a_failover", &["redis"], redis),
        case("lab::rabbitmq::a_vhost_is_made_and_used_by_lapin", &["curl"], rabbitmq),
        case("lab::elasticsearch::curl_finds_ik_once_it_is_installed", &["curl"], elasticsearch),
        case("lab::nacos::curl_logs_in_and_keeps_a_setting", &["curl"], nacos),
        case("lab::the_cockpit_sees_redis_and_elasticsearch_and_their_faults", &[], pictures),
    ]
}

fn redis_cli(lab: &LabRig, node: &str, words: &[&str]) -> String {
    let (_, port) = lab.access(node).split_once(':').expect("host:port");
    let out = Command::new("redis-cli").args(["-p", port]).args(words).env("REDISCLI_AUTH", lab.access("REDISCLI_AUTH")).output().expect("redis-cli");
    assert!(out.status.success(), "{words:?}: {out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Waits until the pod of a Redis node is not ready any more.
fn lose(lab: &LabRig, pod: &str) {
    lab.with(|w| w.kube.ail(&format!("pro/{pod}"), Some(Ail::NotReady { message: "no answer".into() })));
    eventually("the pod to fail", Duration::from_secs(60), || lab.with(|w| w.redis.node(pod).is_some_and(|n| !n.is_up)).then_some(()));
}

fn redis() {
    let lab = LabRig::start();
    assert_eq!(redis_cli(&lab, "REDIS_0", &["ping"]), "PONG\n");
    assert_eq!(redis_cli(&lab, "REDIS_0", &["cluster", "nodes"]).lines().count(), 6);
    assert!(redis_cli(&lab, "REDIS_0", &["info", "replication"]).contains("connected_slaves:1"));
    assert!(redis_cli(&lab, "REDIS_1", &["get", "foo"]).starts_with("MOVED 12182 "));
    assert_eq!(redis_cli(&lab, "REDIS_2", &["set", "foo", "二"]), "OK\n");
    assert_eq!(redis_cli(&lab, "REDIS_2", &["get", "foo"]), "\u{4e8c}\n");
    assert!(redis_cli(&lab, "REDIS_0", &["cluster", "shards"]).contains("replication-offset"));
    lose(&lab, "redis-0");
    eventually("its replica to take over", Duration::from_secs(60), || redis_cli(&lab, "REDIS_3", &["role"]).starts_with("master").then_some(()));
    assert!(redis_cli(&lab, "REDIS_1", &["cluster", "info"]).contains("cluster_state:ok"));
}

/// Status and body.
fn curl(login: (&str, &str), method: &str, url: &str, body: Option<&str>) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-s", "-m", "20", "-w", "\n%{http_code}", "-u", &format!("{}:{}", login.0, login.1), "-X", method, "-H", "content-type: application/json"]);
    if let Some(body) = body {
        command.args(["-d", body]);
    }
    let out = command.arg(url).output().expect("curl");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let (body, code) = text.rsplit_once('\n').unwrap_or(("", &text));
    (code.parse().unwrap_or(0), body.to_owned())
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn rabbitmq() {
    let lab = LabRig::start();
    let api = format!("{}/api", lab.access("RABBITMQ_API_0"));
    let admin = ("admin", lab.access("RABBITMQ_PASSWORD"));
    let (status, overview) = curl(admin, "GET", &format!("{api}/overview"), None);
    assert_eq!((status, &parsed(&overview)["rabbitmq_version"]), (200, &json!("3.10.8")));
    assert_eq!(curl(("admin", "wrong"), "GET", &format!("{api}/overview"), None).0, 401);
    assert_eq!(curl(admin, "PUT", &format!("{api}/vhosts/%2Fmall"), None).0, 201);
    assert_eq!(curl(admin, "PUT", &format!("{api}/users/app"), Some(r#"{"password":"geheim","tags":""}"#)).0, 201);
    let open = |vhost: &str, password: &str| {
        let uri = format!("amqp://app:{password}@{}/{}?connection_timeout=20000", lab.access("RABBITMQ_AMQP_0"), vhost.replace('/', "%2f"));
        crate::rig::block(async move { Connection::connect(&uri, ConnectionProperties::default()).await.map(drop).map_err(|e| e.to_string()) })
    };
    assert!(open("/mall", "geheim").expect_err("no permissions yet").contains("access to vhost '/mall' refused"));
    let all = r#"{"configure":".*","write":".*","read":".*"}"#;
    assert_eq!(curl(admin, "PUT", &format!("{api}/permissions/%2Fmall/app"), Some(all)).0, 201);
    assert!(open("mall", "geheim").expect_err("another vhost").contains("vhost mall not found"));
    assert!(open("/mall", "falsch").is_err());
    let uri = format!("amqp://app:geheim@{}/%2fmall", lab.access("RABBITMQ_AMQP_1"));
    crate::rig::block(async move {
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await.expect("a connection");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("canary".into(), exclusive, lapin::types::FieldTable::default()).await.expect("a queue");
        assert_eq!(queue.message_count(), 0);
        let confirm =
            channel.basic_publish("".into(), "canary".into(), BasicPublishOptions::default(), b"chirp", BasicProperties::default()).await.expect("publish");
        confirm.await.expect("confirmed");
        let got = channel.basic_get("canary".into(), BasicGetOptions { no_ack: true }).await.expect("get").expect("a message");
        assert_eq!(got.data, b"chirp");
        channel.queue_delete("canary".into(), QueueDeleteOptions::default()).await.expect("delete");
        connection.close(200, "done".into()).await.expect("close");
    });
    lab.with(|w| w.rabbit.nodes[2].disk_free_bytes = 1e6);
    eventually("the alarm", Duration::from_secs(30), || (curl(admin, "GET", &format!("{api}/health/checks/alarms"), None).0 == 503).then_some(()));
}

fn elasticsearch() {
    let lab = LabRig::start();
    let at = lab.access("ELASTICSEARCH_1").to_owned();
    let elastic = ("elastic", lab.access("ELASTICSEARCH_PASSWORD"));
    let (status, root) = curl(elastic, "GET", &at, None);
    assert_eq!((status, &parsed(&root)["version"]["number"]), (200, &json!("7.6.2")));
    assert_eq!(curl(("elastic", "x"), "GET", &at, None).0, 401);
    let question = r#"{"analyzer":"ik_max_word","text":"中华人民共和国国歌"}"#;
    assert_eq!(curl(elastic, "POST", &format!("{at}/_analyze"), Some(question)).0, 400);
    lab.with(|w| w.elastic.nodes.iter_mut().for_each(|n| n.plugins.push(("analysis-ik".into(), true))));
    let (status, tokens) = curl(elastic, "POST", &format!("{at}/_analyze"), Some(question));
    assert!(status == 200 && tokens.contains("国歌"), "{tokens}");
    let (_, plugins) = curl(elastic, "GET", &format!("{at}/_cat/plugins?h=name,component,version"), None);
    assert_eq!(plugins.lines().count(), 3, "{plugins}");
}

fn nacos() {
    let lab = LabRig::start();
    let at = lab.access("NACOS_0").to_owned();
    let post = |path: &str, form: &str| {
        let out = Command::new("curl").args(["-s", "-m", "20", "-d", form, &format!("{at}{path}")]).output().expect("curl");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let token = parsed(&post("/v1/auth/login", &format!("username=nacos&password={}", lab.access("NACOS_PASSWORD"))))["accessToken"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert!(post("/v1/auth/login", "username=nacos&password=x").contains("unknown user"));
    let get = |path: &str| curl(("", ""), "GET", &format!("{at}{path}accessToken={token}"), None);
    assert_eq!(parsed(&get("/v1/core/cluster/nodes?").1)["data"].as_array().map(Vec::len), Some(3));
    assert_eq!(post(&format!("/v1/cs/configs?accessToken={token}"), "dataId=a.yaml&group=G&content=x%3A%201"), "true");
    assert_eq!(get("/v1/cs/configs?dataId=a.yaml&group=G&").1, "x: 1");
    assert_eq!(curl(("", ""), "GET", &format!("{at}/v1/ns/catalog/services?pageNo=1&pageSize=9"), None).0, 403);
}

fn pictures() {
    let lab = LabRig::start();
    let all = status(&lab);
    for name in ["cache", "search"] {
        let group = named(&all["middleware"], name);
        assert_eq!(group["verdict"], "ok", "{group:#}");
        assert_eq!(group["members"].as_array().expect("members").len(), if name == "cache" { 6 } else { 3 }, "{group:#}");
    }
    lose(&lab, "redis-5");
    lab.with(|w| w.elastic.nodes[1].disk_used = 0.97);
    let all = status(&lab);
    for (name, sign) in [("cache", "10.244.9.10:6379"), ("search", "elasticsearch-1")] {
        let group = named(&all["middleware"], name);
        assert_ne!(group["verdict"], "ok", "{group:#}");
        assert!(group.to_string().contains(sign), "{group:#}");
    }
}
