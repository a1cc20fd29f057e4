//! The log pane in a pseudo-terminal: over pods that a real kubelet runs, over a file of a host behind a real sshd.

use std::fs;

use libtest_mimic::Trial;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cockpit::configure_hosts;
use crate::components::case;
use crate::kube::{Space, admin, beside_others};
use crate::rig::apiserver::base64;
use crate::rig::eventually;
use crate::rig::sshd::Lab;
use crate::rig::terminal::{PATIENCE, Terminal, command};

pub fn tests() -> Vec<Trial> {
    const PARTS: &[&str] = &["kubernetes"];
    vec![
        case("logview: a pod's log followed, held, filtered, searched, copied, saved", PARTS, beside_others(pod)),
        case("logview: a thousand lines a second stay within 60 KB/s of terminal", PARTS, beside_others(pace)),
        case("logview: a file of a host followed through its rotation, held, filtered, searched, saved", &["sshd", "netns"], file),
    ]
}

/// A cockpit in which a log is open.
struct Bridge {
    home: TempDir,
    terminal: Terminal,
}

impl Bridge {
    /// `keys` open the log; `ready`: what its title then says.
    fn open(home: TempDir, keys: &str, row: impl Fn(&str) -> bool, ready: &str) -> Self {
        let mut command = command(home.path(), &[]);
        command.env("PAGER", format!("cat > {}", home.path().join("paged.txt").display()));
        let terminal = Terminal::start(command, 160, 45);
        terminal.until("the row", |s| s.lines().any(&row));
        terminal.send(keys);
        terminal.until("the log", |s| s.contains("Logs ") && s.contains("following") && s.contains(ready));
        Self { home, terminal }
    }

    /// Over a pod that runs `script`, alone in its namespace.
    fn over_pod(space: &Space, script: &str) -> Self {
        space.pod("talker", "busybox:1.35", &["sh", "-c", script], &json!({}));
        eventually("the pod runs", PATIENCE * 3, || {
            let pod = space.try_send("GET", &space.path("pods/talker"), &Value::Null).ok()?;
            pod["status"]["containerStatuses"][0]["state"]["running"].is_object().then_some(())
        });
        let home = tempfile::tempdir().expect("a folder");
        let dir = home.path().join(".config/quarterdeck");
        fs::create_dir_all(&dir).expect("folder");
        let text = format!("[[cluster]]\nname = \"main\"\nkubeconfig = \"{}\"\nnamespaces = [\"{}\"]\n", admin().display(), space.name);
        fs::write(dir.join("config.toml"), text).expect("config");
        Self::open(home, "4l", |l| l.contains("talker") && l.contains("Running"), "1 live")
    }

    /// A saved file, once its last line is there: an empty one, or one with `end` in it.
    fn file(&self, name: &str, end: &str) -> String {
        let path = self.home.path().join(name);
        eventually(name, PATIENCE, || fs::read_to_string(&path).ok().filter(|t| t.ends_with('\n') && t.contains(end)))
    }
}

/// How many lines are new, by the title.
fn new_lines(screen: &str) -> Option<u64> {
    screen.split_once("paused, ")?.1.split(' ').next()?.replace(',', "").parse().ok()
}

/// The number at the end of the last row that has `word` and a number in it.
fn last_of(screen: &str, word: &str) -> Option<u64> {
    screen.lines().rev().find_map(|l| l.split_once(word)?.1.split_whitespace().next()?.parse().ok())
}

/// Six hundred orders of which six fail, then a line five times a second.
const ORDERS: &str = r#"i=0; while [ $i -lt 600 ]; do case $((i%100)) in
50) echo "2026-11-21 02:14:07 ERROR order $i failed";;
51) printf '\tat com.mall.Order.pay(Order.java:12)\n';;
*) echo "{\"level\":\"info\",\"msg\":\"order $i\",\"status\":$((200+i%7))}";;
esac; i=$((i+1)); done; n=0; while true; do echo "live $n"; n=$((n+1)); sleep 0.2; done"#;

fn pod() {
    let space = Space::new("logview");
    let b = Bridge::over_pod(&space, ORDERS);
    let t = &b.terminal;
    t.until("live lines", |s| last_of(s, "live ").is_some_and(|n| n >= 3));
    t.send("kk");
    let held = t.until("it holds still", |s| new_lines(s).is_some());
    let later = t.until("what is new is counted", |s| new_lines(s).is_some_and(|n| n >= 8));
    assert_eq!(last_of(&held, "live "), last_of(&later, "live "), "what is in sight stays");
    t.send("G");
    t.until("it follows again", |s| s.contains("following") && last_of(s, "live ") > last_of(&held, "live "));

    t.send("z&level>=error -A 1");
    t.until("errors with their stacks", |s| s.contains("order 550 failed") && s.contains("Order.java:12") && last_of(s, "live ").is_none());
    t.send("\r");
    t.until("the filter in the title", |s| s.contains("level>=error -A 1: 12 of"));
    t.send("\x1b");
    t.until("all lines again", |s| last_of(s, "live ").is_some());
    t.send("&.status == 206 /a(/");
    t.wait("no regex: unclosed group");
    t.send("\x1b");
    t.wait_gone("no regex");
    t.send("/order 250 failed\r");
    t.until("the hit", |s| s.contains("ERROR order 250 failed") && s.contains("order 250 failed: 1 of 1"));
    t.send("Vjc");
    let coded = base64("2026-11-21 02:14:07 ERROR order 250 failed\n        at com.mall.Order.pay(Order.java:12)");
    eventually("the selection in the clipboard", PATIENCE, || String::from_utf8_lossy(&t.raw()).contains(&coded).then_some(()));
    t.send("J");
    t.until("columns", |s| s.contains("INFO  order 252") && !s.contains("\"msg\""));

    t.send("\x13kept.log\r");
    let kept = b.file("kept.log", "live ");
    assert!(kept.starts_with("# ") && kept.contains("taken by tests") && kept.contains("order 250 failed"), "{}", &kept[..kept.len().min(400)]);
    assert_eq!(kept.lines().filter(|l| l.contains("\"msg\":\"order ")).count(), 588);
    t.send("\x13\twhole.log\r");
    let whole = b.file("whole.log", "live ");
    assert_eq!(whole.lines().filter(|l| l.contains("\"msg\":\"order ")).count(), 588, "{}", &whole[..whole.len().min(400)]);
    t.send("|");
    assert!(b.file("paged.txt", "live ").contains("order 250 failed"));
    t.wait("Logs ");
    // The search, then the log.
    t.send("\x1b");
    t.wait_gone("1 of 1");
    t.send("\x1b");
    t.wait_gone("Logs ");
}

