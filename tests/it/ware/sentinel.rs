//! `redis-sentinel` on three hosts with the servers and the sentinels of their package.

use super::{shipped, words};
use crate::components::said;
use crate::playbook::Desk;
use crate::playbook_real::{newest, run};
use crate::rig::sshd::{Host, Lab};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    No,
    Yes,
}

const DATA: &str = "data-secret-1";

pub fn guarded(drill: Drill) {
    let lab = Lab::new();
    let hosts = ["red1", "red2", "red3"].map(|name| lab.host(name).setup("rm -f /etc/rc?.d/*redis-sentinel").start());
    for host in &hosts {
        host.run("service redis-server start >/dev/null 2>&1");
    }
    let cli = |host: &Host, port: u16, words: &str| host.run(&format!("REDISCLI_AUTH={DATA} redis-cli -p {port} {words} 2>/dev/null"));
    said("redis", cli(&hosts[0], 6379, "INFO server").lines().find(|l| l.starts_with("redis_version")).expect("a version"));
    // A key, and a sentinel that watches nobody, as the package leaves it.
    hosts[0].run("redis-cli SET kept 1; service redis-sentinel start >/dev/null 2>&1");
    let state = |host: &Host| {
        let wanted = ["bind", "requirepass", "masterauth", "replicaof", "replica-priority"];
        let config: String = wanted.iter().map(|w| cli(host, 6379, &format!("CONFIG GET {w}"))).collect();
        let role = cli(host, 6379, "ROLE").lines().next().unwrap_or_default().to_owned();
        // What it writes itself (its id, epochs) is left out.
        let own = host.run("grep -vE '^(#|$|sentinel (myid|.*-epoch)|user |latency)' /etc/redis/sentinel.conf | sort; ls /etc/redis");
        format!("{config}{role}\n{own}{}", host.run("pgrep -c redis-sentinel || true; ls /etc/rc3.d | grep -c sentinel || true"))
    };
    let before = hosts.each_ref().map(state);
    let mut desk = Desk::new(&lab, &[&hosts[0], &hosts[1], &hosts[2]]);
    desk.set("QUARTERDECK_VAR_redis_password", DATA);
    let book = shipped("redis-sentinel");
    let mut values = vec!["servers=all", "primary_host=red1", "sentinel_password="];
    if drill == Drill::Yes {
        values.push("failover=yes");
    }
    // One that has keys of its own stops all of it.
    hosts[2].run("redis-cli SET theirs 1");
    let refused = run(&desk, &words(&book, &values)).expect(2);
    assert!(refused.err.contains("A replica must be empty") && refused.err.contains("red3"), "{}", refused.err);
    hosts[2].run("redis-cli DEL theirs");
    assert_eq!(hosts.each_ref().map(state), before, "and nothing was done to the others");
    let ran = run(&desk, &words(&book, &values)).expect(0);
    let built = newest(&desk);
    let primary = hosts[0].address();
    for host in &hosts {
        assert!(cli(host, 26379, "SENTINEL CKQUORUM mymaster").starts_with("OK 3 usable Sentinels"), "{}", ran.out);
        assert_eq!(cli(host, 26379, "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"), format!("{primary}\n6379\n"));
        assert_eq!(cli(host, 6379, "GET kept").trim(), "1");
    }
    if drill == Drill::Yes {
        let log = hosts[0].run("grep -c -e '+switch-master mymaster' /var/log/redis/redis-sentinel.log");
        assert_eq!(log.trim(), "2", "there and back");
    }
    let again = run(&desk, &words(&book, &values[..3])).expect(0);
    for host in &hosts {
        assert_eq!(again.count(host.name(), "changed"), 0, "{}", again.out);
    }
    desk.run(&["--write", "playbook", "undo", &built, "--yes"]).expect(0);
    assert_eq!(hosts.each_ref().map(state), before, "taken back");
    assert_eq!(cli(&hosts[0], 6379, "GET kept").trim(), "1", "the data stays");
    assert!(!desk.journal().contains(DATA));
}
