//! `rabbitmq-cluster` on three hosts with the broker of their package.

use std::time::Duration;

use super::{shipped, words};
use crate::components::said;
use crate::playbook::Desk;
use crate::playbook_real::{first, newest, run};
use crate::rig::eventually;
use crate::rig::sshd::{Host, Lab};

const BOSS: &str = "boss-secret-1";

/// A cookie of its own, as every package makes one; small, and on one scheduler.
const SETUP: &str = r#"mkdir -p /var/lib/rabbitmq /var/log/rabbitmq /etc/rabbitmq
rm -rf /var/lib/rabbitmq/mnesia /var/lib/rabbitmq/.erlang.cookie* /etc/rabbitmq/enabled_plugins
printf 'COOKIEOF%sXXXXXXXXXXXX' "$(hostname)" >/var/lib/rabbitmq/.erlang.cookie
chown -R rabbitmq: /var/lib/rabbitmq /var/log/rabbitmq
chmod 0400 /var/lib/rabbitmq/.erlang.cookie
printf 'disk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 400MB\n' >/etc/rabbitmq/rabbitmq.conf
printf 'SERVER_ADDITIONAL_ERL_ARGS="+S 1:1"\n' >/etc/rabbitmq/rabbitmq-env.conf
"#;

pub fn joined() {
    let lab = Lab::new();
    let hosts = ["mq1", "mq2", "mq3"].map(|name| lab.host(name).setup(SETUP).start());
    let ctl = |host: &Host, words: &str| host.run(&format!("rabbitmqctl -q {words} 2>&1"));
    std::thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(|| {
                host.run("service rabbitmq-server start </dev/null >/dev/null 2>&1; rabbitmqctl -q await_startup --timeout 120");
            });
        }
    });
    said("rabbitmq", &format!("RabbitMQ {}", ctl(&hosts[0], "version").trim()));
    ctl(&hosts[0], &format!("eval 'rabbit_auth_backend_internal:add_user(<<\"boss\">>, <<\"{BOSS}\">>, <<\"test\">>).'"));
    hosts[0].run("rabbitmqctl -q set_user_tags boss administrator; rabbitmqctl -q set_permissions boss '.*' '.*' '.*'");
    let own = |host: &Host| {
        let status: serde_json::Value = serde_json::from_str(&ctl(host, "cluster_status --formatter json")).expect("JSON");
        let files = host.run("sha256sum /var/lib/rabbitmq/.erlang.cookie; ls -a /var/lib/rabbitmq | grep cookie; cat /etc/hosts; rabbitmq-plugins -q list -e -m 2>/dev/null | sort");
        let inside =
            host.run("rabbitmqctl -q list_users | sort; rabbitmqctl -q list_vhosts; rabbitmqctl -q list_policies; rabbitmqctl -q list_queues name type");
        format!("{} {}\n{files}{inside}", status["disk_nodes"], status["running_nodes"])
    };
    let state = || std::thread::scope(|scope| hosts.each_ref().map(|h| scope.spawn(|| own(h))).map(|t| t.join().expect("a state")));
    let before = state();
    let mut desk = Desk::new(&lab, &[&hosts[0], &hosts[1], &hosts[2]]);
    desk.set("QUARTERDECK_VAR_admin_password", BOSS);
    let book = shipped("rabbitmq-cluster");
    let values = ["nodes=all", "first=mq1", "replication=quorum", "vhost=/", "admin_user=boss"];
    // A node with something of its own is not taken.
    ctl(&hosts[2], "add_vhost precious");
    let refused = run(&desk, &words(&book, &values)).expect(2);
    assert!(refused.err.contains("vhost precious") && refused.err.contains("wipe=true"), "{}", refused.err);
    ctl(&hosts[2], "delete_vhost precious");
    assert_eq!(state(), before, "nothing was done");
    let drilled = [&values[..], &["drill=true"]].concat();
    let ran = run(&desk, &words(&book, &drilled)).expect(0);
    let built = newest(&desk);
    for host in &hosts {
        let status: serde_json::Value = serde_json::from_str(&ctl(host, "cluster_status --formatter json")).expect("JSON");
        assert_eq!(status["running_nodes"].as_array().map(Vec::len), Some(3), "{}", ran.out);
        assert!(ctl(host, "list_users").contains("boss"), "the users of the first are everywhere");
    }
    assert!(ctl(&hosts[0], "list_queues name").trim().lines().all(|l| l != "quarterdeck.canary"), "the queue of the proof is gone");
    let again = run(&desk, &words(&book, &values)).expect(0);
    for host in &hosts {
        assert_eq!(again.count(host.name(), "changed"), 0, "{}", again.out);
    }
    // The old way, for queues that exist.
    let mirror = ["nodes=all", "first=mq1", "replication=mirror", "vhost=/", "pattern=^orders", "admin_user=boss"];
    let all = mirror.map(|v| if v.starts_with("pattern") { "pattern=.*" } else { v });
    let refused = run(&desk, &words(&book, &all)).expect(2);
    assert!(refused.err.contains("a pattern must not mean all queues"), "{}", refused.err);
    let put = |path: &str, body: &str| {
        hosts[0].run(&format!("curl -sf -u boss:{BOSS} -X PUT -H 'content-type: application/json' -d '{body}' http://127.0.0.1:15672/api/{path}"))
    };
    put("queues/%2F/orders.new", r#"{"durable":true}"#);
    run(&desk, &words(&book, &mirror)).expect(0);
    let mirrored = newest(&desk);
    eventually("a mirror", Duration::from_secs(60), || {
        let told = hosts[1].run(&format!("curl -s -u boss:{BOSS} http://127.0.0.1:15672/api/queues/%2F/orders.new"));
        let queue: serde_json::Value = serde_json::from_str(&told).ok()?;
        (queue["policy"] == "mirrored-on-two" && queue["synchronised_slave_nodes"].as_array()?.len() == 1).then_some(())
    });
    let again = run(&desk, &words(&book, &mirror)).expect(0);
    assert_eq!(hosts.each_ref().map(|h| again.count(h.name(), "changed")), [0, 0, 0], "{}", again.out);
    desk.run(&["--write", "playbook", "undo", &mirrored, "--yes"]).expect(0);
    hosts[0].run("rabbitmqctl -q delete_queue orders.new");
    desk.run(&["--write", "playbook", "undo", &built, "--yes"]).expect(0);
    let after = state();
    assert_eq!(after, before, "taken back");
    assert_ne!(first(&desk), built);
    let cookie = "COOKIEOFmq1";
    let journals = std::fs::read_dir(desk.state().join("runs")).expect("runs").flatten().map(|r| r.path().join("journal.jsonl"));
    for journal in journals {
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        assert!(!text.contains(cookie) && !text.contains(BOSS), "neither the cookie nor the password is written down");
    }
}
