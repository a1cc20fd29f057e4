//! The lab's servers against the real ones: one list of questions each, asked on both sides, and what may not differ compared:
//! statuses and words of errors, names of fields and columns, values that mean the same everywhere. What is known to differ stands
//! in the documentation of each server of the lab.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use libtest_mimic::Trial;
use quarterdeck::base::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::components::{case, said};
use crate::kube as cluster;
use crate::rig::lab::LabRig;
use crate::rig::{block, mysql, rabbitmq, redis, sshd};

pub fn tests() -> Vec<Trial> {
    vec![
        case("conformance: Redis and its sentinels", &["redis"], redis_answers),
        case("conformance: RabbitMQ's management API", &["rabbitmq", "curl"], rabbitmq_answers),
        case("conformance: MariaDB, errors and columns", &["mariadb"], mariadb_answers),
        case("conformance: MySQL 9, errors and columns", &["mysql9", "mariadb"], mysql9_answers),
        case("conformance: a Kubernetes API server", &["kubernetes"], cluster::beside_others(kubernetes_answers)),
        case("conformance: a shell behind sshd", &["sshd", "netns"], shell_answers),
    ]
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let out = command.env("LC_ALL", "C").stdin(Stdio::null()).output().expect("it runs");
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned())
}

/// Names of `name:value` lines.
fn names(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|l| l.split_once(':')).map(|(name, _)| name.to_owned()).filter(|n| !n.starts_with("slave0")).collect()
}

