//! The actions against the real things: MariaDB, Redis, a web server, dockerd, Kubernetes. Each playbook runs twice: the second time
//! there is nothing to do.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use ring::digest::{SHA256, digest};

use crate::components::case;
use crate::kube::{Space, admin, beside_others};
use crate::playbook::Desk;
use crate::playbook_real;
use crate::rig::docker::Docker;
use crate::rig::eventually;
use crate::rig::{mysql, redis};

pub fn tests() -> Vec<Trial> {
    vec![
        case("playbook actions: sql on MariaDB", &["mariadb"], sql),
        case("playbook actions: redis, and waiting for its port", &["redis"], redis_commands),
        case("playbook actions: uri, a pinned download, and a bundle of it", &[], web),
        case("playbook actions: a command in a container", &["docker"], container),
        case("playbook actions: objects of a cluster, their rollout, a command in a pod", &["kubernetes"], beside_others(cluster)),
    ]
}

fn here(more: &str) -> Desk {
    Desk::of(&format!("[[host]]\nname = \"here\"\nlocal = true\n{more}"))
}

fn sql() {
    let server = mysql::Server::maria(1, &[]);
    let desk = here("");
    let login = format!("host: 127.0.0.1, port: {}, socket: {}, user: root", server.port, server.socket().display());
    let text = format!(
        "name: Sql\nowner: tests\nhosts: here\nvars: {{name: \"O'Hara; DROP TABLE x\"}}\ntasks:\n\
         \x20 - name: A table\n    sql: {{{login}, queries: [CREATE DATABASE shop, 'CREATE TABLE shop.t (n INT, s VARCHAR(40))']}}\n\
         \x20   check:\n      sql: {{{login}, query: SHOW DATABASES LIKE 'shop'}}\n      ok_when: result.rowcount == 1\n\
         \x20   verify:\n      sql: {{{login}, query: SELECT COUNT(*) AS n FROM shop.t}}\n\
         \x20   undo:\n      sql: {{{login}, query: DROP DATABASE shop}}\n\
         \x20 - name: A row\n    sql:\n      query: INSERT INTO shop.t VALUES (?, ?)\n      params: [7, \"{{{{ name }}}}\"]\n      port: {port}\n      socket: {socket}\n      user: root\n\
         \x20   check:\n      sql: {{{login}, query: SELECT n FROM shop.t}}\n      ok_when: result.rowcount == 1 and result.row.n == 7\n\
         \x20   verify:\n      sql: {{{login}, query: SELECT s FROM shop.t}}\n      ok_when: result.row.s == name\n\
         \x20   undo: {{none: it goes with its table}}\n",
        port = server.port,
        socket = server.socket().display(),
    );
    desk.write("sql.yaml", &text);
    let first = desk.run(&["--write", "playbook", "run", "sql.yaml", "--yes"]).expect(0);
    assert_eq!(first.count("here", "changed"), 2, "{}", first.out);
    assert_eq!(server.sql("SELECT n, s FROM shop.t"), "7\tO'Hara; DROP TABLE x");
    assert_eq!(desk.run(&["--write", "playbook", "run", "sql.yaml", "--yes"]).expect(0).count("here", "changed"), 0);
    let looking = text
        .replace("query: SHOW DATABASES LIKE 'shop'", "query: DROP DATABASE shop")
        .replace("DROP DATABASE shop}\n  - name: A row", "SELECT 1}\n  - name: A row");
    desk.write("looking.yaml", &looking);
    desk.run(&["playbook", "run", "looking.yaml", "--check"]);
    assert_eq!(server.sql("SELECT COUNT(*) FROM shop.t"), "1", "a look that would change something is refused");
    desk.run(&["--write", "playbook", "undo", &playbook_real::first(&desk), "--yes"]).expect(0);
    assert_eq!(server.sql("SHOW DATABASES LIKE 'shop'"), "");
}

