//! Carried playbooks and actions on real servers: each twice, the second time without a change, then taken back and compared.

use std::fs;

use libtest_mimic::Trial;

use crate::components::{case, said};
use crate::kube::{Space, admin, beside_others};
use crate::playbook::Desk;
use crate::rig::docker::Docker;
use crate::rig::redis;
use crate::rig::sshd::{Host, Lab, sh};
use crate::rig::{eventually, rabbitmq};

pub fn tests() -> Vec<Trial> {
    vec![
        case("playbook: redis-cluster on six servers, twice, and taken back", &["redis"], redis_cluster),
        case("playbook: node-prepare on two hosts, twice, and taken back", &["sshd", "netns"], node_prepare),
        case("playbook: rabbitmq-vhost on a broker in a container", &["docker", "rabbitmq", "curl"], broker_in_container),
        case("playbook: rabbitmq-vhost on a broker in a pod, twice, and taken back", &["kubernetes", "kubectl", "rabbitmq"], beside_others(broker_in_pod)),
        case("playbook actions: service and package of a host", &["sshd", "netns", "redis"], service_and_package),
        case("playbook actions: amqp on a broker, and what it says when it is refused", &["rabbitmq"], amqp),
    ]
}

pub fn here() -> Desk {
    Desk::of("[[host]]\nname = \"here\"\nlocal = true\n")
}

/// The oldest run of a desk.
pub fn first(desk: &Desk) -> String {
    desk.runs().pop().expect("a run")
}

pub fn newest(desk: &Desk) -> String {
    desk.runs().swap_remove(0)
}

pub fn run<'a>(desk: &Desk, words: &[&'a str]) -> crate::playbook::Ran {
    let words: Vec<&'a str> = ["--write", "playbook", "run"].into_iter().chain(words.iter().copied()).chain(["--yes"]).collect();
    desk.run(&words)
}

fn redis_cluster() {
    let hosts = redis::hosts(6);
    let nodes: Vec<redis::Server> = hosts
        .iter()
        .map(|host| redis::Server::start(host, redis::PASSWORD, &["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-announce-ip", host]))
        .collect();
    let mut desk = here();
    desk.set("QUARTERDECK_VAR_redis_password", redis::PASSWORD);
    let members: Vec<String> = nodes.iter().map(redis::Server::address).collect();
    let words = ["redis-cluster".to_owned(), "-e".to_owned(), "first=here".to_owned(), "-e".to_owned(), format!("members={}", members.join(","))];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // What each knows of the others, without the name that a reset gives it anew.
    let state = |node: &redis::Server| {
        let info = node.cli(&["CLUSTER", "INFO"]);
        let wanted = ["cluster_state", "cluster_slots_assigned", "cluster_known_nodes"];
        let lines: Vec<&str> = info.lines().map(str::trim).filter(|l| wanted.iter().any(|w| l.starts_with(w))).collect();
        format!("{} {} {}", lines.join(" "), node.field("replication", "role"), node.cli(&["DBSIZE"]))
    };
    let all = || nodes.iter().map(state).collect::<Vec<_>>();
    let before = all();
    let ran = run(&desk, &words).expect(0);
    assert!(ran.out.contains("changed="), "{}", ran.out);
    for (at, node) in nodes.iter().enumerate() {
        let told = state(node);
        assert!(told.contains("cluster_state:ok cluster_slots_assigned:16384") && told.contains("cluster_known_nodes:6"), "{told}");
        assert_eq!(node.field("replication", "role"), if at < 3 { "master" } else { "slave" });
    }
    // A client's word for it: written through one node, read through the others.
    let cli = |words: &str| sh(&format!("REDISCLI_AUTH={} redis-cli -c -h {} -p {} {words}", redis::PASSWORD, nodes[0].host, nodes[0].port));
    for key in ["a", "b", "c", "d"] {
        assert_eq!(cli(&format!("SET {key} {key}-1")).trim(), "OK");
        assert_eq!(cli(&format!("GET {key}")).trim(), format!("{key}-1"));
    }
    let again = run(&desk, &words).expect(0);
    assert_eq!(again.count("here", "changed"), 0, "{}", again.out);
    for key in ["a", "b", "c", "d"] {
        cli(&format!("DEL {key}"));
    }
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    assert_eq!(all(), before, "every node by itself again");
    assert!(!desk.journal().contains(redis::PASSWORD));
}

