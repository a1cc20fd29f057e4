//! `nacos-cluster` on three hosts with real servers from their published modules, behind the service that the playbook writes.

use super::{shipped, words};
use crate::components::said;
use crate::playbook::Desk;
use crate::playbook_real::{newest, run};
use crate::rig::java::fetched;
use crate::rig::sshd::{Host, Lab, sh};

pub fn set_up() {
    let lab = Lab::new();
    let jars = fetched("registry").display().to_string();
    let setup = format!(
        "mkdir -p /srv/jars; mount --bind {jars} /srv/jars; rm -rf /opt/nacos /etc/init.d/nacos /etc/rc?.d/*nacos; ! id nacos 2>/dev/null || userdel nacos"
    );
    // Its own database sometimes does not open in time on busy cores, and it ends: begun again, as systemd would by the unit.
    let again = "(while sleep 2; do if [ -e /opt/nacos/nacos.pid ] && ! kill -0 $(cat /opt/nacos/nacos.pid) 2>/dev/null; then /etc/init.d/nacos start; fi; done) </dev/null >/dev/null 2>&1 &";
    let hosts = ["nac1", "nac2", "nac3"].map(|name| lab.host(name).setup(&setup).setup(again).start());
    let mut desk = Desk::new(&lab, &hosts.each_ref());
    // The layout of the maker's archive; what it starts are the modules.
    let archive = desk.home.path().join("nacos-server.tar.gz");
    sh(&format!(
        "cd {0} && mkdir -p a/nacos/conf a/nacos/bin && echo lab >a/nacos/LICENSE && tar -C a -czf {1} nacos",
        desk.home.path().display(),
        archive.display()
    ));
    let sum = sh(&format!("sha256sum <{} | cut -c1-64", archive.display()));
    desk.set("QUARTERDECK_VAR_database_password", "");
    desk.set("QUARTERDECK_VAR_token_key", "bGFiLXRva2VuLWtleS1sYWItdG9rZW4ta2V5LWxhYi10b2tlbi1rZXk=");
    desk.set("QUARTERDECK_VAR_identity", "identity-of-the-lab-1");
    let state =
        |host: &Host| host.run("ls -d /opt/nacos /etc/init.d/nacos /etc/rc3.d/*nacos /var/tmp/nacos* 2>/dev/null; id nacos 2>&1; pgrep -fc Registry || true");
    let before = hosts.each_ref().map(state);
    let book = shipped("nacos-cluster");
    let (archive, sum) = (format!("archive={}", archive.display()), format!("archive_sha256={}", sum.trim()));
    let launch = "launch=-Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 --add-opens=java.base/java.io=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
                  -Dlog4j2.disable.jmx=true -cp /srv/jars/classes:/srv/jars/lib/* Registry";
    let values = ["way=host", "nodes=all", &archive, &sum, "storage=embedded", "heap_mb=200", launch];
    let ran = run(&desk, &words(&book, &values)).expect(0);
    let built = newest(&desk);
    for host in &hosts {
        let nodes = host.run(&format!("curl -s http://{}:8848/nacos/v1/core/cluster/nodes", host.address()));
        assert_eq!(nodes.matches("\"state\":\"UP\"").count(), 3, "{nodes}\n{}", ran.out);
        assert_eq!(host.run("stat -c '%U %a' /opt/nacos/conf/application.properties; ps -o user= -p $(cat /opt/nacos/nacos.pid)"), "nacos 600\nnacos\n");
    }
    let version = hosts[0].run(&format!("curl -s http://{}:8848/nacos/v1/core/cluster/nodes", hosts[0].address()));
    said("nacos", &format!("version {}", version.split("\"version\":\"").nth(1).and_then(|t| t.split('"').next()).unwrap_or("?")));
    let again = run(&desk, &words(&book, &values)).expect(0);
    for host in &hosts {
        assert_eq!(again.count(host.name(), "changed"), 0, "{}", again.out);
    }
    // A configuration in it stops the way back; without it nothing is left.
    let put = |method: &str, more: &str| {
        hosts[0].run(&format!("curl -s -X {method} 'http://{}:8848/nacos/v1/cs/configs?dataId=a.yml&group=G{more}'", hosts[0].address()))
    };
    assert_eq!(put("POST", "&content=a"), "true");
    let code = desk.run(&["--write", "playbook", "undo", &built, "--yes"]).code;
    assert_ne!(code, 0, "somebody's configuration is in it");
    assert_eq!(put("DELETE", ""), "true");
    desk.run(&["--write", "playbook", "undo", &built, "--yes"]).expect(0);
    assert_eq!(hosts.each_ref().map(state), before, "taken back");
    let journals = std::fs::read_dir(desk.state().join("runs")).expect("runs").flatten().map(|r| r.path().join("journal.jsonl"));
    for journal in journals {
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        assert!(!text.contains("identity-of-the-lab") && !text.contains("bGFiLXRva2Vu"), "no key is written down");
    }
}
