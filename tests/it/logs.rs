//! Logs of hosts: real files behind a real sshd, a real dockerd, a real journald, and `quarterdeck logs` itself.

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use libtest_mimic::Trial;
use quarterdeck::base::redact::Redactor;
use quarterdeck::link::secret::Secrets;
use quarterdeck::link::shell::{Shell, quote};
use quarterdeck::link::ssh::SshPool;
use quarterdeck::model::log::{Encoding, LogQuery, LogTarget, Mode, Note, Window};
use quarterdeck::port::LogCx;
use quarterdeck::source::log::host::{self, Asked, Mux, Speaks};

use crate::components::{case, said};
use crate::kube::Nobody;
use crate::rig::docker::Docker;
use crate::rig::hear::Hear;
use crate::rig::sshd::Lab;
use crate::rig::terminal::{binary, environment};
use crate::rig::watch::Behind;
use crate::rig::{mysql, rabbitmq, redis};

pub fn tests() -> Vec<Trial> {
    const HOST: &[&str] = &["sshd", "netns"];
    vec![
        case("logs: files over SSH through rotation, truncation and a lost channel", HOST, files),
        case("logs: files rotated twice, emptied and made anew while nobody could look", HOST, away),
        case("logs: a host whose cable is cut for 20 s loses nothing and doubles nothing", HOST, cable),
        case("logs: what is not there, not allowed and not text", HOST, odd_files),
        case("logs: a real journal, carried on by its cursor", &["journald"], journal),
        case("logs: containers of a real dockerd", &["docker"], docker),
        case("logs: quarterdeck logs in a pipe", &[], command_line),
        case("logs: what middleware itself logs, as the configuration names it", &["mariadb", "redis", "rabbitmq"], middleware),
    ]
}

fn query(window: Window, mode: Mode) -> LogQuery {
    LogQuery { targets: vec![LogTarget::Kernel { host: "h".into() }], window, mode, encoding: None }
}

pub fn speak(mux: &Arc<Mux>, cx: &LogCx, window: Window, what: Speaks) -> futures::future::BoxFuture<'static, ()> {
    host::run(Asked::new(mux.clone(), &query(window, Mode::Follow), Encoding::Utf8, cx.clone()), what).boxed()
}

fn mux(shell: Arc<dyn Shell>) -> Arc<Mux> {
    Arc::new(Mux::new("h".into(), shell))
}

fn tail(lines: u64) -> Window {
    Window { tail: Some(lines), ..Window::default() }
}

fn files() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    host.run("mkdir -p /srv/log && seq -f 'a %g' 1 1000 >/srv/log/a.log && echo 'b 0' >/srv/log/b.log");
    let pool = SshPool::new(&[host.spec()], Secrets::new(Arc::new(Nobody), Redactor::default()));
    let mux = mux(pool.shell(host.name(), None));
    let hear = Hear::start(|cx| ["/srv/log/a.log", "/srv/log/b.log"].map(|path| speak(&mux, cx, tail(3), Speaks::File(path.to_owned()))).into_iter().collect());
    hear.line("a 1000", 30);
    hear.line("b 0", 30);
    assert_eq!(hear.lines().iter().filter(|l| l.starts_with("a ")).count(), 3);
    assert_eq!(host.attempts("Starting session: command"), 1, "both share one channel");

    // Renamed while its writer goes on in the old file for a moment; two pieces of one line.
    host.run("cd /srv/log; printf 'a 10' >>a.log; sleep 0.4; echo 01 >>a.log; mv a.log a.log.1; echo 'a 1002' >>a.log.1; echo 'a 1003' >a.log");
    hear.line("a 1003", 30);
    // Copied and emptied.
    host.run("cd /srv/log; cp a.log a.log.2; : >a.log");
    hear.until("the truncation", 30, |h| h.notes().contains(&Note::Truncated).then_some(()));
    host.run("echo 'a 1004' >>/srv/log/a.log");
    hear.line("a 1004", 30);

    // The channel is lost; meanwhile the file goes on, is renamed, and another one begins.
    host.run("pkill -f 'sh -s quarterdec[k]' || true; cd /srv/log; echo 'a 1005' >>a.log; mv a.log a.log.3; echo 'a 1006' >a.log; echo 'b 1' >>b.log");
    hear.line("a 1006", 60);
    hear.line("b 1", 60);
    let lines = hear.lines();
    let of = |letter: &str| lines.iter().filter(|l| l.starts_with(letter)).cloned().collect::<Vec<_>>();
    assert_eq!(of("a "), (998..=1006).map(|n| format!("a {n}")).collect::<Vec<_>>());
    assert_eq!(of("b "), ["b 0", "b 1"]);
    let notes = hear.notes();
    assert_eq!(notes.iter().filter(|n| **n == Note::Rotated).count(), 2, "{notes:?}");
    assert!(notes.iter().any(|n| matches!(n, Note::Cut { .. })) && notes.contains(&Note::Resumed), "{notes:?}");
    assert!(!notes.iter().any(|n| matches!(n, Note::Gap { .. })), "{notes:?}");
    drop(hear);
    crate::rig::eventually("nothing of it goes on there", Duration::from_secs(30), || {
        (host.run("pgrep -f 'sh -s quarterdec[k]' | wc -l").trim() == "0").then_some(())
    });
}