fn node_prepare() {
    let lab = Lab::new();
    // Files of their own where this machine's would show; swap that is only written down.
    let setup = "echo $(hostname)-$(cat /proc/sys/kernel/random/uuid) >/etc/machine-id; mkdir -p /etc/modules-load.d /etc/sysctl.d\n\
                 printf '# kept\\nUUID=1 / ext4 defaults 0 1\\n/dev/sdz9 none swap sw 0 0\\n#/dev/sdz8 none swap sw 0 0\\n' >/etc/fstab; sysctl -qw net.ipv4.ip_forward=0\n";
    // The firmware of the machine is one: what a guest would have of its own is put over it.
    let own = "for f in product_uuid; do [ ! -e /sys/class/dmi/id/$f ] || { hostname >/tmp/$f; mount --bind /tmp/$f /sys/class/dmi/id/$f; }; done\n";
    let hosts = ["k8s-1", "k8s-2"].map(|name| lab.host(name).setup(setup).setup(own).start());
    let desk = Desk::new(&lab, &[&hosts[0], &hosts[1]]);
    let words = ["node-prepare", "-e", "nodes=all", "-e", "least_memory_mb=500"];
    let state = |host: &Host| host.run("cat /etc/fstab /etc/hosts; ls /etc/modules-load.d /etc/sysctl.d; ls /etc | grep -c before-node || true");
    let before = [state(&hosts[0]), state(&hosts[1])];
    let ran = run(&desk, &words).expect(0);
    for host in &hosts {
        assert!(ran.count(host.name(), "changed") >= 4, "{}", ran.out);
        assert_eq!(host.run("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/bridge/bridge-nf-call-iptables"), "1\n1\n");
        assert_eq!(host.run("grep -c '^[^#].*swap' /etc/fstab || true; grep -c swap /etc/fstab").split_whitespace().collect::<Vec<_>>(), ["0", "2"]);
        assert_eq!(host.run("sed -n '/^# BEGIN nodes/,/^# END nodes/p' /etc/hosts | grep -c ' k8s-[12]$'").trim(), "2", "each knows the others");
        assert_eq!(host.run("cat /etc/modules-load.d/kubernetes.conf"), "overlay\nbr_netfilter\n");
    }
    let again = run(&desk, &words).expect(0);
    assert_eq!((again.count("k8s-1", "changed"), again.count("k8s-2", "changed")), (0, 0), "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    assert_eq!([state(&hosts[0]), state(&hosts[1])], before, "taken back");
    // A clone is found before anything is done to it.
    let clone = hosts[0].run("cat /etc/machine-id");
    hosts[1].run(&format!("echo {} >/etc/machine-id", clone.trim()));
    let refused = run(&desk, &words).expect(2);
    assert!(refused.err.contains("have the same machine"), "{}\n{}", refused.out, refused.err);
    assert_eq!([state(&hosts[0]), state(&hosts[1])], before, "and nothing was done");
}

/// A container that runs this machine's own programs: their folders are lent to it.
pub const LENT: &str = "-v /usr:/usr:ro -v /lib:/lib:ro -v /lib64:/lib64:ro -v /etc/ssl:/etc/ssl:ro";

fn broker_in_container() {
    let docker = Docker::start();
    let (amqp, api, dist) = (redis::free_port("127.0.0.1"), redis::free_port("127.0.0.1"), redis::free_port("127.0.0.1"));
    let mut desk = here();
    let etc = desk.home.path().join("rabbit");
    fs::create_dir_all(&etc).expect("folder");
    fs::write(
        etc.join("rabbitmq.conf"),
        format!("listeners.tcp.1 = 127.0.0.1:{amqp}\nmanagement.tcp.port = {api}\nmanagement.tcp.ip = 127.0.0.1\ndisk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 512MB\n"),
    )
    .expect("configuration");
    // Its tools with the environment of its node, where an image of RabbitMQ has them.
    docker.run(&format!(
        "run -d --name rabbitmq --network host {LENT} -v {}:/etc/rabbitmq -e PATH=/usr/lib/rabbitmq/bin:/usr/bin:/bin -e HOME=/var/lib/rabbitmq -e RABBITMQ_NODENAME=box{api}@localhost \
         -e RABBITMQ_DIST_PORT={dist} -e RABBITMQ_CONF_ENV_FILE=/dev/null -e ERL_EPMD_ADDRESS=127.0.0.1 -e RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 1:1' bb:1 \
         sh -c '/bin/busybox mkdir -p /var/lib/rabbitmq /var/log/rabbitmq /tmp; exec rabbitmq-server'",
        etc.display()
    ));
    let ctl = |words: &str| sh(&format!("/usr/bin/docker -H {} exec rabbitmq rabbitmqctl -q {words}", docker.host()));
    eventually("the broker", std::time::Duration::from_secs(120), || {
        let line = format!("/usr/bin/docker -H {} exec rabbitmq rabbitmqctl -q await_startup --timeout 20", docker.host());
        std::process::Command::new("sh").args(["-c", &line]).output().ok().filter(|o| o.status.success())
    });
    ctl("add_user boss boss-secret-1");
    ctl("set_user_tags boss administrator");
    desk.set("DOCKER_HOST", &docker.host());
    desk.set("PATH", &format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default()));
    desk.set("QUARTERDECK_VAR_admin_password", "boss-secret-1");
    desk.set("QUARTERDECK_VAR_password", "mall-secret-22");
    let ports = format!("{{\"api_port\": {api}, \"amqp_port\": {amqp}}}");
    let words = [
        "rabbitmq-vhost",
        "-e",
        "way=container",
        "-e",
        "target=here",
        "-e",
        "container=rabbitmq",
        "-e",
        "admin_user=boss",
        "-e",
        "vhost=/mall",
        "-e",
        "user=mall",
        "-e",
        "tags=",
        "-e",
        &ports,
    ];
    let state = || format!("{}{}{}", ctl("list_users"), ctl("list_vhosts"), ctl("list_permissions -p / "));
    let before = state();
    let ran = run(&desk, &words).expect(0);
    assert!(ran.out.contains("nothing is mounted on /var/lib/rabbitmq"), "the loss at the next start is warned about:\n{}", ran.out);
    assert!(ctl("list_permissions -p /mall").contains("mall\t.*\t.*\t.*") && ran.count("here", "changed") >= 4, "{}", ran.out);
    let again = run(&desk, &words).expect(0);
    assert_eq!(again.count("here", "changed"), 0, "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    assert_eq!(state(), before, "taken back");
}

/// A pod that runs this machine's own programs: their folders are lent to it.
/// `more`: further folders of this machine, and where the pod sees them.
pub fn lent_pod(space: &Space, name: &str, script: &str, env: &[(&str, &str)], more: &[(&str, &str)]) -> String {
    let folders = || ["/usr", "/lib", "/lib64"].map(|f| (f, f)).into_iter().chain(more.iter().copied()).enumerate();
    let volumes: Vec<_> = folders().map(|(n, (from, _))| serde_json::json!({"name": format!("lent-{n}"), "hostPath": {"path": from}})).collect();
    let mounts: Vec<_> = folders().map(|(n, (_, to))| serde_json::json!({"name": format!("lent-{n}"), "mountPath": to, "readOnly": true})).collect();
    let env: Vec<_> = env.iter().map(|(k, v)| serde_json::json!({"name": k, "value": v})).collect();
    let container = serde_json::json!({
        "name": "app", "image": "busybox:1.35", "imagePullPolicy": "Never", "command": ["/bin/sh", "-c", script], "env": env, "volumeMounts": mounts,
    });
    space.pod(name, "", &[], &serde_json::json!({"containers": [container], "volumes": volumes}));
    eventually(&format!("the address of {name}"), MINUTES, || {
        let pod = space.send("GET", &space.path(&format!("pods/{name}")), &serde_json::Value::Null);
        let runs = pod["status"]["containerStatuses"][0]["state"]["running"].is_object();
        pod["status"]["podIP"].as_str().filter(|_| runs).map(ToOwned::to_owned)
    })
}

/// What a command in a pod said; `None` while it fails.
pub fn in_pod(space: &Space, name: &str, words: &[&str]) -> Option<String> {
    let kubeconfig = admin().display().to_string();
    let out = std::process::Command::new("kubectl").args(["--kubeconfig", &kubeconfig, "-n", &space.name, "exec", name, "--"]).args(words).output();
    let out = out.expect("kubectl");
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

pub const MINUTES: std::time::Duration = std::time::Duration::from_secs(120);

fn broker_in_pod() {
    let space = Space::new("broker");
    let script = "mkdir -p /var/lib/rabbitmq /var/log/rabbitmq /etc/rabbitmq /tmp\n\
        printf 'disk_free_limit.absolute = 50MB\\nvm_memory_high_watermark.absolute = 512MB\\n' >/etc/rabbitmq/rabbitmq.conf\nexec rabbitmq-server";
    let env = [
        ("PATH", "/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/bin"),
        ("HOME", "/var/lib/rabbitmq"),
        ("RABBITMQ_NODENAME", "rabbit@localhost"),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null"),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1"),
    ];
    lent_pod(&space, "mq-0", script, &env, &[]);
    let ctl = |words: &str| in_pod(&space, "mq-0", &["sh", "-c", &format!("rabbitmqctl -q {words}")]);
    eventually("the broker", MINUTES, || ctl("await_startup --timeout 20"));
    ctl("add_user boss boss-secret-1").expect("a user");
    ctl("set_user_tags boss administrator").expect("its tag");
    said("rabbitmq", &format!("RabbitMQ {}", ctl("version").expect("a version").trim()));
    let mut desk = Desk::of(&format!("[[cluster]]\nname = \"lab\"\nkubeconfig = \"{}\"\n", admin().display()));
    desk.set("QUARTERDECK_VAR_admin_password", "boss-secret-1");
    desk.set("QUARTERDECK_VAR_password", "mall-secret-22");
    let namespace = format!("namespace={}", space.name);
    let mut words = vec!["rabbitmq-vhost"];
    for value in ["way=pod", "target=localhost", "pods=mq-0", &namespace, "admin_user=boss", "vhost=/mall", "user=mall", "tags="] {
        words.extend(["-e", value]);
    }
    let state = || ["list_users", "list_vhosts", "list_permissions -p /"].map(|w| ctl(w).expect("an answer")).concat();
    let before = state();
    let ran = run(&desk, &words).expect(0);
    let warned = ran.out.contains("nothing is mounted on /var/lib/rabbitmq") && ran.out.contains("/etc/rabbitmq is not mounted");
    assert!(warned, "the loss at the next start is warned about:\n{}", ran.out);
    assert!(ctl("list_permissions -p /mall").expect("permissions").contains("mall\t.*\t.*\t.*"), "{}", ran.out);
    assert!(ran.count("localhost", "changed") >= 4, "{}", ran.out);
    let again = run(&desk, &words).expect(0);
    assert_eq!(again.count("localhost", "changed"), 0, "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    assert_eq!(state(), before, "taken back");
}

fn service_and_package() {
    let lab = Lab::new();
    // A repository of one package, in a folder of the host.
    let setup = r#"
mkdir -p /repo/qd-probe/DEBIAN /repo/qd-probe/usr/share/qd-probe
for v in 1.0 1.1; do
  printf 'Package: qd-probe\nVersion: %s\nArchitecture: all\nMaintainer: tests <tests@localhost>\nDescription: a probe\n' $v >/repo/qd-probe/DEBIAN/control
  echo $v >/repo/qd-probe/usr/share/qd-probe/version
  dpkg-deb -b /repo/qd-probe /repo/qd-probe_$v.deb >/dev/null
  { cat /repo/qd-probe/DEBIAN/control; printf 'Filename: ./qd-probe_%s.deb\nSize: %s\nSHA256: %s\n\n' $v $(stat -c %s /repo/qd-probe_$v.deb) $(sha256sum /repo/qd-probe_$v.deb | cut -d' ' -f1); } >>/repo/Packages
done
rm -rf /etc/apt/sources.list.d /etc/apt/sources.list /var/lib/apt/lists
mkdir -p /etc/apt/sources.list.d /var/lib/apt/lists/partial
echo 'deb [trusted=yes] file:/repo ./' >/etc/apt/sources.list.d/probe.list
"#;
    let host = lab.host("web1").setup(setup).start();
    let desk = Desk::new(&lab, &[&host]);
    let book = |package: &str| {
        format!(
            "name: Host\nowner: tests\nhosts: all\ntasks:\n\
             \x20 - name: A package\n    package: {{name: {package}, update_cache: true}}\n    verify:\n      shell: test -s /usr/share/qd-probe/version\n\
             \x20   undo:\n      package: {{name: qd-probe, state: absent}}\n\
             \x20 - name: A service\n    service: {{name: redis-server, state: started, enabled: true}}\n    verify:\n      shell: redis-cli ping | grep -q PONG\n\
             \x20   undo:\n      service: {{name: redis-server, state: stopped}}\n"
        )
    };
    host.run("update-rc.d redis-server remove");
    desk.write("host.yaml", &book("qd-probe=1.0"));
    let plan = desk.run(&["playbook", "run", "host.yaml", "--check", "--diff"]).expect(0);
    assert!(plan.out.contains("+qd-probe") && plan.out.contains("-stopped") && plan.out.contains("+enabled"), "{}", plan.out);
    assert_eq!(run(&desk, &["host.yaml"]).expect(0).count("web1", "changed"), 2);
    assert_eq!(host.run("cat /usr/share/qd-probe/version; ls /etc/rc3.d | grep -c 'S.*redis-server'"), "1.0\n1\n");
    assert_eq!(run(&desk, &["host.yaml"]).expect(0).count("web1", "changed"), 0);
    // Another version is another package.
    desk.write("host.yaml", &book("qd-probe=1.1"));
    assert_eq!(run(&desk, &["host.yaml"]).expect(0).count("web1", "changed"), 1);
    assert_eq!(host.run("cat /usr/share/qd-probe/version"), "1.1\n");
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes", "--changed"]).expect(0);
    assert_eq!(host.run("ls /usr/share/qd-probe 2>/dev/null; pgrep -x redis-server; true"), "", "gone, and stopped");
    desk.write("none.yaml", &book("no-such-thing"));
    let failed = run(&desk, &["none.yaml"]).expect(2);
    assert!(failed.err.contains("Unable to locate package no-such-thing"), "apt's own words:\n{}", failed.err);
    desk.write("service.yaml", "name: Host\nowner: tests\nhosts: all\ntasks:\n  - name: A service\n    service: {name: nobody, state: started}\n    verify:\n      shell: \"true\"\n    undo: {none: a test}\n");
    let failed = run(&desk, &["service.yaml"]).expect(2);
    assert!(failed.err.contains("there is no service nobody"), "{}", failed.err);
}

fn amqp() {
    let broker = rabbitmq::Broker::alone(None);
    let mut desk = here();
    desk.set("QUARTERDECK_VAR_pw", rabbitmq::APP_PASSWORD);
    let book = |vhost: &str, user: &str, does: &str| {
        format!(
            "name: Amqp\nowner: tests\nhosts: here\nvars_prompt:\n  - {{name: pw, prompt: Password, private: true}}\ntasks:\n\
             \x20 - name: As the application\n    amqp: {{host: 127.0.0.1, port: {}, vhost: \"{vhost}\", user: {user}, password: \"{{{{ pw }}}}\", does: {does}}}\n",
            broker.amqp
        )
    };
    for does in ["open", "declare", "roundtrip"] {
        desk.write("amqp.yaml", &book("/mall", rabbitmq::APP, does));
        assert_eq!(run(&desk, &["amqp.yaml"]).expect(0).count("here", "changed"), 0, "it leaves nothing behind");
    }
    broker.idle();
    for (vhost, user, words) in
        [("mall", rabbitmq::APP, "vhost mall not found"), ("/", rabbitmq::APP, "access to vhost '/' refused"), ("/mall", "nobody", "ACCESS_REFUSED")]
    {
        desk.write("amqp.yaml", &book(vhost, user, "roundtrip"));
        let refused = run(&desk, &["amqp.yaml"]).expect(2);
        assert!(refused.err.contains(words), "the broker's own words: {words}\n{}", refused.err);
        assert!(!refused.err.contains(rabbitmq::APP_PASSWORD) && !desk.journal().contains(rabbitmq::APP_PASSWORD));
    }
}
