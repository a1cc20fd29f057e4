//! `rabbitmq-vhost` on a broker that runs as a service of an SSH host.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Change, Extent, Scene, Small, Then, play, until};
use crate::components::said;
use crate::playbook::Desk;
use crate::rig::sshd::{Host, Lab};

/// The plugin is off, guest is there as a package leaves it, and an administrator of our own.
const SETUP: &str = r#"
mkdir -p /small /var/lib/rabbitmq /etc/rabbitmq /var/log/rabbitmq
mount -t tmpfs -o size=300m tmpfs /small
for d in /var/lib/rabbitmq /etc/rabbitmq; do cp -a "$d" "/small/$(basename "$(dirname "$d")")"; mount --bind "/small/$(basename "$(dirname "$d")")" "$d"; done
rm -rf /var/lib/rabbitmq/mnesia/*
rm -f /etc/rabbitmq/rabbitmq.conf
echo '[].' >/etc/rabbitmq/enabled_plugins
printf 'vm_memory_high_watermark.absolute = 512MB\ndisk_free_limit.absolute = 50MB\n' >/etc/rabbitmq/rabbitmq.conf
printf 'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 1:1"\n' >>/etc/rabbitmq/rabbitmq-env.conf
chown -R rabbitmq: /etc/rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
"#;

const PLUGIN: &str = "Enable the management plugin on the host";
const USER: &str = "Make the user";
const VHOST: &str = "Make the vhost";

/// A password that stands in no other test: every process list is watched for it.
fn own(who: &str, guest: bool) -> String {
    format!("{who}-secret-{}-{guest}", std::process::id())
}

struct Broker {
    desk: Desk,
    host: Host,
    guest: bool,
    boss: String,
    app: String,
    _small: Small,
    _lab: Lab,
}

impl Broker {
    fn start(guest: bool) -> Self {
        let lab = Lab::new();
        let (boss, app) = (own("boss", guest), own("mall", guest));
        let host = lab.host("mq1").setup(SETUP).start();
        let mut desk = Desk::new(&lab, &[&host]);
        desk.set("QUARTERDECK_VAR_admin_password", &boss);
        desk.set("QUARTERDECK_VAR_password", &app);
        host.run("service rabbitmq-server start >/small/start.log 2>&1 || { cat /small/start.log /var/log/rabbitmq/*; exit 1; }");
        until(&host, "the broker", "rabbitmqctl -q await_startup --timeout 60");
        host.run(&format!(
            "for u in boss other; do rabbitmqctl -q add_user $u {boss}; rabbitmqctl -q set_user_tags $u administrator; done; rabbitmqctl -q set_permissions boss '.*' '.*' '.*'"
        ));
        said("rabbitmq", &format!("RabbitMQ {}", host.run("rabbitmqctl -q version").trim()));
        let small = Small::new(&desk.state());
        Self { desk, host, guest, boss, app, _small: small, _lab: lab }
    }

    fn ctl(&self, words: &str) -> String {
        self.host.run(&format!("rabbitmqctl -q {words}"))
    }

    fn curl(&self, method: &str, path: &str, body: &str) {
        let boss = &self.boss;
        self.host.run(&format!(
            "curl -sS --max-time 20 -o /dev/null -u other:{boss} -X {method} -H 'content-type: application/json' -d '{body}' http://127.0.0.1:15672/api/{path}"
        ));
    }

    fn listens(&self) -> bool {
        self.host.run("ss -Hltn 'sport = :15672' | wc -l").trim() != "0"
    }
}

impl Scene for Broker {
    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn hosts(&self) -> Vec<&Host> {
        vec![&self.host]
    }

    fn words(&self) -> Vec<String> {
        let guest = format!("remove_guest={}", self.guest);
        ["rabbitmq-vhost", "-e", "target=mq1", "-e", "way=host", "-e", "admin_user=boss", "-e", "vhost=/mall", "-e", "user=mall", "-e", "tags=", "-e", &guest]
            .map(str::to_owned)
            .into()
    }

    fn secrets(&self) -> [&str; 2] {
        [&self.boss, &self.app]
    }

    fn steps(&self) -> &'static [&'static str] {
        const ALL: &[&str] = &[PLUGIN, USER, VHOST, "Grant the permissions", "Remove guest"];
        if self.guest { ALL } else { &ALL[..4] }
    }

    fn changes(&self) -> &'static [Change] {
        &[
            Change { name: "the user deleted", after: USER, then: Then::Restored },
            Change { name: "the vhost deleted", after: VHOST, then: Then::Restored },
            Change { name: "the user's password changed", after: USER, then: Then::Refused },
        ]
    }

    fn reset(&self) {
        let guest = r#"{"password": "guest", "tags": "administrator"}"#;
        if self.listens() {
            // Sooner said than by rabbitmqctl, which takes a second each time.
            self.curl("DELETE", "users/mall", "{}");
            self.curl("DELETE", "vhosts/%2Fmall", "{}");
            self.curl("PUT", "users/guest", guest);
            self.curl("PUT", "permissions/%2F/guest", r#"{"configure": ".*", "write": ".*", "read": ".*"}"#);
            self.host.run("rabbitmq-plugins -q disable rabbitmq_management >/dev/null");
        } else {
            until(&self.host, "a broker that runs", "rabbitmqctl -q await_startup --timeout 10 || service rabbitmq-server start");
            self.host.run(
                "rabbitmqctl -q eval 'catch rabbit_auth_backend_internal:delete_user(<<\"mall\">>, <<\"lab\">>), catch rabbit_vhost:delete(<<\"/mall\">>, <<\"lab\">>), ok.'",
            );
        }
        self.host.run("for f in /var/log/rabbitmq/*.log; do : >$f; done");
    }

    fn state(&self) -> String {
        let listens = self.listens();
        let told = if listens {
            self.host.run(&format!("curl -sS -u other:{} http://127.0.0.1:15672/api/definitions", self.boss))
        } else {
            self.ctl("export_definitions -")
        };
        let mut told: Value = serde_json::from_str(&told).expect("definitions");
        // Salted anew each time it is set; that the password is right is asked below.
        for user in told["users"].as_array_mut().expect("users") {
            user.as_object_mut().expect("a user").remove("password_hash");
        }
        let sorted = |value: &Value| {
            let mut rows: Vec<String> = value.as_array().into_iter().flatten().map(Value::to_string).collect();
            rows.sort();
            rows.join("\n")
        };
        let parts: Vec<String> = ["users", "vhosts", "permissions", "topic_permissions", "policies", "queues", "exchanges", "bindings"]
            .map(|p| format!("{p}:\n{}", sorted(&told[p])))
            .into();
        let may = self.host.run(&format!(
            "rabbitmqctl -q authenticate_user mall {} >/dev/null 2>&1 && echo its password is right || echo no such user; cat /etc/rabbitmq/enabled_plugins",
            self.app
        ));
        format!("{}\n{may}listens: {listens}", parts.join("\n"))
    }

    fn acts(&self) -> BTreeMap<String, usize> {
        let log = self.host.run("cat /var/log/rabbitmq/*.log");
        let words = [
            "Created user 'mall'",
            "changed password for user 'mall'",
            "Adding vhost '/mall'",
            "Successfully set permissions for 'mall'",
            "Deleted user 'guest'",
            "Plugins changed; enabled",
        ];
        words.iter().map(|w| ((*w).to_owned(), log.lines().filter(|l| l.contains(w)).count())).collect()
    }

    fn refuse(&self, step: &str) {
        if step == PLUGIN {
            self.host.run("mv /usr/sbin/rabbitmq-plugins /usr/sbin/rabbitmq-plugins.off; printf '#!/bin/sh\\necho refused >&2; exit 70\\n' >/usr/sbin/rabbitmq-plugins; chmod 755 /usr/sbin/rabbitmq-plugins");
        } else {
            // The administrator is none any more.
            self.curl("PUT", "users/boss", &format!("{{\"password\": \"{}\", \"tags\": \"\"}}", self.boss));
        }
    }

    fn allow(&self, step: &str) {
        if step == PLUGIN {
            self.host.run("[ ! -e /usr/sbin/rabbitmq-plugins.off ] || mv -f /usr/sbin/rabbitmq-plugins.off /usr/sbin/rabbitmq-plugins");
        } else {
            self.curl("PUT", "users/boss", &format!("{{\"password\": \"{}\", \"tags\": \"administrator\"}}", self.boss));
        }
    }

    fn fill(&self) {
        self.host.run("head -c 400M /dev/zero >/small/filler 2>/dev/null || true");
    }

    fn free(&self) {
        self.host.run("rm -f /small/filler");
        // A broker whose disk was full may have ended, as it should; and it lets nobody publish until it has looked again.
        until(
            &self.host,
            "a broker without alarms",
            "rabbitmqctl -q await_startup --timeout 5 || { service rabbitmq-server start; exit 1; }; rabbitmq-diagnostics -q check_local_alarms",
        );
    }

    fn change(&self, name: &str) {
        match name {
            "the user deleted" => self.ctl("delete_user mall"),
            "the vhost deleted" => self.ctl("delete_vhost /mall"),
            _ => self.ctl("change_password mall somebody-elses-1"),
        };
    }

    fn changed(&self, _: &str) -> String {
        self.ctl("authenticate_user mall somebody-elses-1") + &self.ctl("list_users") + &self.ctl("list_permissions -p /")
    }

    fn restore(&self, _: &str) {
        self.ctl(&format!("change_password mall {}", self.app));
    }
}

pub fn table(extent: Extent) {
    // Who guest was is known to nobody afterwards: without that step, an undo leaves the broker as it was.
    play(&Broker::start(extent == Extent::Whole), extent);
}