/// What happened to files while the channel was down.
fn away() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    host.run("mkdir -p /srv/log; cd /srv/log; for f in twice zipped grown other; do echo $f 1 >$f.log; done");
    let pool = SshPool::new(&[host.spec()], Secrets::new(Arc::new(Nobody), Redactor::default()));
    let mux = mux(pool.shell(host.name(), None));
    let names = ["twice", "zipped", "grown", "other"];
    let hear = Hear::start(|cx| names.map(|n| speak(&mux, cx, tail(10), Speaks::File(format!("/srv/log/{n}.log")))).into_iter().collect());
    names.iter().for_each(|n| hear.line(&format!("{n} 1"), 60));
    host.run(
        "pkill -f 'sh -s quarterdec[k]' || true; cd /srv/log
        turn() { if [ -e $1.log.1 ]; then mv $1.log.1 $1.log.2; fi; mv $1.log $1.log.1; }
        for f in twice zipped; do echo $f 2 >>$f.log; turn $f; sleep 0.05; echo $f 3 >$f.log; sleep 0.05; turn $f; sleep 0.05; echo $f 4 >$f.log; done
        gzip zipped.log.1
        cp grown.log grown.log.1; : >grown.log; echo 'grown anew, and longer than it was' >>grown.log
        mv other.log app-old; echo 'another file' >other-2.log; echo 'other 2' >other.log",
    );
    // Two files lie between the one that was read and the one that has the name now.
    for line in ["twice 4", "zipped 4", "grown anew", "other 2"] {
        hear.line(line, 90);
    }
    let lines = hear.lines();
    let of = |name: &str| lines.iter().filter(|l| l.starts_with(name)).map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("twice"), ["twice 1", "twice 2", "twice 3", "twice 4"]);
    assert_eq!(of("zipped"), ["zipped 1", "zipped 2", "zipped 4"], "what is compressed cannot be read as it is");
    assert_eq!(of("grown"), ["grown 1", "grown anew, and longer than it was"]);
    assert_eq!((of("other "), of("another")), (vec!["other 1", "other 2"], vec![]), "a file of another name is no part of it");
    // What may be missing is told, and only there.
    let gaps = hear.with(|b| {
        let gap = |(_, (stream, note)): (u64, &(Option<_>, Note))| matches!(note, Note::Gap { .. }).then_some(stream.and_then(|s| b.stream(s)));
        b.notes().filter_map(gap).flatten().map(|s| s.speaker.part().to_owned()).collect::<Vec<_>>()
    });
    assert_eq!(gaps.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), ["/srv/log/grown.log", "/srv/log/zipped.log"].into(), "{gaps:?}");
}

fn cable() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    host.run("mkdir -p /srv/log; (n=0; while [ $n -lt 400 ]; do n=$((n+1)); echo \"count $n\" >>/srv/log/a.log; sleep 0.1; done) >/dev/null 2>&1 </dev/null &");
    let pool = SshPool::new(&[host.spec()], Secrets::new(Arc::new(Nobody), Redactor::default()));
    let mux = mux(pool.shell(host.name(), None));
    let hear = Hear::start(|cx| vec![speak(&mux, cx, Window::default(), Speaks::File("/srv/log/a.log".into()))]);
    hear.line("count 20", 60);
    host.cut();
    let before = hear.lines().len();
    // The cut itself is what is tested, so here a span of time is meant.
    std::thread::sleep(Duration::from_secs(20));
    assert!(hear.lines().len() < before + 20, "the cut does cut");
    host.heal();
    hear.line("count 400", 120);
    assert_eq!(hear.lines(), (1..=400).map(|n| format!("count {n}")).collect::<Vec<_>>(), "{:?}", hear.notes());
    assert!(!hear.notes().iter().any(|n| matches!(n, Note::Gap { .. })), "{:?}", hear.notes());
}

