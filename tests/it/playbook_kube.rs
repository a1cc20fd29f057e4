//! Playbooks that apply a maker's manifest, on a real API server. The manifests are STAND-INS: the makers' are on their own servers
//! only, and so are their images. What is applied has their names and kinds, and an image that is here, or one that nobody can pull.

use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::components::case;
use crate::kube::{Space, admin, alone, beside_others};
use crate::playbook::Desk;
use crate::playbook_real::{MINUTES, first, here, newest, run};
use crate::rig::docker::Docker;
use crate::rig::sshd::sh;
use crate::rig::{eventually, mysql, redis};

pub fn tests() -> Vec<Trial> {
    const PARTS: &[&str] = &["kubernetes", "kubectl"];
    vec![
        case("playbook: kuboard on a real API server: an image that nobody can pull, one that answers, taken back", PARTS, beside_others(kuboard)),
        case("playbook: kuboard v2 on a real API server, twice, and taken back", PARTS, beside_others(second)),
        case(
            "playbook: kuboard v4 by compose with stand-ins of its image, on a real database, twice, and taken back",
            &["docker", "compose", "mariadb"],
            fourth,
        ),
        // What it serves is asked for whenever a namespace is deleted: by others as well.
        case("playbook: metrics-server on a real API server: an image that nobody can pull, figures of every node, taken back", PARTS, alone(metrics)),
    ]
}

fn desk() -> Desk {
    Desk::of(&format!("[[host]]\nname = \"here\"\nlocal = true\n[[cluster]]\nname = \"lab\"\nkubeconfig = \"{}\"\n", admin().display()))
}

/// What stands in for the maker's manifest: its names and kinds, another image.
fn console(image: &str, policy: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: kuboard}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: kuboard-v3, namespace: kuboard}}\nspec:\n  selector: {{matchLabels: {{k8s.kuboard.cn/name: kuboard-v3}}}}\n  template:\n\
         \x20   metadata: {{labels: {{k8s.kuboard.cn/name: kuboard-v3}}}}\n    spec:\n      hostNetwork: true\n      terminationGracePeriodSeconds: 0\n      tolerations: [{{operator: Exists}}]\n      containers:\n\
         \x20     - {{name: kuboard, image: \"{image}\", imagePullPolicy: {policy}, command: [sh, -c, 'mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 30080 -h /www']}}\n---\n\
         apiVersion: v1\nkind: Service\nmetadata: {{name: kuboard-v3, namespace: kuboard}}\nspec:\n  type: NodePort\n  selector: {{k8s.kuboard.cn/name: kuboard-v3}}\n\
         \x20 ports: [{{name: web, port: 30080, targetPort: 30080, nodePort: 30080}}]\n"
    )
}