/// Every difference that was found, told together.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, lab: &T, real: &T) {
        if lab != real {
            self.0.push(format!("{what}: the lab says {lab:?}; the real one says {real:?}"));
        }
    }

    fn within(&mut self, what: &str, lab: &BTreeSet<String>, real: &BTreeSet<String>) {
        let own: Vec<_> = lab.difference(real).collect();
        if !own.is_empty() || lab.is_empty() {
            self.0.push(format!("{what}: only the lab says {own:?}, of {}; the real one says {real:?}", lab.len()));
        }
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

fn redis_answers() {
    let mut found = Found::default();
    let lab = LabRig::start();
    let ours = |at: &str, words: &[&str]| {
        let port = lab.access(at).rsplit_once(':').expect("host:port").1;
        run(Command::new("redis-cli").args(["-p", port]).args(words).env("REDISCLI_AUTH", lab.access("REDISCLI_AUTH"))).1.trim().to_owned()
    };
    let nodes = redis::cluster();
    let pair = redis::replicated(1);
    let sentinel = redis::Server::sentinel("127.0.0.1", &pair[0], 1);

    // Answers that are the same everywhere.
    for words in [
        &["PING"][..],
        &["ECHO", "x"],
        &["GET"],
        &["foo", "a", "b"],
        &["CLUSTER", "foo"],
        &["CLUSTER", "KEYSLOT", "{user}.a"],
        &["CONFIG", "GET", "cluster-enabled"],
        &["CONFIG", "GET", "appendonlyX"],
        &["AUTH", "default", "wrong"],
        &["HELLO", "9"],
    ] {
        found.same(&words.join(" "), &ours("REDIS_0", words), &nodes[0].cli(words));
    }
    for section in ["server", "clients", "memory", "persistence", "stats", "replication", "cluster"] {
        found.within(section, &names(&ours("REDIS_0", &["INFO", section])), &names(&nodes[0].cli(&["INFO", section])));
    }
    found.within("replica", &names(&ours("REDIS_3", &["INFO", "replication"])), &names(&pair[1].cli(&["INFO", "replication"])));
    // Only those messages are counted that were sent.
    let mut real = names(&nodes[0].cli(&["CLUSTER", "INFO"]));
    real.retain(|n| !n.starts_with("cluster_stats_messages_") || n.ends_with("messages_sent") || n.ends_with("messages_received"));
    found.same("CLUSTER INFO", &names(&ours("REDIS_0", &["CLUSTER", "INFO"])), &real);
    // Eight columns, then the slots; the flags are of the same words.
    let columns = |text: &str| text.lines().map(|l| l.split(' ').count().min(9)).collect::<BTreeSet<_>>();
    found.same("CLUSTER NODES", &columns(&ours("REDIS_0", &["CLUSTER", "NODES"])), &columns(&nodes[0].cli(&["CLUSTER", "NODES"])));
    let keys = |text: &str| {
        text.lines().map(str::trim).filter(|l| l.chars().all(|c| c.is_ascii_lowercase() || c == '-') && l.len() > 1).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let real = crate::rig::eventually("the replicas are known everywhere", std::time::Duration::from_secs(30), || {
        Some(keys(&nodes[0].cli(&["CLUSTER", "SHARDS"]))).filter(|k| k.contains("replica"))
    });
    found.within("shards", &keys(&ours("REDIS_0", &["CLUSTER", "SHARDS"])), &real);

    // Outside of a cluster.
    for words in [&["CLUSTER", "INFO"][..], &["CONFIG", "GET", "cluster-enabled"]] {
        found.same(&words.join(" "), &ours("SESSIONS_0", words), &pair[0].cli(words));
    }
    found.same("SET at a replica", &ours("SESSIONS_1", &["SET", "a", "b"]), &pair[1].cli(&["SET", "a", "b"]));

    // The sentinels: names of fields in their order, and errors.
    let fields = |text: &str| text.lines().step_by(2).map(str::to_owned).collect::<Vec<_>>();
    for (words, other) in [
        (&["SENTINEL", "MASTERS"][..], &["SENTINEL", "MASTERS"][..]),
        (&["SENTINEL", "MASTER", "sessions"], &["SENTINEL", "MASTER", "mymaster"]),
        (&["SENTINEL", "REPLICAS", "sessions"], &["SENTINEL", "REPLICAS", "mymaster"]),
    ] {
        let real =
            crate::rig::eventually("the replica is known", std::time::Duration::from_secs(30), || Some(sentinel.cli(other)).filter(|t| t.lines().count() > 20));
        found.same(&words.join(" "), &fields(&ours("SENTINEL_0", words)), &fields(&real));
    }
    for words in [&["SENTINEL", "MASTER", "nobody"][..], &["SENTINEL", "CKQUORUM", "nobody"], &["SENTINEL", "foo"], &["GET", "x"], &["CLUSTER", "INFO"]] {
        found.same(&format!("sentinel: {}", words.join(" ")), &ours("SENTINEL_0", words), &sentinel.cli(words));
    }
    found.within("sentinel", &names(&ours("SENTINEL_0", &["INFO", "sentinel"])), &names(&sentinel.cli(&["INFO", "sentinel"])));
    found.none();
}

/// The keys of an object, or of all objects of a list.
fn object_keys(text: &str) -> BTreeSet<String> {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    let all = value.as_array().cloned().unwrap_or_else(|| vec![value]);
    all.iter().filter_map(Value::as_object).flat_map(|o| o.keys().cloned()).collect()
}

fn rabbitmq_answers() {
    let mut found = Found::default();
    let lab = LabRig::start();
    let broker = rabbitmq::Broker::alone(None);
    broker.queue("conformance", "classic");
    let curl = |base: &str, login: &str, method: &str, path: &str, body: &str| {
        let mut command = Command::new("curl");
        command.args(["-s", "-m", "20", "-w", "\n%{http_code} %{content_type}", "-u", login, "-X", method, "-H", "content-type: application/json"]);
        if !body.is_empty() {
            command.args(["-d", body]);
        }
        let said = run(command.arg(format!("{base}/api/{path}"))).1;
        let (body, end) = said.rsplit_once('\n').unwrap_or(("", &said));
        let (status, kind) = end.split_once(' ').unwrap_or((end, ""));
        (status.to_owned(), kind.to_owned(), body.to_owned())
    };
    let admin = format!("admin:{}", lab.access("RABBITMQ_PASSWORD"));
    let lab_url = lab.access("RABBITMQ_API_0").to_owned();
    let all = r#"{"configure":".*","write":".*","read":".*"}"#;
    // In this order: each builds on what those before it made.
    for (method, path, body) in [
        ("GET", "whoami", ""),
        ("GET", "vhosts/%2Fconformance", ""),
        ("PUT", "vhosts/%2Fconformance", ""),
        ("PUT", "vhosts/%2Fconformance", ""),
        ("GET", "vhosts/%2Fconformance", ""),
        ("PUT", "users/conformance", r#"{"password":"of-the-test","tags":""}"#),
        ("PUT", "users/conformance", r#"{"password":"of-the-test","tags":""}"#),
        ("PUT", "users/conformance", "{"),
        ("PUT", "users/other", r#"{"password":"x"}"#),
        ("GET", "users/conformance", ""),
        ("GET", "users/nobody", ""),
        ("PUT", "permissions/%2Fconformance/conformance", all),
        ("GET", "permissions/%2Fconformance/conformance", ""),
        ("PUT", "permissions/nowhere/conformance", all),
        ("PUT", "permissions/%2Fconformance/nobody", all),
        ("PUT", "queues/%2Fconformance/q", r#"{"durable":true}"#),
        ("GET", "queues/%2Fconformance/nothing", ""),
        ("GET", "health/checks/alarms", ""),
        ("GET", "health/checks/local-alarms", ""),
        ("GET", "health/checks/virtual-hosts", ""),
        ("GET", "health/checks/port-listener/1", ""),
        ("GET", "health/checks/nothing", ""),
        ("GET", "nothing", ""),
        ("DELETE", "queues/%2Fconformance/nothing", ""),
        ("DELETE", "users/conformance", ""),
        ("DELETE", "users/conformance", ""),
        ("DELETE", "vhosts/%2Fconformance", ""),
        ("DELETE", "vhosts/%2Fconformance", ""),
    ] {
        let (ours, real) = (curl(&lab_url, &admin, method, path, body), curl(&broker.url(), "guest:guest", method, path, body));
        found.same(&format!("{method} {path}: {}, the real one: {}", ours.2, real.2), &ours.0, &real.0);
        if real.0.starts_with('2') && real.2.starts_with('{') && method == "GET" {
            found.within(&format!("{method} {path}"), &object_keys(&ours.2), &object_keys(&real.2));
        }
        if real.0.starts_with('4') && real.2.starts_with('{') {
            let error = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default()["error"].clone();
            found.same(&format!("{method} {path}: {} and {}", ours.2, real.2), &error(&ours.2), &error(&real.2));
        }
    }
    crate::rig::eventually("the broker has counted what it has", std::time::Duration::from_secs(60), || {
        let now = |path: &str| object_keys(&curl(&broker.url(), "guest:guest", "GET", path, "").2);
        (now("nodes").contains("mem_used") && now("vhosts").contains("messages")).then_some(())
    });
    for path in ["overview", "nodes", "vhosts", "users", "permissions"] {
        let (ours, real) = (curl(&lab_url, &admin, "GET", path, ""), curl(&broker.url(), "guest:guest", "GET", path, ""));
        found.within(path, &object_keys(&ours.2), &object_keys(&real.2));
    }
    for login in ["admin:wrong", "nobody:x"] {
        let (ours, real) = (curl(&lab_url, login, "GET", "overview", ""), curl(&broker.url(), login, "GET", "overview", ""));
        found.same(login, &(&ours.0, object_keys(&ours.2)), &(&real.0, object_keys(&real.2)));
    }
    found.none();
}

/// Statements and what must be the same: the number of the error, or the names of the columns.
const STATEMENTS: &[&str] = &[
    "select 1 as one, 'x' as word",
    "select nothing from nowhere.nothing",
    "selec 1",
    "use nowhere",
    "create database conf",
    "create database conf",
    "create table conf.t (id int primary key, name varchar(9))",
    "create table conf.t (id int primary key)",
    "insert into conf.t values (1, 'a')",
    "insert into conf.t values (1, 'b')",
    "insert into conf.t values (1)",
    "insert into conf.t (nothing) values (1)",
    "select name from conf.t where id = 1",
    "select nothing from conf.t",
    "select count(*) as n from conf.t",
    "drop table conf.nothing",
    "drop database nowhere",
    "create user 'conf'@'%' identified by 'Of-the-test-1'",
    "create user 'conf'@'%' identified by 'Of-the-test-1'",
    "drop user 'nobody'@'%'",
    "show databases like 'conf'",
    "show variables like 'server_id'",
    "show grants for 'nobody'@'%'",
    "drop user 'conf'@'%'",
    "drop database conf",
];

/// `ERROR 1064`, or the first line.
fn gist((code, out, err): &(Option<i32>, String, String)) -> String {
    match code {
        Some(0) => out.lines().next().unwrap_or_default().to_owned(),
        // The client may show the statement first.
        _ => err.lines().find(|l| l.starts_with("ERROR ")).unwrap_or(err).split_whitespace().take(2).collect::<Vec<_>>().join(" "),
    }
}

fn lab_sql<'a>(lab: &'a LabRig, server: &'a str) -> impl Fn(&str) -> (Option<i32>, String, String) + 'a {
    move |statement| {
        let port = lab.access(server).rsplit_once(':').expect("host:port").1;
        run(Command::new("mariadb").args(["--no-defaults", "-h127.0.0.1", "-P", port, "-uroot", "-e", statement]).env("MYSQL_PWD", lab.access("MYSQL_PWD")))
    }
}

fn mariadb_answers() {
    let mut found = Found::default();
    let lab = LabRig::start();
    let [source, replica, _] = mysql::maria_trio();
    let ours = lab_sql(&lab, "MYSQL_DB_1");
    let at = |server: &mysql::Server, statement: &str| {
        run(Command::new("mariadb").arg("--no-defaults").arg(format!("--socket={}", server.socket().display())).args(["-uroot", "-e", statement]))
    };
    // MySQL has another error for this: the database is what is missing, not the table.
    for statement in STATEMENTS.iter().copied().filter(|s| !s.contains("nowhere.nothing")) {
        let (lab, real) = (gist(&ours(statement)), gist(&at(&source, statement)));
        found.same(statement, &lab, &real);
    }
    // Of the older dialect every column that the lab shows by the older words has the older name.
    let columns = |text: &str| text.lines().next().unwrap_or_default().split('\t').map(str::to_owned).collect::<BTreeSet<_>>();
    let old = columns(&lab_sql(&lab, "MYSQL_DB_2")("show slave status").1);
    let real = columns(&at(&replica, "show slave status").1);
    for name in [
        "Slave_IO_Running",
        "Slave_SQL_Running",
        "Seconds_Behind_Master",
        "Master_Host",
        "Last_SQL_Errno",
        "Last_IO_Error",
        "Relay_Master_Log_File",
        "Exec_Master_Log_Pos",
    ] {
        found.same(name, &(old.contains(name), real.contains(name)), &(true, true));
    }
    let own: Vec<_> = columns(&ours("show master status").1).difference(&columns(&at(&source, "show master status").1)).cloned().collect();
    found.same("show master status", &own, &vec!["Executed_Gtid_Set".to_owned()]);
    found.same("a write at a replica", &gist(&lab_sql(&lab, "MYSQL_DB_2")("create database conf")), &"ERROR 1290".to_owned());
    found.none();
}

fn mysql9_answers() {
    let mut found = Found::default();
    let lab = LabRig::start();
    let (source, replica) = (mysql::Server::mysql9(91, &[]), mysql::Server::mysql9(92, &[]));
    mysql::follow_nine(&source, &replica);
    said("mysql9", &source.sql("select concat('MySQL ', version())"));
    let root = std::env::var("QUARTERDECK_TEST_MYSQL_ROOT").expect("the component says that it is there");
    let inside = |server: &mysql::Server| format!("/{}", server.socket().strip_prefix(&root).expect("under the root").display());
    let at = |server: &mysql::Server, statement: &str| {
        run(Command::new("chroot").args([root.as_str(), "/usr/bin/mysql", "--no-defaults", &format!("--socket={}", inside(server)), "-uroot", "-e", statement]))
    };
    let ours = lab_sql(&lab, "MYSQL_DB_1");
    for statement in STATEMENTS {
        found.same(statement, &gist(&ours(statement)), &gist(&at(&source, statement)));
    }
    let columns = |(_, out, _): (Option<i32>, String, String)| out.lines().next().unwrap_or_default().split('\t').map(str::to_owned).collect::<BTreeSet<_>>();
    let replica_sql = lab_sql(&lab, "MYSQL_DB_2");
    found.within("show replica status", &columns(replica_sql("show replica status")), &columns(at(&replica, "show replica status")));
    found.within("show binary log status", &columns(ours("show binary log status")), &columns(at(&source, "show binary log status")));
    found.within("show replicas", &columns(ours("show replicas")), &columns(at(&source, "show replicas")));
    for table in ["replication_connection_status", "replication_applier_status_by_worker", "replication_connection_configuration"] {
        let statement = format!("select * from performance_schema.{table}");
        found.within(table, &columns(replica_sql(&statement)), &columns(at(&replica, &statement)));
    }
    for table in ["information_schema.tables", "information_schema.schemata", "mysql.user"] {
        let statement = format!("select * from {table} limit 1");
        found.within(table, &columns(ours(&statement)), &columns(at(&source, &statement)));
    }
    found.none();
}

/// Status, kind of content, and what came.
fn api(file: &std::path::Path, method: &str, path: &str, accept: &str, kind: &str, body: &str) -> (u16, String, Vec<u8>) {
    let api = cluster::api(file, None);
    let request =
        Request::builder().method(method).uri(path).header("accept", accept).header("content-type", kind).body(Body::from(body.as_bytes().to_vec())).unwrap();
    block(async move {
        let client = api.connection(SystemClock::default().now()).await.expect("a connection").client.clone();
        let answer = client.send(request).await.expect("an answer");
        let (head, body) = answer.into_parts();
        let kind = head.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        (head.status.as_u16(), kind, body)
    })
}

fn kubernetes_answers() {
    let mut found = Found::default();
    let lab = LabRig::start();
    let ours = std::path::PathBuf::from(lab.access("KUBECONFIG"));
    let real = cluster::admin();
    let spaces = [cluster::Space::within(&ours, "conf"), cluster::Space::within(&real, "conf")];
    const JSON: &str = "application/json";
    const MERGE: &str = "application/merge-patch+json";
    const APPLY: &str = "application/apply-patch+yaml";
    let deployment = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":0,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"nginx:1"}]}}}}"#;
    let map = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"v"}}"#;
    // In this order: each builds on what those before it made. NS is the namespace of the test.
    for (method, path, accept, kind, body) in [
        ("GET", "/version", JSON, JSON, ""),
        ("GET", "/readyz", JSON, JSON, ""),
        ("GET", "/livez?verbose", JSON, JSON, ""),
        ("GET", "/api", JSON, JSON, ""),
        ("GET", "/apis", JSON, JSON, ""),
        ("GET", "/apis/apps/v1", JSON, JSON, ""),
        ("GET", "/api/v1/nodes?limit=1", JSON, JSON, ""),
        ("GET", "/api/v1/nothing", JSON, JSON, ""),
        ("GET", "/apis/nothing/v1/things", JSON, JSON, ""),
        ("GET", "/api/v1/namespaces/NS/pods", JSON, JSON, ""),
        ("GET", "/api/v1/namespaces/NS/pods", "application/vnd.kubernetes.protobuf", JSON, ""),
        ("GET", "/api/v1/namespaces/NS/pods", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", JSON, ""),
        ("GET", "/api/v1/namespaces/NS/pods/nobody", JSON, JSON, ""),
        ("GET", "/api/v1/namespaces/NS/pods/nobody/log", JSON, JSON, ""),
        ("GET", "/api/v1/namespaces/NS/pods?watch=1&resourceVersion=1&timeoutSeconds=1", JSON, JSON, ""),
        ("GET", "/api/v1/namespaces/NS/configmaps/a", JSON, JSON, ""),
        ("POST", "/api/v1/namespaces/NS/configmaps?dryRun=All", JSON, JSON, map),
        ("GET", "/api/v1/namespaces/NS/configmaps/a", JSON, JSON, ""),
        ("POST", "/api/v1/namespaces/NS/configmaps", JSON, JSON, map),
        ("POST", "/api/v1/namespaces/NS/configmaps", JSON, JSON, map),
        ("PATCH", "/api/v1/namespaces/NS/configmaps/a", JSON, MERGE, r#"{"data":{"k":"w"}}"#),
        ("PATCH", "/api/v1/namespaces/NS/configmaps/b", JSON, MERGE, r#"{"data":{"k":"w"}}"#),
        ("PATCH", "/api/v1/namespaces/NS/configmaps/a", JSON, "text/plain", "x"),
        (
            "PATCH",
            "/api/v1/namespaces/NS/configmaps/c?fieldManager=test",
            JSON,
            APPLY,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"k":"v"}}"#,
        ),
        (
            "PATCH",
            "/api/v1/namespaces/NS/configmaps/c?fieldManager=test&force=true",
            JSON,
            APPLY,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"k":"x"}}"#,
        ),
        (
            "PUT",
            "/api/v1/namespaces/NS/configmaps/a",
            JSON,
            JSON,
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"1"},"data":{"k":"z"}}"#,
        ),
        ("POST", "/apis/apps/v1/namespaces/NS/deployments", JSON, JSON, deployment),
        ("GET", "/apis/apps/v1/namespaces/NS/deployments/web/scale", JSON, JSON, ""),
        ("GET", "/apis/apps/v1/namespaces/NS/deployments", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", JSON, ""),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            JSON,
            JSON,
            r#"{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectAccessReview","spec":{"resourceAttributes":{"verb":"list","resource":"pods"}}}"#,
        ),
        ("DELETE", "/apis/apps/v1/namespaces/NS/deployments/web", JSON, JSON, ""),
        ("DELETE", "/api/v1/namespaces/NS/configmaps/a", JSON, JSON, ""),
        ("DELETE", "/api/v1/namespaces/NS/configmaps/a", JSON, JSON, ""),
    ] {
        let ask = |file: &std::path::Path, space: &cluster::Space| api(file, method, &path.replace("NS", &space.name), accept, kind, body);
        let (lab, true_) = (ask(&ours, &spaces[0]), ask(&real, &spaces[1]));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(600).collect::<String>();
        let both = || format!("{method} {path}: {} {} {}\nthe real one: {} {} {}", lab.0, lab.1, text(&lab.2), true_.0, true_.1, text(&true_.2));
        found.same(&both(), &lab.0, &true_.0);
        let plain = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_owned();
        found.same(&both(), &plain(&lab.1), &plain(&true_.1));
        if lab.1.contains("protobuf") {
            assert!(lab.2.starts_with(b"k8s\0") && true_.2.starts_with(b"k8s\0"), "{}", both());
            continue;
        }
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        let (a, b) = (read(&lab.2), read(&true_.2));
        for field in ["kind", "apiVersion", "reason", "code"] {
            found.same(&format!("{field}: {}", both()), &a[field], &b[field]);
        }
        let columns =
            |v: &Value| v["columnDefinitions"].as_array().into_iter().flatten().map(|c| c["name"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
        found.same(&format!("columns: {}", both()), &columns(&a), &columns(&b));
    }
    found.none();
}

/// Lines of shell whose answer is the same on every machine.
const LINES: &[&str] = &[
    "exit 7",
    "echo a; false || echo b && echo c; true && ! false && echo d",
    "X='1 2'; echo $X \"$X\" ${Y:-z} $(echo in; echo ner)",
    "printf '%s-%s\\n' a b c d",
    "echo x > /tmp/conf; echo y >> /tmp/conf; cat /tmp/conf | sort -r | head -n 1; rm /tmp/conf; [ -e /tmp/conf ] || echo gone",
    "(echo a; echo b) | grep -c .",
    "nosuch 2>/dev/null; echo $?",
    "cat /nowhere 2>/dev/null; echo $?",
    "for x in a 'b c' $(echo d); do echo \"<$x>\"; done | tail -n 2",
    "if false; then echo a; elif true; then echo b; else echo c; fi",
    "n=x; until [ $n = xxx ]; do n=x$n; done; echo $n; while false; do echo no; done",
    "printf 'one\\ntwo\\n' | wc -l | tr -d ' '",
    "printf 'b 2\\na 1\\n' | sort | cut -d ' ' -f 2 | head -n 1",
    "test 3 -gt 2 && test -d /etc && test ! -e /nowhere && echo yes",
    "echo err >&2; echo out",
    "timeout 5 sh -c 'echo in; exit 3'; echo $?",
    "command -v nosuch || echo none",
    "env A=b sh -c 'echo $A'",
    "printf abcdef | head -c 3",
];

fn shell_answers() {
    let mut found = Found::default();
    let lab = LabRig::start();
    let net = sshd::Lab::new();
    let host = net.host("conf").start();
    for line in LINES {
        let ours = run(Command::new("ssh").args(["-F", lab.access("SSH_CONFIG"), "-o", "BatchMode=yes", "kvm-1", line]));
        let real = run(Command::new("ssh")
            .args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i"])
            .arg(net.key())
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", net.known_hosts().display()))
            .args([&format!("root@{}", host.address()), *line]));
        found.same(line, &(ours.0, &ours.1), &(real.0, &real.1));
    }
    found.none();
}