fn odd_files() {
    let lab = Lab::new();
    let mut host = lab.host("web1").user(crate::rig::sshd::User::new("ops")).start();
    host.run("mkdir -p /srv/log; echo secret >/srv/log/root.log; chmod 600 /srv/log/root.log; chmod 777 /srv/log");
    host.run("head -c 10485760 /dev/zero | tr '\\0' x >/srv/log/long.log; printf '\\nafter\\n' >>/srv/log/long.log");
    host.run("head -c 300000 /dev/urandom >/srv/log/noise.log; printf '\\nend of noise\\n' >>/srv/log/noise.log");
    let pool = SshPool::new(&[host.spec()], Secrets::new(Arc::new(Nobody), Redactor::default()));
    let mux = mux(pool.shell(host.name(), None));
    let paths = ["root.log", "later.log", "long.log", "noise.log"];
    let hear = Hear::start(|cx| paths.map(|p| speak(&mux, cx, Window::default(), Speaks::File(format!("/srv/log/{p}")))).into_iter().collect());
    hear.line("after", 60);
    hear.line("end of noise", 60);
    hear.until("the refusal", 30, |h| h.notes().iter().any(|n| matches!(n, Note::Denied { text } if text.contains("root.log"))).then_some(()));
    hear.with(|b| {
        let long = b.ring().from(0).find(|l| l.bytes.starts_with(b"xxxx")).expect("the start of the long line");
        assert_eq!(long.bytes.len() + long.cut as usize, 10 << 20);
        assert!(long.bytes.len() <= 256 << 10);
    });
    host.run("echo 'here I am' >/srv/log/later.log; chmod 644 /srv/log/later.log /srv/log/root.log");
    hear.line("here I am", 30);
    hear.line("secret", 30);
    // Power off and on: another file of the same name, and what was in between nobody knows.
    host.kill();
    host.boot();
    host.run("mkdir -p /srv/log; echo 'after the boot' >/srv/log/later.log");
    hear.line("after the boot", 90);
}

/// A journald with a `/run` of its own.
struct Journald(Child);