fn pace() {
    let script = r#"i=0; while true; do j=0; while [ $j -lt 100 ]; do i=$((i+1)); j=$((j+1)); echo "2026-11-21 02:14:07.123  INFO 1 --- [exec-$((i%8))] c.m.order.OrderController : request $i took $((i*7919%997)) ms and found $((i*104729%99991))"; done; sleep 0.1; done"#;
    let space = Space::new("logpace");
    let b = Bridge::over_pod(&space, script);
    let t = &b.terminal;
    t.send("z");
    t.until("the log alone", |s| !s.contains("Problems") && s.contains("request "));
    let number = |s: &str| last_of(s, "request ").unwrap_or(0);
    let (before, first) = (t.bytes(), number(&t.text()));
    let start = std::time::Instant::now();
    eventually("three thousand lines later", PATIENCE * 3, || (number(&t.text()) > first + 3000).then_some(()));
    let (bytes, seconds) = ((t.bytes() - before) as f64, start.elapsed().as_secs_f64());
    // What a burst may take at once is not the pace.
    assert!(bytes <= 48_000.0 + 60_000.0 * seconds && bytes > 1000.0, "{bytes} bytes in {seconds:.1} s");
    // Keys are not behind it.
    t.send("f");
    t.wait("paused");
    let still = t.text();
    let news = new_lines(&still);
    t.until("only the count goes on", |s| new_lines(s) > news);
    assert_eq!(number(&t.text()), number(&still));
}

fn file() {
    let lab = Lab::new();
    let host = lab.host("web-1").start();
    host.run("mkdir -p /srv/log; seq -f '2026-11-21T02:14:07Z level=info msg=\"请求 %g\" status=200' 1 500 >/srv/log/app.log");
    // A writer that opens the file for every line, as a shell script does.
    host.run("(n=0; while [ -d /srv/log ]; do n=$((n+1)); echo \"level=info msg=tick n=$n\" >>/srv/log/app.log; sleep 0.2; done) >/dev/null 2>&1 </dev/null &");
    let home = tempfile::tempdir().expect("a folder");
    configure_hosts(home.path(), &lab, &[&host], &lab.known_hosts());
    let config = home.path().join(".config/quarterdeck/config.toml");
    let text = fs::read_to_string(&config).expect("just written");
    fs::write(&config, text.replace("every = \"2s\"", "every = \"2s\"\nlogs = [\"/srv/log/app.log\"]")).expect("config");
    let b = Bridge::open(home, "1l", |l| l.contains("web-1") && l.contains('%'), "live");
    let t = &b.terminal;
    t.send("z&file:app.log");
    t.send("\r");
    t.until("ticks of the file", |s| s.contains("file:app.log: ") && last_of(s, "n=").is_some());
    // Paused while the file is renamed and begins anew.
    t.send("k");
    let held = t.until("it holds still", |s| new_lines(s).is_some());
    host.run("mv /srv/log/app.log /srv/log/app.log.1");
    let later = t.until("what is new is counted", |s| new_lines(s).is_some_and(|n| n >= 10));
    assert_eq!(last_of(&held, "n="), last_of(&later, "n="), "what is in sight stays");
    t.send("G");
    t.until("the new file is followed", |s| s.contains("following") && s.contains("rotated, the new file goes on") && last_of(s, "n=") > last_of(&held, "n="));
    t.send("/请求 77\r");
    t.until("the hit", |s| s.contains("msg=\"请求 77\"") && s.contains("请求 77: 1 of 1"));
    // Esc takes the search away, then the filter.
    t.send("\x1b");
    t.wait_gone("1 of 1");
    t.send("\x1b");
    t.wait_gone("file:app.log: ");
    t.send("&level>=info !tick /请求 49[0-9]/\r");
    t.until("ten of them", |s| s.contains("请求 490") && s.contains("请求 499") && s.contains(": 10 of"));
    t.send("\x13hits.log\r");
    let saved = b.file("hits.log", "请求 499");
    assert_eq!(saved.lines().filter(|l| l.contains("请求 49")).count() - 1, 10, "ten lines, and the header names the filter: {saved}");
    let ticks: Vec<u64> = {
        t.send("\x1b");
        t.wait_gone(": 10 of");
        t.send("\x13all.log\r");
        let all = b.file("all.log", "msg=tick");
        all.lines().filter_map(|l| l.rsplit_once("msg=tick n=")?.1.parse().ok()).collect()
    };
    assert!(ticks.len() > 10 && ticks.windows(2).all(|w| w[1] == w[0] + 1), "each once, in order, also across the rotation: {ticks:?}");
}