fn redis_commands() {
    let host = redis::hosts(1).remove(0);
    let server = redis::Server::start(&host, redis::PASSWORD, &[]);
    let mut desk = here("");
    desk.set("QUARTERDECK_VAR_pw", redis::PASSWORD);
    let at = format!("host: {host}, port: {}, password: \"{{{{ pw }}}}\"", server.port);
    desk.write(
        "redis.yaml",
        &format!(
            "name: Redis\nowner: tests\nhosts: here\nvars_prompt:\n  - {{name: pw, prompt: Password, private: true}}\ntasks:\n\
             \x20 - name: It answers\n    wait_for: {{host: {host}, port: {}, timeout: 20s}}\n\
             \x20 - name: A key\n    redis: {{{at}, command: [SET, greeting, \"two words\"]}}\n\
             \x20   check:\n      redis: {{{at}, command: GET greeting}}\n      ok_when: result.value == 'two words'\n\
             \x20   verify:\n      redis: {{{at}, command: [STRLEN, greeting]}}\n      ok_when: result.value == 9\n\
             \x20   undo:\n      redis: {{{at}, command: DEL greeting}}\n\
             \x20 - name: Is it a master\n    redis: {{{at}, command: INFO replication}}\n    register: info\n    changed_when: false\n\
             \x20 - name: So it is\n    assert: {{that: info.fields.role == 'master'}}\n",
            server.port
        ),
    );
    assert_eq!(desk.run(&["--write", "playbook", "run", "redis.yaml", "--yes"]).expect(0).count("here", "changed"), 1);
    let again = desk.run(&["--write", "playbook", "run", "redis.yaml", "--yes"]).expect(0);
    assert_eq!((again.count("here", "ok"), again.count("here", "changed")), (4, 0), "{}", again.out);
    assert!(!desk.journal().contains(redis::PASSWORD));
}

