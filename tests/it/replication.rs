//! The replication view in a pseudo-terminal while a real Redis fails over, and the same verdict in JSON.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::components::case;
use crate::rig::eventually;
use crate::rig::redis::{PASSWORD, SENTINEL_PASSWORD, Server, hosts, replicated};
use crate::rig::terminal::{Terminal, binary, command, environment};

/// Three sentinels agree after a second and a half; an election and a few polls follow.
const FAILOVER: Duration = Duration::from_secs(90);

pub fn tests() -> Vec<Trial> {
    vec![case("replication: a failover is watched on the screen, with the same verdict in JSON", &["redis"], failover)]
}

fn configure(home: &Path, servers: &[Server], watchers: &[Server]) {
    let list = |all: &[Server]| all.iter().map(|s| format!("\"{}\"", s.address())).collect::<Vec<_>>().join(", ");
    let text = format!(
        "[[middleware]]\nkind = \"redis\"\nname = \"cache\"\nmembers = [{}]\npassword = \"{PASSWORD}\"\nevery = \"1s\"\n\
         sentinel = {{ members = [{}], master = \"mymaster\", password = \"{SENTINEL_PASSWORD}\" }}\n",
        list(servers),
        list(watchers)
    );
    let dir = home.join(".config/quarterdeck");
    fs::create_dir_all(&dir).expect("a folder");
    fs::write(dir.join("config.toml"), text).expect("a file");
}

#[track_caller]
fn until(terminal: &Terminal, what: &str, test: impl Fn(&str) -> bool) -> String {
    let start = Instant::now();
    loop {
        let text = terminal.text();
        if test(&text) {
            return text;
        }
        assert!(start.elapsed() < FAILOVER * crate::rig::BUSY, "{what}: never; the screen:\n{text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The one entry, as `status` tells it.
fn told(home: &Path) -> serde_json::Value {
    let out = Command::new(binary()).args(["status", "--json", "--timeout", "15"]).env_clear().envs(environment(home)).output().expect("it runs");
    let picture: serde_json::Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    picture["middleware"][0].clone()
}

/// The entry as soon as it has this verdict: `status` asks anew, and may meet the group between two steps of its way.
#[track_caller]
fn told_as(home: &Path, verdict: &str) -> serde_json::Value {
    eventually(&format!("{verdict} in JSON"), FAILOVER, || {
        let group = told(home);
        (group["verdict"] == verdict).then_some(group)
    })
}

fn role(group: &serde_json::Value, address: &str) -> String {
    let members = group["members"].as_array().expect("members");
    members.iter().find(|m| m["address"] == address).map_or_else(String::new, |m| m["role"].as_str().unwrap_or_default().to_owned())
}

/// The tree's line of this member: the first that names it.
fn line<'a>(screen: &'a str, address: &str) -> &'a str {
    screen.lines().find(|l| l.contains(address)).unwrap_or_default()
}

fn failover() {
    let mut servers = replicated(2);
    let watchers: Vec<Server> = hosts(3).iter().map(|host| Server::sentinel(host, &servers[0], 2)).collect();
    for watcher in &watchers {
        eventually("the sentinels know all", Duration::from_secs(30), || {
            let text = watcher.cli(&["SENTINEL", "MASTERS"]).replace('\n', " ");
            (text.contains("num-other-sentinels 2") && text.contains("num-slaves 2")).then_some(())
        });
    }
    let home = tempfile::tempdir().expect("a folder");
    configure(home.path(), &servers, &watchers);
    let terminal = Terminal::start(command(home.path(), &[]), 160, 45);
    until(&terminal, "the group", |s| s.contains("cache") && s.contains("6/6"));
    terminal.send("5\r\r");
    let old = servers[0].address();
    let screen = until(&terminal, "two followers", |s| s.matches("flowing  lag").count() == 2);
    assert!(line(&screen, &old).contains("master") && screen.contains("├─") && screen.contains("└─"), "{screen}");
    told_as(home.path(), "ok");
    assert!(screen.contains("ok for"), "{screen}");

    servers[0].kill();
    let screen = until(&terminal, "a new master and its mark", |s| s.contains("replica → master") && s.contains("fell silent"));
    assert!(screen.contains("Changes"), "{screen}");
    let screen = until(&terminal, "one follows the new one", |s| {
        let masters = servers[1..].iter().filter(|m| line(s, &m.address()).contains("master")).count();
        masters == 1 && s.contains("crit for") && s.contains("flowing")
    });
    let json = told_as(home.path(), "crit");
    for server in &servers[1..] {
        let told = role(&json, &server.address());
        assert!(!told.is_empty() && line(&screen, &server.address()).contains(&told), "{told} of {}:\n{screen}", server.address());
    }

    servers[0].up();
    let screen =
        until(&terminal, "the old one follows", |s| s.contains("ok for") && line(s, &old).contains("replica") && s.matches("flowing  lag").count() == 2);
    assert!(screen.contains("master → replica") && screen.contains("answers again"), "{screen}");
    assert_eq!(role(&told_as(home.path(), "ok"), &old), "replica");

    // The same on the smallest screen that is promised, and back beside the panes.
    terminal.resize(80, 24);
    until(&terminal, "the tree in 80x24", |s| s.lines().next().is_some_and(|l| l.contains("UTC")) && s.matches("flowing  lag").count() == 2);
    terminal.resize(160, 45);
    terminal.send("\x1b");
    until(&terminal, "the panes beside it", |s| s.contains("5 Middleware") && s.contains("Changes"));
}