fn kuboard() {
    let space = Space::new("kuboard");
    let there = || space.try_send("GET", "/api/v1/namespaces/kuboard", &serde_json::Value::Null).is_ok();
    let gone = || eventually("the namespace is gone", std::time::Duration::from_secs(90), || (!there()).then_some(()));
    assert!(!there(), "somebody else's Kuboard is in this cluster");
    let desk = desk();
    let written = desk.write("kuboard.yaml", &console("kuboard.invalid/kuboard:v3", "IfNotPresent"));
    let manifest = written.display().to_string();
    let _gone = Gone(written);
    let kubeconfig = format!("kubeconfig={}", admin().display());
    let (manifest, kubectl) = (format!("manifest={manifest}"), "{\"patience\": \"30s\"}");
    let words = ["kuboard", "-e", "kuboard=v3", "-e", "master=here", "-e", &kubeconfig, "-e", &manifest, "-e", kubectl];
    let refused = run(&desk, &words).expect(2);
    assert!(refused.err.contains("kuboard.invalid/kuboard:v3") && refused.err.contains("ImagePull"), "the kubelet's words:\n{}", refused.err);
    assert!(refused.err.contains("The nodes cannot pull the image"), "and what that means:\n{}", refused.err);
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    gone();
    // With an image that is there the rest of it runs.
    desk.write("kuboard.yaml", &console("busybox:1.35", "Never"));
    let ran = run(&desk, &words).expect(0);
    assert!(ran.out.contains("Open http://") && ran.out.contains("Kuboard123"), "{}", ran.out);
    let second: String = newest(&desk);
    let again = run(&desk, &words).expect(0);
    assert_eq!(again.count("here", "changed"), 0, "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &second, "--yes"]).expect(0);
    gone();
}

/// What stands in for the manifest of v2: its names and kinds in kube-system, another image.
fn console_of_v2() -> String {
    let labels = json!({"k8s.kuboard.cn/name": "kuboard"});
    let container = json!({
        "name": "kuboard", "image": "busybox:1.35", "imagePullPolicy": "Never",
        "command": ["sh", "-c", "mkdir -p /www; echo hello >/www/index.html; exec httpd -f -p 32567 -h /www"],
    });
    let pod = json!({
        "serviceAccountName": "kuboard-user", "hostNetwork": true, "terminationGracePeriodSeconds": 0, "tolerations": [{"operator": "Exists"}], "containers": [container],
    });
    let objects = [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "kuboard-user", "namespace": "kube-system"}}),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "kuboard-user"},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
               "subjects": [{"kind": "ServiceAccount", "name": "kuboard-user", "namespace": "kube-system"}]}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "kuboard", "namespace": "kube-system", "labels": labels},
               "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kuboard", "namespace": "kube-system"},
               "spec": {"type": "NodePort", "selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": 32567, "nodePort": 32567}]}}),
    ];
    manifest(&objects)
}

fn manifest(objects: &[Value]) -> String {
    objects.iter().map(|o| format!("---\n{o}\n")).collect()
}