impl Journald {
    fn start() -> Self {
        let setup =
            "mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/log/journal /run/systemd/journal && exec /lib/systemd/systemd-journald";
        let child = Command::new("unshare").args(["--mount", "sh", "-c", setup]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let journald = Self(child.expect("unshare"));
        crate::rig::eventually("journald listens", Duration::from_secs(40), || journald.run("echo up | systemd-cat -t start && journalctl -n 1 -q").ok());
        journald
    }

    fn enter(&self) -> String {
        format!("nsenter -t {} -m", self.0.id())
    }

    fn run(&self, line: &str) -> Result<String, String> {
        let out = Command::new("sh").arg("-c").arg(format!("exec {} sh -c {}", self.enter(), quote(line))).stdin(Stdio::null()).output().expect("sh");
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    }

    /// Ends the shells that stay, and only those in here.
    fn cut(&self) {
        let space = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let own = space(&self.0.id().to_string());
        let mut ended = 0;
        for pid in std::fs::read_dir("/proc").unwrap().flatten().filter_map(|e| e.file_name().into_string().ok()).filter(|n| n.parse::<u32>().is_ok()) {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if own.is_some() && space(&pid) == own && String::from_utf8_lossy(&line).starts_with("sh\0-s\0quarterdeck") {
                ended += usize::from(Command::new("kill").arg(&pid).status().unwrap().success());
            }
        }
        assert!(ended > 0, "no channel was open");
    }
}

impl Drop for Journald {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn journal() {
    let journald = Journald::start();
    said("journald", journald.run("journalctl --version").unwrap().lines().next().unwrap_or_default());
    let write = |from: u32, to: u32| {
        let line = format!("for i in $(seq {from} {to}); do echo \"entry $i\"; done | systemd-cat -t tester -p warning");
        journald.run(&line).expect("systemd-cat");
    };
    write(1, 5);
    let mux = mux(Behind::quoted(format!("exec {} sh -c", journald.enter())));
    let hear = Hear::start(|cx| vec![speak(&mux, cx, tail(1000), Speaks::Itself)]);
    hear.line("entry 5", 40);
    write(6, 10);
    hear.line("entry 10", 40);
    journald.cut();
    write(11, 15);
    hear.line("entry 15", 60);
    let entries: Vec<String> = hear.lines().into_iter().filter(|l| l.contains("]: entry ")).collect();
    assert_eq!(entries.len(), 15, "{entries:?}");
    for (i, line) in entries.iter().enumerate() {
        assert!(line.starts_with("warn: tester[") && line.ends_with(&format!("entry {}", i + 1)), "{line}");
    }
    assert!(hear.notes().contains(&Note::Resumed), "{:?}", hear.notes());
}

fn docker() {
    let docker = Docker::start();
    docker.run("run -d --name web --network none bb:1 sh -c 'i=0; while [ $i -lt 200 ]; do echo out $i; i=$((i+1)); done; echo err >&2; sleep 1000'");
    let mux = mux(docker.shell());
    let hear = Hear::start(|cx| {
        let of = |name: &str| Speaks::Container("docker".into(), name.into());
        vec![speak(&mux, cx, Window::default(), of("web")), speak(&mux, cx, Window::default(), of("nobody"))]
    });
    hear.line("out 199", 40);
    hear.line("err", 40);
    hear.until("the missing one is told", 40, |h| h.notes().iter().any(|n| matches!(n, Note::Failed { text } if text.contains("No such"))).then_some(()));
    // Started anew: its lines come after those of before, once each.
    docker.run("restart -t 0 web");
    hear.until("the second life", 60, |h| (h.lines().iter().filter(|l| *l == "out 199").count() == 2).then_some(()));
    let outs: Vec<String> = hear.lines().into_iter().filter(|l| l.starts_with("out ")).collect();
    let once: Vec<String> = (0..200).map(|i| format!("out {i}")).collect();
    assert_eq!(outs, [once.clone(), once].concat());
}

/// Ends with the test.
struct Follow(Child);

impl Drop for Follow {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The error log and the slow log of a real MariaDB, the logs of a real Redis and a real RabbitMQ, followed in one pipe.
fn middleware() {
    let dir = tempfile::tempdir().unwrap();
    let slow = dir.path().join("slow.log");
    let flags = ["--slow-query-log=1".to_owned(), format!("--slow-query-log-file={}", slow.display()), "--long-query-time=0.5".to_owned()];
    let maria = mysql::Server::maria(41, &flags.each_ref().map(String::as_str));
    let mut redis = redis::Server::start("127.0.0.1", "", &[]);
    let broker = rabbitmq::Broker::alone(None);
    broker.ready();
    let (cache, rabbit) = (redis.log(), broker.own_log());
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("c.toml");
    let text = format!(
        "[[host]]\nname = \"here\"\nlocal = true\n\n\
         [[middleware]]\nkind = \"mysql\"\nname = \"orders\"\nmembers = [\"{}\"]\nlogs = [\"here:{}\", \"here:{}\"]\n\n\
         [[middleware]]\nkind = \"redis\"\nname = \"cache\"\nmembers = [\"{}\"]\nlogs = [\"here:{}\"]\n\n\
         [[middleware]]\nkind = \"rabbitmq\"\nname = \"mq\"\nmembers = [\"http://127.0.0.1:{}\"]\nlogs = [\"here:{}\"]\n",
        maria.address(),
        maria.error_log().display(),
        slow.display(),
        redis.address(),
        cache.display(),
        broker.api,
        rabbit.display(),
    );
    std::fs::write(&config, text).unwrap();
    let out = home.path().join("out.jsonl");
    let queries = ["middleware:mysql/orders", "middleware:redis/cache", "middleware:rabbitmq/mq"];
    let follow = Command::new(binary())
        .envs(environment(home.path()))
        .args(["logs", "--config", config.to_str().unwrap(), "--follow", "--output", "json"])
        .args(queries)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _follow = Follow(follow);
    let said = |name: &str, text: &str| {
        crate::rig::eventually(&format!("{text} of {name}"), Duration::from_secs(90), || {
            let lines = std::fs::read_to_string(&out).unwrap();
            let mut objects = lines.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
            objects.find(|o| o["file"].as_str().is_some_and(|f| f.contains(name)) && o["line"].as_str().is_some_and(|l| l.contains(text)))
        })
    };
    said("err.log", "ready for connections");
    said(cache.to_str().unwrap(), "Ready to accept connections");
    said(rabbit.to_str().unwrap(), "Server startup complete");
    // What happens now is there now, with the time that the server itself wrote.
    let before = std::time::SystemTime::now() - Duration::from_secs(2);
    maria.sql("SELECT SLEEP(1), 'a slow one'");
    broker.queue("orders", "classic");
    redis.kill();
    redis.up();
    let slow = said("slow.log", "a slow one");
    let at: jiff::Timestamp = slow["time"].as_str().unwrap().parse().unwrap();
    assert!(std::time::SystemTime::from(at) >= before && at <= jiff::Timestamp::now(), "{slow}");
    crate::rig::eventually("the second life of redis", Duration::from_secs(60), || {
        let lines = std::fs::read_to_string(&out).unwrap();
        (lines.matches("Ready to accept connections").count() == 2).then_some(())
    });
}

pub fn quarterdeck(home: &std::path::Path, args: &[&str]) -> Output {
    Command::new(binary()).envs(environment(home)).args(args).stdin(Stdio::null()).output().expect("quarterdeck")
}

fn command_line() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("c.toml");
    let log = home.path().join("a.log");
    let old = home.path().join("old.log");
    let text: String = (0..50_000).fold(String::new(), |mut all, i| {
        use std::fmt::Write as _;
        let _ = writeln!(all, "2026-11-21T02:{:02}:{:02}Z line {i}", i / 60 % 60, i % 60);
        all
    });
    std::fs::write(&log, &text).unwrap();
    std::fs::write(&old, encoding_rs::GB18030.encode("订单失败\n").0).unwrap();
    let named = format!("[[host]]\nname = \"here\"\nlocal = true\nlogs = [{{ path = \"{}\", encoding = \"gb18030\" }}]\n", old.display());
    std::fs::write(&config, named).unwrap();
    let config = config.to_str().unwrap();
    let file = format!("host:here:{}", log.display());
    let run = |args: &[&str]| quarterdeck(home.path(), &[&["logs", "--config", config], args].concat());

