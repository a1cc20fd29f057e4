//! `ik-analyzer` on real Elasticsearch nodes, installed by their own plugin tool: node by node, twice, and taken back.
//!
//! The plugin itself is a STAND-IN. The zip of analysis-ik is on its maker's server only, which no test may need; what is installed
//! here has its name, its two analyzers and IK's segmenter and dictionary, as another project publishes them, in a plugin of the
//! tests' own (`tests/lab/ik-stand-in`). The playbook's steps run as they are.

use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;

use crate::components::{case, said};
use crate::playbook::Desk;
use crate::playbook_real::{first, run};
use crate::rig::eventually;
use crate::rig::java::fetched;
use crate::rig::sshd::{Host, Lab, sh};

pub fn tests() -> Vec<Trial> {
    const ONE: &[&str] = &["sshd", "netns", "curl", "ik-stand-in"];
    const TWO: &[&str] = &["sshd", "netns", "curl", "ik-stand-in", "drills"];
    vec![
        case("playbook: ik-analyzer with a stand-in of the plugin on a real Elasticsearch, twice, and taken back", ONE, || installed(&["es-1"])),
        case("playbook: ik-analyzer with a stand-in of the plugin on two nodes, one after the other", TWO, || installed(&["es-1", "es-2"])),
    ]
}

/// A cold start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// A node as a service: the distribution of Elasticsearch itself, under an account of its own.
fn service(stand_in: &Path, alone: bool) -> String {
    let (home, classes) = (stand_in.join("home"), stand_in.join("classes"));
    let memory = "-Xms220m -Xmx220m -XX:+UseParallelGC -XX:TieredStopAtLevel=1";
    let starts = if alone {
        format!("env ES_JAVA_OPTS='-XX:-UseG1GC {memory}' bin/elasticsearch")
    } else {
        let opens = "--add-opens=java.base/java.io=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED -Dlog4j2.disable.jmx=true";
        format!("jdk/bin/java {memory} {opens} -cp '{}:/usr/share/elasticsearch/lib/*' Launch /usr/share/elasticsearch", classes.display())
    };
    format!(
        r#"
useradd -r -m -s /bin/bash elasticsearch
mkdir -p /usr/share/elasticsearch && cd /usr/share/elasticsearch
cp -r {home}/bin {home}/config . && mkdir lib modules plugins data logs
mount --bind {home}/lib lib
mount --bind {home}/modules modules
ln -s "$(dirname $(dirname $(readlink -f /usr/bin/java)))" jdk
chown -R elasticsearch: config data logs
cat >/etc/init.d/elasticsearch <<'INIT'
#!/bin/sh
cd /usr/share/elasticsearch
stop() {{ pkill -u elasticsearch java; while pgrep -u elasticsearch java >/dev/null; do sleep 0.1; done; }}
start() {{ setsid setpriv --reuid elasticsearch --regid elasticsearch --init-groups {starts} </dev/null >>logs/out 2>&1 & }}
case $1 in start) start;; stop) stop;; restart) stop; start;; status) pgrep -u elasticsearch java;; esac
INIT
chmod 755 /etc/init.d/elasticsearch
"#,
        home = home.display()
    )
}

fn settings(host: &Host, all: &[Host]) -> String {
    let addresses: Vec<&str> = all.iter().map(Host::address).collect();
    let names: Vec<&str> = all.iter().map(Host::name).collect();
    let cluster = if all.len() == 1 {
        "discovery.type: single-node\n".to_owned()
    } else {
        format!("discovery.seed_hosts: {addresses:?}\ncluster.initial_master_nodes: {names:?}\n")
    };
    format!(
        "cluster.name: mall\nnode.name: {}\nhttp.host: 0.0.0.0\ntransport.host: {}\n{cluster}node.store.allow_mmap: false\nxpack.security.enabled: false\n\
         cluster.routing.allocation.disk.threshold_enabled: false\n",
        host.name(),
        host.address()
    )
}

/// What a node says to a request of its own host.
fn ask(host: &Host, words: &str) -> String {
    host.run(&format!("curl -sS -m 30 -H 'Content-Type: application/json' {words} 2>&1 || true"))
}

fn plugins(host: &Host) -> String {
    ask(host, "'http://127.0.0.1:9200/_cat/plugins?h=name,component,version&s=name'")
}

/// What a test may have changed: the plugins that a node has, and has taken in; where shards may go; what lies about.
fn state(host: &Host) -> String {
    format!(
        "{}{}{}{}",
        host.run("ls /usr/share/elasticsearch/plugins; ls /tmp | grep ik || true"),
        plugins(host),
        ask(host, "'http://127.0.0.1:9200/_cluster/settings?flat_settings=true'"),
        ask(host, "'http://127.0.0.1:9200/_cat/indices?h=health,index,docs.count&s=index'")
    )
}