struct Web(Child);

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn web() {
    let desk = here("");
    let root = desk.home.path().join("www");
    fs::create_dir_all(&root).expect("folder");
    fs::write(root.join("thing.json"), "{\"answer\": 42}\n").expect("file");
    let port = mysql::free_port();
    let web = Command::new("python3")
        .args(["-m", "http.server", &port.to_string(), "--bind", "127.0.0.1", "--directory"])
        .arg(&root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3");
    let web = Web(web);
    eventually("the web server", Duration::from_secs(30), || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    let sum: String = digest(&SHA256, b"{\"answer\": 42}\n").as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let dest = desk.home.path().join("got.json");
    let book = |sum: &str| {
        format!(
            "name: Web\nowner: tests\nhosts: here\ntasks:\n\
             \x20 - name: Ask\n    uri: http://127.0.0.1:{port}/thing.json\n    register: got\n    changed_when: false\n    when: source | default('online') == 'online'\n\
             \x20 - name: It says so\n    assert: {{that: got.json.answer == 42 and got.status == 200}}\n    when: source | default('online') == 'online'\n\
             \x20 - name: A file\n    copy: {{url: \"http://127.0.0.1:{port}/thing.json\", sha256: \"{sum}\", dest: {dest}}}\n\
             \x20   verify:\n      shell: grep -q 42 {dest}\n    undo:\n      shell: rm -f {dest}\n",
            dest = dest.display()
        )
    };
    desk.write("web.yaml", &book(&"0".repeat(64)));
    let wrong = desk.run(&["--write", "playbook", "run", "web.yaml", "--yes"]).expect(2);
    assert!(wrong.err.contains(&sum) && !dest.exists(), "what does not fit its sum is not used: {}", wrong.err);
    desk.write("web.yaml", &book(&sum));
    assert_eq!(desk.run(&["--write", "playbook", "run", "web.yaml", "--yes"]).expect(0).count("here", "changed"), 1);
    assert_eq!(desk.run(&["--write", "playbook", "run", "web.yaml", "--yes"]).expect(0).count("here", "changed"), 0);
    desk.run(&["playbook", "fetch", "web.yaml", "--output", "bundle"]).expect(0);
    drop(web);
    fs::remove_file(&dest).expect("rm");
    desk.run(&["--write", "playbook", "run", "web.yaml", "--yes", "-e", &format!("source={}/bundle", desk.home.path().display())]).expect(0);
    assert_eq!(fs::read_to_string(&dest).expect("file"), "{\"answer\": 42}\n", "from the bundle, without a network");
}

fn container() {
    let docker = Docker::start();
    docker.run("run -d --name app bb:1 sh -c 'while :; do sleep 1; done'");
    let mut desk = here("");
    desk.set("DOCKER_HOST", &docker.host());
    desk.set("PATH", &format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default()));
    desk.write(
        "box.yaml",
        "name: Box\nowner: tests\nhosts: here\ntasks:\n\
         \x20 - name: A file inside\n    environment: {WORD: \"it's\"}\n    container_exec: {container: app, cmd: 'cat >/made; echo \"$WORD\" >>/made', stdin: \"first\\n\"}\n\
         \x20   check:\n      container_exec: {container: app, cmd: test -e /made}\n\
         \x20   verify:\n      container_exec: {container: app, cmd: test -s /made}\n\
         \x20   undo:\n      container_exec: {container: app, cmd: 'true >/made'}\n",
    );
    assert_eq!(desk.run(&["--write", "playbook", "run", "box.yaml", "--yes"]).expect(0).count("here", "changed"), 1);
    assert_eq!(docker.run("exec app cat /made"), "first\nit's");
    assert_eq!(desk.run(&["--write", "playbook", "run", "box.yaml", "--yes"]).expect(0).count("here", "changed"), 0);
}

fn cluster() {
    let space = Space::new("playbook");
    let ns = &space.name;
    let desk = here(&format!("[[cluster]]\nname = \"lab\"\nkubeconfig = \"{}\"\n", admin().display()));
    let big: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    desk.write("big.txt", &big);
    let manifest = |word: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: words, namespace: {ns}}}\ndata: {{word: {word}}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app, namespace: {ns}}}\nspec:\n  replicas: 1\n  selector: {{matchLabels: {{app: app}}}}\n  template:\n\
             \x20   metadata: {{labels: {{app: app}}}}\n    spec:\n      terminationGracePeriodSeconds: 0\n      containers:\n\
             \x20     - {{name: app, image: \"busybox:1.35\", imagePullPolicy: Never, command: [sh, -c, sleep 1000]}}\n"
        )
    };
    desk.write("app.yaml", &manifest("one"));
    desk.write(
        "kube.yaml",
        &format!(
            "name: Kube\nowner: tests\nhosts: here\ntasks:\n\
             \x20 - name: The application\n    k8s_apply: {{src: app.yaml}}\n\
             \x20   verify:\n      k8s_wait: {{kind: Deployment, name: app, namespace: {ns}, for: rollout, timeout: 90s}}\n      timeout: 2m\n\
             \x20   undo:\n      k8s_delete: {{src: app.yaml}}\n\
             \x20 - name: A long text\n    kubectl_exec: {{namespace: {ns}, selector: app=app, cmd: 'cat >/tmp/big; echo done', stdin_file: big.txt}}\n\
             \x20   check:\n      kubectl_exec: {{namespace: {ns}, selector: app=app, cmd: 'test \"$(wc -l </tmp/big)\" = 20000'}}\n\
             \x20   verify:\n      kubectl_exec: {{namespace: {ns}, selector: app=app, cmd: 'test \"$(tail -n 1 /tmp/big)\" = \"line 19999\"'}}\n\
             \x20   undo: {{none: it goes with its pod}}\n\
             \x20 - name: What fails says so\n    kubectl_exec: {{namespace: {ns}, selector: app=app, cmd: 'echo oops >&2; exit 9'}}\n    register: nine\n    failed_when: false\n    changed_when: false\n\
             \x20 - name: Nine\n    assert: {{that: nine.rc == 9 and 'oops' in nine.stderr}}\n"
        ),
    );
    let first = desk.run(&["--write", "playbook", "run", "kube.yaml", "--yes"]).expect(0);
    assert_eq!(first.count("here", "changed"), 2, "{}", first.out);
    let second = desk.run(&["--write", "playbook", "run", "kube.yaml", "--yes"]).expect(0);
    assert_eq!((second.count("here", "ok"), second.count("here", "changed")), (4, 0), "{}", second.out);
    desk.write("app.yaml", &manifest("two"));
    let plan = desk.run(&["playbook", "run", "kube.yaml", "--check", "--diff"]).expect(0);
    assert!(plan.out.contains("word: one") && plan.out.contains("word: two"), "{}", plan.out);
    let live = space.send("GET", &space.path("configmaps/words"), &serde_json::Value::Null);
    assert_eq!(live["data"]["word"], "one", "a plan is a dry run");
    desk.write("app.yaml", &manifest("one"));
    desk.run(&["--write", "playbook", "undo", &playbook_real::first(&desk), "--yes"]).expect(0);
    assert!(space.try_send("GET", &space.path("configmaps/words"), &serde_json::Value::Null).is_err());
}
