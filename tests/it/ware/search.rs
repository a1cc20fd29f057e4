//! `elasticsearch` on six hosts with real nodes from their published jars.

use std::time::Duration;

use super::{shipped, words};
use crate::components::said;
use crate::playbook::Desk;
use crate::playbook_real::{first, newest, run};
use crate::rig::eventually;
use crate::rig::java::fetched;
use crate::rig::sshd::{Host, Lab};

/// What a package brings: a folder for the configuration, and an init script that reads it and the heap's size.
fn setup() -> String {
    let jars = fetched("search").display().to_string();
    format!(
        r#"rm -rf /etc/elasticsearch /var/lib/elasticsearch /etc/rc?.d/*elasticsearch
mkdir -p /etc/elasticsearch/jvm.options.d /var/lib/elasticsearch /var/log/elasticsearch /srv/es
ln -sfn /etc/elasticsearch /srv/es/config
printf '# as the package leaves it\ncluster.name: my-application\n' >/etc/elasticsearch/elasticsearch.yml
cat >/etc/init.d/elasticsearch <<'INIT'
#!/bin/sh
### BEGIN INIT INFO
# Provides: elasticsearch
# Required-Start: $network
# Required-Stop: $network
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
up() {{ [ -e /run/es.pid ] && kill -0 $(cat /run/es.pid) 2>/dev/null; }}
start() {{ up && return; cd /srv/es; setsid java $(cat /etc/elasticsearch/jvm.options.d/*) -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true \
  --add-opens=java.base/java.io=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED -Dlog4j2.disable.jmx=true -Des.set.netty.runtime.available.processors=false \
  -cp '{jars}/classes:{jars}/lib/*' Search path.home=/srv/es http.type=netty4 transport.type=netty4 node.processors=1 \
  cluster.routing.allocation.disk.watermark.low=300mb cluster.routing.allocation.disk.watermark.high=200mb cluster.routing.allocation.disk.watermark.flood_stage=100mb \
  </dev/null >>/var/log/elasticsearch/out 2>&1 & echo $! >/run/es.pid; }}
stop() {{ up || return 0; kill $(cat /run/es.pid); n=0; while up; do n=$((n+1)); [ $n -lt 300 ] || kill -9 $(cat /run/es.pid); sleep 0.1; done; rm -f /run/es.pid; }}
case $1 in start) start;; stop) stop;; restart) stop; start;; status) up;; esac
INIT
chmod 755 /etc/init.d/elasticsearch
"#
    )
}

pub fn built() {
    let lab = Lab::new();
    let names = ["es1", "es2", "es3", "es4", "es5", "es6"];
    let hosts = names.map(|name| lab.host(name).setup(&setup()).start());
    let mut desk = Desk::new(&lab, &hosts.each_ref());
    desk.set("QUARTERDECK_VAR_password", "");
    let state = |host: &Host| {
        host.run("cat /etc/elasticsearch/elasticsearch.yml; ls -A /etc/elasticsearch /etc/elasticsearch/jvm.options.d /var/lib/elasticsearch /etc/sysctl.d; ls /etc/rc3.d | grep elastic || true; cat /proc/sys/vm/max_map_count; /etc/init.d/elasticsearch status && echo runs || echo stopped")
    };
    let before = hosts.each_ref().map(state);
    let (book, home) = (shipped("elasticsearch"), format!("es_home={}", fetched("search").display()));
    let values = ["nodes=all", "masters=es1,es2,es3", "cluster_name=mall", "heap_mb=160", "master_heap_mb=128", "user=", &home];
    let two = values.map(|v| if v.starts_with("masters") { "masters=es1,es2" } else { v });
    let refused = run(&desk, &words(&book, &two)).expect(2);
    assert!(refused.err.contains("three or five"), "{}", refused.err);
    let ran = run(&desk, &words(&book, &values)).expect(0);
    let built = newest(&desk);
    let ask = |host: &Host, path: &str| host.run(&format!("curl -sf http://{}:9200{path}", host.address()));
    said("elasticsearch", ask(&hosts[0], "/").lines().find(|l| l.contains("\"number\"")).expect("a version").trim());
    let mut seen = Vec::new();
    for host in &hosts {
        let health: serde_json::Value = serde_json::from_str(&ask(host, "/_cluster/health")).expect("JSON");
        assert_eq!(
            (health["status"].as_str(), health["number_of_nodes"].as_u64(), health["number_of_data_nodes"].as_u64()),
            (Some("green"), Some(6), Some(3)),
            "{}",
            ran.out
        );
        seen.push(ask(host, "/_cat/master?h=node"));
        assert!(!host.run("cat /etc/elasticsearch/elasticsearch.yml").contains("initial_master_nodes"), "it must not stay");
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "one master: {seen:?}");
    assert!(!ask(&hosts[0], "/_cat/indices?h=index").contains("canary"));
    let again = run(&desk, &words(&book, &values)).expect(0);
    for host in &hosts {
        assert_eq!(again.count(host.name(), "changed"), 0, "{}", again.out);
    }
    // A restart of all masters at once finds the cluster again without the names of the first ones.
    let uuid = |host: &Host| serde_json::from_str::<serde_json::Value>(&ask(host, "/")).expect("JSON")["cluster_uuid"].as_str().expect("a cluster").to_owned();
    let one = uuid(&hosts[5]);
    for host in &hosts[..3] {
        host.run("service elasticsearch stop >/dev/null 2>&1; service elasticsearch start </dev/null >/dev/null 2>&1");
    }
    eventually("all six again", Duration::from_secs(180), || {
        let told = hosts[1].run(&format!("curl -s http://{}:9200/_cluster/health || true", hosts[1].address()));
        told.contains("\"number_of_nodes\":6").then_some(())
    });
    assert_eq!(uuid(&hosts[1]), one);
    assert_ne!(built, first(&desk), "the first was refused");
    desk.run(&["--write", "playbook", "undo", &built, "--yes"]).expect(0);
    assert_eq!(hosts.each_ref().map(state), before, "taken back");
}