fn installed(names: &[&str]) {
    let lab = Lab::new();
    let stand_in = fetched("ik-stand-in");
    let hosts: Vec<Host> = names.iter().map(|name| lab.host(name).setup(&service(&stand_in, names.len() == 1)).start()).collect();
    for host in &hosts {
        let text = settings(host, &hosts);
        host.run(&format!("printf '%s' '{text}' >/usr/share/elasticsearch/config/elasticsearch.yml; service elasticsearch start"));
    }
    let wanted = format!("\"number_of_nodes\":{}", hosts.len());
    for host in &hosts {
        eventually(&format!("{} in its cluster", host.name()), PATIENCE, || {
            let told = host.run("pgrep -u elasticsearch >/dev/null || { tail -n 30 /usr/share/elasticsearch/logs/out; }");
            assert!(told.is_empty(), "{} ended: {told}", host.name());
            ask(host, "http://127.0.0.1:9200/_cluster/health").contains(&wanted).then_some(())
        });
    }
    said("ik-stand-in", &format!("Elasticsearch {}, its plugin tool, and a stand-in for analysis-ik", version(&hosts[0])));
    let copies = hosts.len() - 1;
    let index = |name: &str, mappings: &str| {
        let body = format!("{{\"settings\":{{\"number_of_shards\":1,\"number_of_replicas\":{copies}}},\"mappings\":{{{mappings}}}}}");
        let told = ask(&hosts[0], &format!("-X PUT http://127.0.0.1:9200/{name}?wait_for_active_shards=all -d '{body}'"));
        assert!(told.contains("\"acknowledged\":true"), "{told}");
    };
    index("orders", "");
    ask(&hosts[0], "-X POST 'http://127.0.0.1:9200/orders/_doc?refresh=true' -d '{\"what\":\"tea\"}'");
    let desk = Desk::new(&lab, &hosts.iter().collect::<Vec<_>>());
    // Carried into a network without a way to the maker: the folder that `fetch` fills is keyed by the sum, and so is the download's name.
    let bundle = desk.home.path().join("bundle");
    let sum = sh(&format!("sha256sum {} | cut -c1-64", stand_in.join("plugin.zip").display())).trim().to_owned();
    fs::create_dir(&bundle).expect("folder");
    fs::copy(stand_in.join("plugin.zip"), bundle.join(format!("{}-elasticsearch-analysis-ik-{}.zip", &sum[..16], version(&hosts[0])))).expect("a bundle");
    let (nodes, sum, source) = (format!("nodes={}", names.join(",")), format!("plugin_sha256={sum}"), format!("source={}", bundle.display()));
    let words = ["ik-analyzer", "-e", &nodes, "-e", &sum, "-e", &source];
    let all = || hosts.iter().map(state).collect::<Vec<_>>();
    let before = all();
    let ran = run(&desk, &words).expect(0);
    for host in &hosts {
        assert!(plugins(host).lines().filter(|l| l.contains("analysis-ik")).count() == hosts.len(), "{}\n{}", plugins(host), ran.out);
    }
    assert!(!ask(&hosts[0], "http://127.0.0.1:9200/_cluster/settings").contains("primaries"), "replicas may go where they want again");
    // Shards of an index that needs it start, on every node that has one.
    index("goods", "\"properties\":{\"name\":{\"type\":\"text\",\"analyzer\":\"ik_max_word\",\"search_analyzer\":\"ik_smart\"}}");
    ask(&hosts[0], "-X POST 'http://127.0.0.1:9200/goods/_doc?refresh=true' -d '{\"name\":\"中华人民共和国国歌\"}'");
    let found = ask(&hosts[names.len() - 1], "'http://127.0.0.1:9200/goods/_search?q=name:%E5%85%B1%E5%92%8C%E5%9B%BD'");
    assert!(found.contains("国歌"), "{found}");
    let again = run(&desk, &words).expect(0);
    for name in names {
        assert_eq!(again.count(name, "changed"), 0, "{}", again.out);
    }
    let refused = desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]);
    assert!(refused.code != 0 && refused.err.contains("are used by: goods"), "what needs it is named:\n{}\n{}", refused.out, refused.err);
    assert!(plugins(&hosts[0]).contains("analysis-ik"), "and it stays");
    ask(&hosts[0], "-X DELETE http://127.0.0.1:9200/goods");
    desk.run(&["--write", "playbook", "undo", &first(&desk), "--yes"]).expect(0);
    assert_eq!(all(), before, "taken back");
}

fn version(host: &Host) -> String {
    let text = ask(host, "http://127.0.0.1:9200/");
    text.split("\"number\" : \"").nth(1).and_then(|t| t.split('"').next()).unwrap_or_else(|| panic!("no version: {text}")).to_owned()
}