fn second() {
    let there = |paths: &[&str]| paths.iter().filter(|path| get(path).is_some()).count();
    let objects = [
        "/apis/apps/v1/namespaces/kube-system/deployments/kuboard",
        "/api/v1/namespaces/kube-system/services/kuboard",
        "/api/v1/namespaces/kube-system/serviceaccounts/kuboard-user",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kuboard-user",
    ];
    assert_eq!(there(&objects), 0, "somebody else's Kuboard is in this cluster");
    let desk = desk();
    let file = format!("manifest={}", desk.write("kuboard.yaml", &console_of_v2()).display());
    let kubeconfig = format!("kubeconfig={}", admin().display());
    let words = ["kuboard", "-e", "kuboard=v2", "-e", "master=here", "-e", &kubeconfig, "-e", &file];
    // Its objects are in a namespace that stays.
    let _gone = Gone(desk.write("kuboard.yaml", &console_of_v2()));
    let ran = run(&desk, &words).expect(0);
    assert!(ran.out.contains(":32567/") && ran.out.contains("get sa kuboard-user"), "its address, and the token of a server before 1.24:\n{}", ran.out);
    assert_eq!(there(&objects), 4);
    let again = run(&desk, &words).expect(0);
    assert_eq!(again.count("here", "changed"), 0, "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    eventually("all of it is gone", Duration::from_secs(60), || (there(&objects) == 0).then_some(()));
}

/// Deletes what is in a manifest when the test is over, whatever failed in it.
struct Gone(std::path::PathBuf);

impl Drop for Gone {
    fn drop(&mut self) {
        let words = ["delete", "--ignore-not-found", "--wait=false", "-f"];
        let _ = Command::new("kubectl").arg("--kubeconfig").arg(admin()).args(words).arg(&self.0).output();
    }
}

fn get(path: &str) -> Option<Value> {
    let out = Command::new("kubectl").args(["--kubeconfig", &admin().display().to_string(), "get", "--raw", path]).output().expect("kubectl");
    out.status.success().then(|| serde_json::from_slice(&out.stdout).expect("JSON"))
}

/// The interface that a metrics-server serves, for every node of the cluster.
const FIGURES: &str = r#"
import http.server, json, os, ssl
nodes = os.environ["NODES"].split()
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kinds = [{"name": "nodes", "singularName": "", "namespaced": False, "kind": "NodeMetrics", "verbs": ["get", "list"]}]
        figures = [{"metadata": {"name": n}, "timestamp": "2030-01-01T00:00:00Z", "window": "30s", "usage": {"cpu": "250m", "memory": "512Mi"}} for n in nodes]
        path = self.path.split("?")[0].rstrip("/")
        if path.endswith("/nodes"): body = {"kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": figures}
        else: body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "metrics.k8s.io/v1beta1", "resources": kinds}
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
server = http.server.ThreadingHTTPServer(("", 14443), Answers)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tmp/pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// What stands in for the maker's manifest: its names and kinds. The service is the node's own address, since this cluster forwards none.
fn metrics_server(image: &str, policy: &str, pem: &str) -> String {
    let nodes = get("/api/v1/nodes").expect("nodes");
    let nodes: Vec<&Value> = nodes["items"].as_array().expect("a list").iter().collect();
    let names: Vec<&str> = nodes.iter().filter_map(|n| n["metadata"]["name"].as_str()).collect();
    let addresses = nodes[0]["status"]["addresses"].as_array().expect("addresses");
    let address = addresses.iter().find(|a| a["type"] == "InternalIP").expect("its address")["address"].clone();
    let labels = json!({"k8s-app": "metrics-server"});
    let lent = ["usr", "lib", "lib64"];
    let container = json!({
        "name": "metrics-server", "image": image, "imagePullPolicy": policy, "command": ["sh", "-c", "printf '%s' \"$PEM\" >/tmp/pem; exec /usr/bin/python3 -c \"$FIGURES\""],
        "args": ["metrics-server"], "env": [{"name": "PEM", "value": pem}, {"name": "FIGURES", "value": FIGURES}, {"name": "NODES", "value": names.join(" ")}],
        "readinessProbe": {"tcpSocket": {"port": 14443}, "periodSeconds": 1},
        "volumeMounts": lent.map(|f| json!({"name": f, "mountPath": format!("/{f}"), "readOnly": true})),
    });
    let pod = json!({
        "nodeName": names[0], "hostNetwork": true, "terminationGracePeriodSeconds": 0, "tolerations": [{"operator": "Exists"}], "containers": [container],
        "volumes": lent.map(|f| json!({"name": f, "hostPath": {"path": format!("/{f}")}})),
    });
    manifest(&[
        // One at a time: both would want the node's port.
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "metrics-server", "namespace": "kube-system", "labels": labels},
               "spec": {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "metrics-server", "namespace": "kube-system"},
               "spec": {"type": "ExternalName", "externalName": address, "ports": [{"name": "https", "port": 14443}]}}),
        json!({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1beta1.metrics.k8s.io"},
               "spec": {"service": {"name": "metrics-server", "namespace": "kube-system", "port": 14443}, "group": "metrics.k8s.io", "version": "v1beta1",
                        "insecureSkipTLSVerify": true, "groupPriorityMinimum": 100, "versionPriority": 100}}),
    ])
}

/// Takes out what a failed test would leave: a dead APIService keeps namespaces from being deleted.
struct Cleared;

impl Drop for Cleared {
    fn drop(&mut self) {
        let config = admin().display().to_string();
        let _ = Command::new("kubectl").args(["--kubeconfig", &config, "delete", "apiservice", "v1beta1.metrics.k8s.io", "--ignore-not-found"]).output();
        let what = ["deployment/metrics-server", "service/metrics-server"];
        let _ = Command::new("kubectl").args(["--kubeconfig", &config, "-n", "kube-system", "delete", "--ignore-not-found"]).args(what).output();
    }
}