    let whole = run(&[&file]);
    assert_eq!((whole.status.code(), whole.stdout == text.as_bytes()), (Some(0), true), "{}", String::from_utf8_lossy(&whole.stderr));
    let last = run(&[&file, "--tail", "1", "--output", "json"]);
    let object: serde_json::Value = serde_json::from_slice(&last.stdout).unwrap();
    assert_eq!((&object["host"], &object["time"]), (&"here".into(), &"2026-11-21T02:53:19Z".into()), "{object}");
    let pretty = String::from_utf8(run(&[&file, "--tail", "1", "--output", "pretty"]).stdout).unwrap();
    assert!(pretty.starts_with("2026-11-21T02:53:19.000Z here:/") && pretty.ends_with("line 49999\n"), "{pretty}");
    let window = run(&[&file, "--since", "2026-11-21T02:59:58Z", "--until", "2026-11-21T02:59:58Z"]);
    assert!(window.stdout.starts_with(b"2026-11-21T02:59:58Z line"), "{}", String::from_utf8_lossy(&window.stdout));
    let decoded = run(&[&format!("host:here:{}", old.display())]);
    assert_eq!(String::from_utf8(decoded.stdout).unwrap(), "订单失败\n", "the configuration knows its letters");

    // What is missing is said on stderr and by the code; what is there is printed all the same.
    let nothing = run(&["host:here:/nowhere/x.log", &file, "--tail", "2"]);
    assert_eq!((nothing.status.code(), nothing.stdout.iter().filter(|b| **b == b'\n').count()), (Some(1), 2));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("/nowhere/x.log"));
    assert_eq!(run(&["host:hree:/x"]).status.code(), Some(64));
    assert_eq!(run(&["--tail", "x", &file]).status.code(), Some(64));

    // A reader that has seen enough is no error, also while it follows.
    let mut follow = Command::new(binary())
        .envs(environment(home.path()))
        .args(["logs", "--config", config, "--follow", &file])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0_u8; 20];
    std::io::Read::read_exact(follow.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"2026-11-21T02:00:00Z");
    drop(follow.stdout.take());
    let mut more = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    let status = crate::rig::eventually("it ends with its reader", Duration::from_secs(30), || {
        more.write_all(b"another line\n").unwrap();
        follow.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
}