fn metrics() {
    let objects = [
        "/apis/apps/v1/namespaces/kube-system/deployments/metrics-server",
        "/api/v1/namespaces/kube-system/services/metrics-server",
        "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io",
    ];
    let there = || objects.iter().filter(|path| get(path).is_some()).count();
    assert_eq!(there(), 0, "somebody else's metrics-server is in this cluster");
    let _cleared = Cleared;
    let desk = desk();
    let made = desk.home.path().display().to_string();
    sh(&format!(
        "cd {made} && openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out crt -days 2 -subj /CN=metrics-server 2>/dev/null && cat key crt >pem"
    ));
    let pem = std::fs::read_to_string(desk.home.path().join("pem")).expect("a certificate");
    let file =
        format!("metrics_manifest={}", desk.write("components.yaml", &metrics_server("metrics.invalid/metrics-server:v0.5", "IfNotPresent", &pem)).display());
    let kubeconfig = format!("kubeconfig={}", admin().display());
    let words = |patience| ["metrics-server", "-e", "master=here", "-e", &*kubeconfig, "-e", &*file, "-e", "metrics_tls=insecure", "-e", patience];
    let refused = run(&desk, &words("{\"patience\": \"15s\"}")).expect(2);
    assert!(refused.err.contains("metrics.invalid/metrics-server:v0.5") && refused.err.contains("ImagePull"), "the kubelet's words:\n{}", refused.err);
    assert!(refused.err.contains("The nodes cannot pull the image"), "and what that means:\n{}", refused.err);
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    eventually("all of it is gone", Duration::from_secs(60), || (there() == 0).then_some(()));
    desk.write("components.yaml", &metrics_server("busybox:1.35", "Never", &pem));
    let words = words("{\"patience\": \"2m\"}");
    let ran = run(&desk, &words).expect(0);
    assert!(ran.out.contains("250m") && ran.out.contains("512Mi"), "figures:\n{}", ran.out);
    let second = newest(&desk);
    let again = run(&desk, &words).expect(0);
    assert_eq!(again.count("here", "changed"), 0, "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &second, "--yes"]).expect(0);
    eventually("all of it is gone", Duration::from_secs(60), || (there() == 0).then_some(()));
}

/// A compose file as the maker's is: Kuboard and the database that it keeps its data in. `image` stands in for Kuboard's; what it
/// does is to log in to the database with what it was given, and to answer only then.
fn compose(home: &std::path::Path, image: &str, port: u16, url: &str) -> String {
    let lent = "/usr:/usr:ro, /lib:/lib:ro, /lib64:/lib64:ro";
    let home = home.display();
    let template = mysql::template().join("data");
    format!(
        "services:\n  db:\n    image: bb:1\n    command: [sh, /lab/db.sh]\n    environment: {{DB_PASSWORD: \"${{DB_PASSWORD}}\"}}\n\
         \x20   volumes: [{lent}, \"{home}:/lab:ro\", \"{}:/template:ro\", \"data:/var/lib/mysql\"]\n\
         \x20 kuboard:\n    image: {image}\n    command: [sh, /lab/kuboard.sh]\n    ports: [\"127.0.0.1:{port}:80\"]\n    volumes: [{lent}, \"{home}:/lab:ro\"]\n\
         \x20   environment: {{DB_URL: \"{url}\", DB_DRIVER: \"${{DB_DRIVER}}\", DB_USERNAME: \"${{DB_USERNAME}}\", DB_PASSWORD: \"${{DB_PASSWORD}}\"}}\n\
         volumes: {{data: {{}}}}\n",
        template.display()
    )
}

/// What the entry point of an image of MariaDB does: the data folder, and the account at the first start.
const DATABASE: &str = r#"PATH=/usr/sbin:/usr/bin:/bin
echo root:x:0:0::/:/bin/sh >/etc/passwd; mkdir -p /run/mysqld /tmp /var/lib/mysql
[ -e /var/lib/mysql/mysql ] || cp -r /template/. /var/lib/mysql
printf "CREATE DATABASE IF NOT EXISTS kuboard;\nCREATE USER IF NOT EXISTS kuboard@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON kuboard.* TO kuboard@'%%';\n" "$DB_PASSWORD" >/tmp/first.sql
exec mariadbd --no-defaults --user=root --datadir=/var/lib/mysql --socket=/run/mysqld/mysqld.sock --innodb-log-file-size=8M --innodb-buffer-pool-size=16M --skip-name-resolve --init-file=/tmp/first.sql
"#;
const CONSOLE: &str = r#"PATH=/usr/bin:/bin
database=${DB_URL#jdbc:mariadb://}; host=${database%%:*}
until mariadb --no-defaults -h "$host" -u "$DB_USERNAME" -p"$DB_PASSWORD" kuboard -e 'CREATE TABLE IF NOT EXISTS seen (at DATETIME)'; do sleep 0.5; done
mkdir -p /www; echo login >/www/login; exec busybox httpd -f -p 80 -h /www
"#;

fn fourth() {
    let docker = Docker::start();
    let mut desk = here();
    desk.set("DOCKER_HOST", &docker.host());
    desk.set("PATH", &format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default()));
    desk.set("QUARTERDECK_VAR_db_password", "s3cret-$HOME#1-long");
    let home = desk.home.path().to_owned();
    desk.write("db.sh", DATABASE);
    desk.write("kuboard.sh", CONSOLE);
    let port = redis::free_port("127.0.0.1");
    let file = |image: &str, url: &str| desk.write("v4.yaml", &compose(&home, image, port, url)).display().to_string();
    let manifest = format!("manifest={}", file("bb:1", "jdbc:mariadb://localhost:3306/kuboard"));
    let folder = home.join("kuboard");
    let more = json!({"folder": folder, "http_port": port, "login_tries": 5}).to_string();
    let words = ["kuboard", "-e", "kuboard=v4", "-e", "master=here", "-e", &manifest, "-e", &more];
    let state = || {
        let left = |what: &str| docker.run(what);
        let files = std::fs::read_dir(&folder)
            .map(|d| d.filter_map(|e| Some(e.ok()?.file_name().into_string().unwrap_or_default())).collect::<Vec<_>>())
            .unwrap_or_default();
        (left("ps -aq"), left("network ls --format '{{.Name}}'"), files)
    };
    let before = state();

    let refused = run(&desk, &words).expect(2);
    assert!(refused.err.contains("inside Kuboard's container is the container itself"), "{}", refused.err);
    assert_eq!(state(), before, "nothing was begun");

    // Somebody else has the port.
    file("bb:1", "jdbc:mariadb://db:3306/kuboard");
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port");
    let refused = run(&desk, &words).expect(2);
    assert!(refused.err.contains(&format!("Something listens on port {port} of this host already")), "{}", refused.err);
    drop(taken);
    assert_eq!(state(), before, "nothing was begun");

    // An image that nobody can pull, said in the engine's words, and taken back.
    file("127.0.0.1:1/kuboard/kuboard:v4", "jdbc:mariadb://db:3306/kuboard");
    let refused = run(&desk, &words).expect(2);
    assert!(refused.err.contains("127.0.0.1:1") && refused.err.contains("This host cannot pull one of the images"), "{}", refused.err);
    let told = desk.run(&["--write", "playbook", "undo", &newest(&desk), "--yes"]).expect(0);
    assert_eq!(state(), before, "taken back:\n{}", told.out);

    file("bb:1", "jdbc:mariadb://db:3306/kuboard");
    let ran = run(&desk, &words);
    assert_eq!(ran.code, 0, "{}\n{}\n{}", ran.err, docker.run("logs kuboard_db_1 2>&1 | tail -n 20"), docker.run("logs kuboard_kuboard_1 2>&1 | tail -n 20"));
    let begun = newest(&desk);
    assert!(ran.out.contains("change it at") && !ran.out.contains("s3cret-") && !desk.journal().contains("s3cret-"), "{}", ran.out);
    assert_eq!(sh(&format!("curl -s http://127.0.0.1:{port}/login")).trim(), "login");
    // It came by the service's name and the password of the file, quoted as it is.
    let asked = docker.run("exec kuboard_db_1 mariadb --no-defaults -uroot -N -B -e 'SHOW TABLES IN kuboard'");
    assert_eq!(asked.trim(), "seen");
    let again = run(&desk, &words).expect(0);
    assert_eq!(again.count("here", "changed"), 0, "{}", again.out);

    // One of the two has gone: it is not taken for done.
    docker.run("stop -t 1 kuboard_db_1");
    eventually("the database is down", MINUTES, || (!docker.run("ps -q -f name=kuboard_db_1").contains(|c: char| c.is_alphanumeric())).then_some(()));
    assert_eq!(run(&desk, &words).expect(0).count("here", "changed"), 1);
    desk.run(&["--write", "playbook", "undo", &begun, "--yes"]).expect(0);
    assert_eq!(state(), before, "taken back; the volume with its data stays");
    assert!(docker.run("volume ls -q").contains("kuboard_data"));
}
