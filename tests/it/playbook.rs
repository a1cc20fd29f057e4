//! Playbooks run by the built binary on real hosts over SSH: killed, cut, starved and run twice at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::components::case;
use crate::rig::eventually;
use crate::rig::sshd::{Host, Lab, Sudo, User, sh};
use crate::rig::terminal::{Terminal, binary, command, environment};

pub fn tests() -> Vec<Trial> {
    const PARTS: &[&str] = &["sshd", "netns"];
    vec![
        case("playbook: ten steps on three hosts, twice, and taken back", PARTS, ten_steps),
        case("playbook: a plan changes nothing, and read-only means it", PARTS, plan_only),
        case("playbook: killed at every step and resumed, nothing is done twice", PARTS, killed),
        case("playbook: a hang-up lets the step end and begins no other", PARTS, hung_up),
        case("playbook: two runners of one run exclude each other", PARTS, two_runners),
        case("playbook: a failing step says what it means, and is resumed when it is mended", PARTS, failing),
        case("playbook: a host that is cut off is found again", PARTS, cut),
        case("playbook: no space, no act; a full target keeps the old file", PARTS, full),
        case("playbook: in the cockpit: list, plan, arming, answers, a typed phrase", PARTS, in_the_cockpit),
        case("playbook: in the cockpit: values and tags, a failure mended, gone on with and taken back", PARTS, on_from_the_cockpit),
        case("playbook: no secret in any process list, journal, log or export", PARTS, secrets),
    ]
}

const PATIENCE: Duration = Duration::from_secs(60);

/// A home with a configuration for some hosts, and a folder of playbooks.
pub struct Desk {
    pub home: TempDir,
    extra: Vec<(String, String)>,
}

impl Desk {
    pub fn new(lab: &Lab, hosts: &[&Host]) -> Self {
        Self::with(lab, hosts, "root", "")
    }

    pub fn with(lab: &Lab, hosts: &[&Host], user: &str, more: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let ssh = home.path().join("ssh_config");
        let options = format!("Host *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  IdentitiesOnly yes\n", lab.known_hosts().display());
        fs::write(&ssh, options).expect("ssh_config");
        let mut text = String::new();
        for host in hosts {
            text.push_str(&format!(
                "[[host]]\nname = \"{}\"\naddress = \"{}\"\nuser = \"{user}\"\nidentity = \"{}\"\nssh_config = \"{}\"\ngroups = [\"web\"]\n{more}\n",
                host.name(),
                host.address(),
                lab.key().display(),
                ssh.display()
            ));
        }
        Self { home, extra: Vec::new() }.configured(&text)
    }

    /// With this configuration.
    pub fn of(text: &str) -> Self {
        Self { home: tempfile::tempdir().expect("a folder"), extra: Vec::new() }.configured(text)
    }

    fn configured(self, text: &str) -> Self {
        let dir = self.home.path().join(".config/quarterdeck");
        fs::create_dir_all(&dir).expect("folder");
        fs::write(dir.join("config.toml"), text).expect("config");
        self
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.extra.push((name.to_owned(), value.to_owned()));
    }

    /// The variables that [`Self::set`] gave.
    pub fn extra(&self) -> &[(String, String)] {
        &self.extra
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, text).expect("playbook");
        path
    }

    pub fn state(&self) -> PathBuf {
        self.home.path().join(".state/quarterdeck")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut c = Command::new(binary());
        c.env_clear().envs(environment(self.home.path())).envs(self.extra.iter().cloned()).current_dir(self.home.path());
        c.args(args).stdin(Stdio::null());
        c
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().expect("it runs"))
    }

    pub fn start(&self, args: &[&str]) -> Running {
        let out = fs::File::create(self.home.path().join("out.log")).expect("log");
        let child = self.command(args).stdout(out.try_clone().expect("log")).stderr(out).spawn().expect("it starts");
        Running(child)
    }

    /// Names of all runs, the newest first.
    pub fn runs(&self) -> Vec<String> {
        let told: serde_json::Value = serde_json::from_str(&self.run(&["playbook", "runs", "--json"]).expect(0).out).expect("JSON");
        told["runs"].as_array().expect("runs").iter().map(|r| r["run"].as_str().expect("a name").to_owned()).collect()
    }

    /// Of the newest run.
    pub fn journal(&self) -> String {
        let mut runs: Vec<PathBuf> = fs::read_dir(self.state().join("runs")).map(|d| d.filter_map(|e| Some(e.ok()?.path())).collect()).unwrap_or_default();
        runs.sort();
        runs.last()
            .map(|r| String::from_utf8_lossy(&fs::read(r.join("journal.jsonl")).unwrap_or_default()).trim_end_matches('\0').to_owned())
            .unwrap_or_default()
    }

    /// Waits for a record of the newest journal that has all these parts.
    #[track_caller]
    pub fn wait_for(&self, parts: &[&str]) {
        eventually(&format!("a record with {parts:?}"), PATIENCE, || self.journal().lines().any(|l| parts.iter().all(|p| l.contains(p))).then_some(()));
    }
}

/// A run in the background, ended with its guard.
pub struct Running(Child);

impl Running {
    pub fn kill(&mut self) {
        self.0.kill().expect("kill");
        self.0.wait().expect("wait");
    }
    pub fn signal(&self, signal: &str) {
        sh(&format!("kill -{signal} {}", self.0.id()));
    }
    #[track_caller]
    pub fn end(&mut self) -> i32 {
        let child = &mut self.0;
        eventually("the end of the run", PATIENCE, || child.try_wait().expect("wait")).code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    fn of(out: &Output) -> Self {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        Self { code: out.status.code().unwrap_or(-1), out: text(&out.stdout), err: text(&out.stderr) }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.out, self.err);
        self
    }

    /// A count of the recap line of a host.
    #[track_caller]
    pub fn count(&self, host: &str, what: &str) -> u32 {
        let line = self
            .out
            .lines()
            .rev()
            .find(|l| l.starts_with(host) && l.contains(" : ok="))
            .unwrap_or_else(|| panic!("no recap of {host}:\n{}\n{}", self.out, self.err));
        line.split_whitespace().find_map(|w| w.strip_prefix(&format!("{what}="))).and_then(|n| n.parse().ok()).expect("a count")
    }
}

/// Steps that each write a line into a file of the host, `before` and after which they rest.
fn steps(names: &[&str], rest: &str) -> String {
    let mut text = String::from("name: Lines\nowner: tests\nhosts: all\ntasks:\n");
    for name in names {
        text.push_str(&format!(
            "  - name: {name}\n    check:\n      shell: test -e /root/{name}\n    shell: echo {name} >>/root/lines; {rest} touch /root/{name}\n    verify:\n      shell: test -f /root/{name}\n    undo:\n      shell: rm -f /root/{name}; echo undo-{name} >>/root/lines\n"
        ));
    }
    text
}

fn ten_steps() {
    let lab = Lab::new();
    let hosts: Vec<Host> = ["web1", "web2", "web3"].iter().map(|n| lab.host(n).start()).collect();
    let desk = Desk::new(&lab, &hosts.iter().collect::<Vec<_>>());
    let names = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];
    desk.write("lines.yaml", &steps(&names, ""));
    let first = desk.run(&["--write", "playbook", "run", "lines.yaml", "--yes"]).expect(0);
    for host in &hosts {
        assert_eq!((first.count(host.name(), "ok"), first.count(host.name(), "changed")), (10, 10), "{}", first.out);
        assert_eq!(host.run("cat /root/lines"), names.map(|n| format!("{n}\n")).concat());
        assert_eq!(host.attempts("Accepted publickey"), 1, "one login a run: {}", host.log());
    }
    let second = desk.run(&["--write", "playbook", "run", "lines.yaml", "--yes", "--limit", "web1,web2"]).expect(0);
    assert_eq!((second.count("web2", "ok"), second.count("web2", "changed")), (10, 0));
    assert!(!second.out.contains("web3 :"));
    let runs = desk.run(&["playbook", "runs", "--json"]).expect(0);
    let runs: serde_json::Value = serde_json::from_str(&runs.out).expect("JSON");
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(2));
    let journal = desk.state().join("runs").join(runs["runs"][1]["run"].as_str().expect("a name")).join("journal.jsonl");
    assert_eq!(fs::metadata(&journal).expect("journal").permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&journal).expect("journal").contains("SHA256:"), "the targets' identity stands there");
    let script = desk.run(&["playbook", "export", runs["runs"][1]["run"].as_str().expect("a name"), "--script"]).expect(0);
    assert!(script.out.contains("echo s0 >>/root/lines"), "{}", script.out);
    desk.run(&["--write", "playbook", "undo", runs["runs"][1]["run"].as_str().expect("a name"), "--yes"]).expect(0);
    assert_eq!(hosts[2].run("tail -n 10 /root/lines"), names.iter().rev().map(|n| format!("undo-{n}\n")).collect::<String>(), "the last first");
    assert_eq!(hosts[0].run("ls /root | grep -c '^s' || true").trim(), "0");
}

fn plan_only() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    let desk = Desk::new(&lab, &[&host]);
    desk.write("lines.yaml", &(steps(&["s0", "s1"], "") + "  - name: A file\n    copy: {content: \"b\\n\", dest: /root/file}\n    verify:\n      shell: test -f /root/file\n    undo:\n      shell: rm /root/file\n"));
    host.run("touch /root/s1; echo a >/root/file");
    let plan = desk.run(&["playbook", "run", "lines.yaml", "--check", "--diff"]).expect(0);
    let line = |name: &str| plan.out.lines().skip_while(|l| !l.starts_with(name)).nth(1).unwrap_or_default().trim().to_owned();
    assert!(line("s0").starts_with("to do") && line("s1").starts_with("done"), "{}", plan.out);
    assert!(plan.out.contains("-a") && plan.out.contains("+b"), "{}", plan.out);
    assert_eq!(host.run("ls /root/lines /root/s0 2>/dev/null | wc -l; cat /root/file"), "0\na\n");
    assert!(!desk.state().join("runs").exists(), "a plan writes nothing");
    let refused = desk.run(&["playbook", "run", "lines.yaml", "--yes"]).expect(1);
    assert!(refused.err.contains("read-only") && refused.err.contains("--write"), "{}", refused.err);
    let config = desk.home.path().join(".config/quarterdeck/config.toml");
    let locked =
        fs::read_to_string(&config).expect("config") + "\n[[environment]]\nname = \"pro\"\ncolor = \"red\"\nread_only = \"locked\"\ngroups = [\"web\"]\n";
    fs::write(&config, locked).expect("config");
    let refused = desk.run(&["--write", "playbook", "run", "lines.yaml", "--yes"]).expect(1);
    assert!(refused.err.contains("pro is locked"), "{}", refused.err);
    assert_eq!(host.run("ls /root/lines 2>/dev/null | wc -l").trim(), "0");
}

fn killed() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    let desk = Desk::new(&lab, &[&host]);
    let names = ["s0", "s1", "s2"];
    desk.write("lines.yaml", &steps(&names, "sleep 1;"));
    for (at, name) in names.iter().enumerate() {
        host.run("rm -f /root/lines /root/s?");
        let _ = fs::remove_dir_all(desk.state().join("runs"));
        let mut run = desk.start(&["--write", "playbook", "run", "lines.yaml", "--yes"]);
        // In the middle of its act: the line is written, the rest is not.
        desk.wait_for(&["\"record\":\"began\"", "\"phase\":\"act\"", &format!("\"name\":\"{name}\"")]);
        eventually("the act's first half", PATIENCE, || host.run("cat /root/lines 2>/dev/null || true").contains(name).then_some(()));
        run.kill();
        assert!(desk.run(&["playbook", "runs"]).expect(0).out.contains("killed"));
        let resumed = desk.run(&["--write", "playbook", "resume", "last", "--yes"]).expect(0);
        assert_eq!(host.run("cat /root/lines"), "s0\ns1\ns2\n", "killed at step {at}: nothing twice, nothing left out\n{}", resumed.out);
        assert_eq!(host.run("ls /root | grep -c '^s[0-9]'").trim(), "3");
        assert!(desk.run(&["playbook", "runs"]).expect(0).out.contains("finished"));
    }
}

fn hung_up() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    let desk = Desk::new(&lab, &[&host]);
    desk.write("lines.yaml", &steps(&["s0", "s1"], "sleep 2;"));
    let mut run = desk.start(&["--write", "playbook", "run", "lines.yaml", "--yes"]);
    eventually("the act's first half", PATIENCE, || host.run("cat /root/lines 2>/dev/null || true").contains("s0").then_some(()));
    run.signal("HUP");
    assert_eq!(run.end(), 99);
    assert_eq!(host.run("cat /root/lines; ls /root/s0"), "s0\n/root/s0\n", "what was in flight came to its end, and nothing else began");
    let said = fs::read_to_string(desk.home.path().join("out.log")).expect("log");
    let resume = said.lines().find_map(|l| l.strip_prefix("go on with: ")).expect("the resume command is told").to_owned();
    let words: Vec<&str> = resume.split_whitespace().skip(1).chain(["--yes"]).collect();
    assert!(desk.journal().lines().last().expect("a record").contains("\"why\":\"stopped\""), "{}", desk.journal());
    desk.run(&words).expect(0);
    assert_eq!(host.run("cat /root/lines"), "s0\ns1\n");
}

fn two_runners() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    let desk = Desk::new(&lab, &[&host]);
    desk.write("lines.yaml", &steps(&["s0"], "while [ ! -e /root/go ]; do sleep 0.1; done;"));
    let mut run = desk.start(&["--write", "playbook", "run", "lines.yaml", "--yes"]);
    desk.wait_for(&["\"phase\":\"act\""]);
    let second = desk.run(&["--write", "playbook", "resume", "last", "--yes"]).expect(1);
    assert!(second.err.contains("another process"), "{}", second.err);
    assert!(desk.run(&["playbook", "runs"]).expect(0).out.contains("running"));
    host.run("touch /root/go");
    assert_eq!(run.end(), 0);
    assert_eq!(host.run("cat /root/lines"), "s0\n");
}

fn failing() {
    let lab = Lab::new();
    let hosts: Vec<Host> = ["web1", "web2"].iter().map(|n| lab.host(n).start()).collect();
    let desk = Desk::new(&lab, &hosts.iter().collect::<Vec<_>>());
    let more = "  - name: Needs a file\n    check:\n      shell: test -e /root/made\n    shell: |\n      for n in 1 2 3; do echo line $n; done\n      cat /root/needed >/root/made || { rm -f /root/made; echo 'E42 no such thing' >&2; exit 7; }\n    verify:\n      shell: test -f /root/made\n    undo:\n      shell: rm -f /root/made\n    hints:\n      - {match: E42, means: The thing is not there, fix: Put it there}\n";
    desk.write("lines.yaml", &(steps(&["s0"], "") + more));
    hosts[0].run("touch /root/needed");
    let failed = desk.run(&["--write", "playbook", "run", "lines.yaml", "--yes"]).expect(2);
    assert_eq!((failed.count("web1", "failed"), failed.count("web2", "failed")), (0, 1));
    for part in ["line 3", "E42 no such thing", "The thing is not there", "Put it there", "playbook resume"] {
        assert!(failed.err.contains(part), "{part} is not told:\n{}", failed.err);
    }
    hosts[1].run("touch /root/needed");
    let resumed = desk.run(&["--write", "playbook", "resume", "last", "--yes"]).expect(0);
    assert_eq!(hosts[1].run("cat /root/lines; ls /root/made"), "s0\n/root/made\n", "{}", resumed.out);
    assert_eq!(hosts[0].run("cat /root/lines"), "s0\n", "who was through is left alone");
}

fn cut() {
    let lab = Lab::new();
    let hosts: Vec<Host> = ["web1", "web2"].iter().map(|n| lab.host(n).start()).collect();
    let desk = Desk::new(&lab, &hosts.iter().collect::<Vec<_>>());
    let text = steps(&["s0", "s1"], "sleep 1;").replace("    verify:\n", "    timeout: 4\n    verify:\n      timeout: 5\n");
    desk.write("lines.yaml", &text);
    let mut run = desk.start(&["--write", "playbook", "run", "lines.yaml", "--yes"]);
    eventually("the first half of s1", PATIENCE, || hosts[0].run("cat /root/lines 2>/dev/null || true").contains("s1").then_some(()));
    hosts[0].cut();
    let code = run.end();
    let said = fs::read_to_string(desk.home.path().join("out.log")).expect("log");
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("unknown") || said.contains("unreachable") || said.contains("nobody knows"), "{said}");
    assert_eq!(hosts[1].run("ls /root/s1").trim(), "/root/s1", "the others went on: {said}");
    hosts[0].heal();
    desk.run(&["--write", "playbook", "resume", "last", "--yes"]).expect(0);
    assert_eq!(hosts[0].run("cat /root/lines"), "s0\ns1\n", "what had been begun is not begun again");
}

/// A small file system of its own, gone with its guard.
struct Small(PathBuf);

impl Small {
    fn new(path: &Path, size: &str) -> Self {
        fs::create_dir_all(path).expect("folder");
        sh(&format!("mount -t tmpfs -o size={size},mode=700 tmpfs {}", path.display()));
        Self(path.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn full() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    let desk = Desk::new(&lab, &[&host]);
    let more = "  - name: A big file\n    copy: {src: big, dest: /small/file}\n    verify:\n      shell: test $(wc -c </small/file) = 600000\n    undo: {none: it is only a test}\n";
    desk.write("lines.yaml", &(steps(&["s0"], "") + more));
    desk.write("big", &"x".repeat(600_000));
    let small = Small::new(&desk.state(), "300k");
    let refused = desk.run(&["--write", "playbook", "run", "lines.yaml", "--yes"]).expect(1);
    assert!(refused.err.contains("no space") && refused.err.contains("Nothing was done"), "{}", refused.err);
    assert_eq!(host.run("ls /root/lines 2>/dev/null | wc -l").trim(), "0", "no space, no act");
    drop(small);
    host.run("mkdir /small && mount -t tmpfs -o size=200k tmpfs /small && echo old >/small/file");
    let failed = desk.run(&["--write", "playbook", "run", "lines.yaml", "--yes"]).expect(2);
    assert!(failed.err.contains("No space left"), "{}", failed.err);
    assert_eq!(host.run("cat /small/file; ls -A /small"), "old\nfile\n", "the old file is whole, and nothing half-written lies beside it");
    host.run("mount -o remount,size=2m /small");
    desk.run(&["--write", "playbook", "resume", "last", "--yes"]).expect(0);
    assert_eq!(host.run("wc -c </small/file; cat /root/lines"), "600000\ns0\n");
}

/// Watches every process of this machine, those inside the hosts too, for a text in its command line or environment dump.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Vec<String>>>,
}

impl Watcher {
    pub fn new(secrets: &[&str]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (end, secrets): (_, Vec<Vec<u8>>) = (stop.clone(), secrets.iter().map(|s| s.as_bytes().to_vec()).collect());
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !end.load(Ordering::SeqCst) {
                for entry in fs::read_dir("/proc").expect("/proc").flatten() {
                    let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                    if secrets.iter().any(|s| line.windows(s.len()).any(|w| w == s)) {
                        seen.push(String::from_utf8_lossy(&line).into_owned());
                    }
                }
            }
            seen
        });
        Self { stop, thread: Some(thread) }
    }

    pub fn seen(mut self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().expect("once").join().expect("watcher")
    }
}

fn secrets() {
    let lab = Lab::new();
    let (sudo_pw, app_pw) = ("sudo-Pw7x", "app-$ecret'9 \\z");
    let host = lab.host("web1").user(User::new("ops").password(sudo_pw).sudo(Sudo::WithPassword)).start();
    let mut desk = Desk::with(&lab, &[&host], "ops", "become = \"sudo\"\nbecome_password = { env = \"SUDO_PW\" }\n");
    desk.set("SUDO_PW", sudo_pw);
    desk.set("QUARTERDECK_VAR_pw", app_pw);
    let text = r#"name: Secrets
owner: tests
hosts: all
vars_prompt:
  - {name: pw, prompt: Password, private: true}
tasks:
  - name: By stdin as root
    become: true
    shell: {cmd: "sleep 0.3; cat >/root/by-stdin; id -u >/root/who", stdin: "{{ pw }}"}
    verify: {shell: "test -s /root/by-stdin", become: true}
    undo: {none: a test}
  - name: By environment
    become: true
    environment: {PW: "{{ pw }}"}
    shell: sleep 0.3; printf %s "$PW" >/root/by-env; echo "I was told $PW"
    verify: {shell: "test -s /root/by-env", become: true}
    undo: {none: a test}
  - name: A file
    become: true
    copy: {content: "password={{ pw }}\n", dest: /root/file, mode: "0600"}
    verify: {shell: "test -s /root/file", become: true}
    undo: {none: a test}
"#;
    desk.write("secrets.yaml", text);
    let watcher = Watcher::new(&[sudo_pw, app_pw]);
    let ran = desk.run(&["--write", "playbook", "run", "secrets.yaml", "--yes", "--diff"]).expect(0);
    let export = desk.run(&["playbook", "export", "last"]).expect(0);
    let told = desk.run(&["playbook", "runs", "last", "--json"]).expect(0);
    let seen = watcher.seen();
    assert!(seen.is_empty(), "a secret stood in a process list: {seen:?}");
    assert_eq!(host.run("cat /root/by-stdin /root/by-env; cat /root/who /root/file"), format!("{app_pw}{app_pw}0\npassword={app_pw}\n"));
    assert!(ran.out.contains("I was told ***"), "{}", ran.out);
    for (what, text) in [("screen", &(ran.out + &ran.err)), ("export", &export.out), ("runs", &told.out), ("journal", &desk.journal())] {
        for secret in [sudo_pw, app_pw] {
            let escaped = serde_json::to_string(secret).expect("JSON");
            assert!(!text.contains(secret) && !text.contains(escaped.trim_matches('"')), "a secret in the {what}:\n{text}");
        }
    }
    for entry in fs::read_dir(desk.state().join("log")).into_iter().flatten().flatten() {
        let log = fs::read_to_string(entry.path()).unwrap_or_default();
        assert!(!log.contains(app_pw) && !log.contains(sudo_pw));
    }
    // What would put one there is refused before it runs.
    let pasted = text
        .split("  - name: By environment")
        .next()
        .expect("head")
        .replace("cat >/root/by-stdin; id -u >/root/who\", stdin: \"{{ pw }}\"", "echo {{ pw | quote }} >/root/pasted\"");
    desk.write("pasted.yaml", &pasted);
    let watcher = Watcher::new(&[app_pw]);
    let refused = desk.run(&["--write", "playbook", "run", "pasted.yaml", "--yes"]);
    assert_ne!(refused.code, 0, "{}", refused.out);
    assert!(watcher.seen().is_empty() && host.run("ls /root/pasted 2>/dev/null | wc -l").trim() == "0");
}

fn on_from_the_cockpit() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    let desk = Desk::new(&lab, &[&host]);
    let books = desk.home.path().join(".config/quarterdeck/playbooks");
    fs::create_dir_all(&books).expect("folder");
    let step = |name: &str, tag: &str, file: &str, how: &str| {
        format!(
            "  - name: {name}\n    tags: [{tag}]\n    shell: {how} touch /root/{file}-{{{{ word | quote }}}}\n    verify:\n      shell: test -e /root/{file}-{{{{ word | quote }}}}\n    undo:\n      shell: rm -f /root/{file}-{{{{ word | quote }}}}\n"
        )
    };
    let book = format!(
        "name: Files\nowner: tests\nhosts: all\nvars_prompt:\n  - {{name: word, prompt: Which word}}\ntasks:\n{}{}{}",
        step("The first", "one", "a", ""),
        step("The second", "one", "b", "test -e /root/allowed && "),
        step("The third", "two", "c", "")
    );
    fs::write(books.join("files.yaml"), book).expect("playbook");
    let made = || host.run("cd /root; ls | grep '^[abc]-' | tr '\\n' ' '").trim().to_owned();
    let mut t = Terminal::start(command(desk.home.path(), &[]), 160, 45);
    t.wait("web1");
    t.send(":write 15m\r");
    t.wait_gone("READ-ONLY");
    // Values and tags behind the name: nothing is asked that was said.
    t.send("Pfiles -e word=x --tags one\r");
    t.wait("y begins");
    t.send("y");
    t.wait("y yes");
    t.send("c");
    t.wait("it failed");
    assert_eq!(made(), "a-x");
    t.send("q");
    t.wait("playbook resume");
    // Mended, and gone on with from the list.
    host.run("touch /root/allowed");
    t.send("P");
    t.wait("goes on with it");
    t.send("-files\r");
    t.wait("u takes back");
    assert_eq!(made(), "a-x");
    t.send("r");
    t.wait("y yes");
    t.send("y");
    t.wait("finished");
    assert_eq!(made(), "a-x b-x", "of the tag that was chosen, no more");
    t.send("P");
    t.wait("enter takes it back");
    t.send("-files\r");
    t.wait("The second (web1)");
    t.send("u");
    t.wait("finished");
    eventually("taken back", PATIENCE, || made().is_empty().then_some(()));
    t.send("Pfiles --tag one\r");
    t.wait("did you mean `--tags`?");
    t.send("q");
    assert_eq!(t.end(), 0);
    let runs = desk.run(&["playbook", "runs"]).expect(0).out;
    assert!(runs.contains("undone") && runs.lines().count() == 1, "one run from its begin to its end: {runs}");
    let acts = fs::read_to_string(desk.state().join("acts.jsonl")).expect("acts");
    assert!(acts.contains("\"act\":\"resume\"") && acts.contains("\"act\":\"undo\""), "{acts}");
}

fn in_the_cockpit() {
    let lab = Lab::new();
    let host = lab.host("web1").start();
    let desk = Desk::new(&lab, &[&host]);
    let books = desk.home.path().join(".config/quarterdeck/playbooks");
    fs::create_dir_all(&books).expect("folder");
    let more = "  - name: Wipe it\n    danger: destructive\n    check:\n      shell: test ! -e /root/lines\n    shell: rm /root/lines; echo wiped as asked\n    verify:\n      shell: test ! -e /root/lines\n    undo: {none: it is gone}\n";
    fs::write(books.join("lines.yaml"), steps(&["s0"], "sleep 0.2; echo live words;") + more).expect("playbook");
    fs::write(books.join("other.yaml"), steps(&["s0"], "").replace("Lines", "Another one")).expect("playbook");
    let mut t = Terminal::start(command(desk.home.path(), &[]), 160, 45);
    t.wait("web1");
    t.wait("READ-ONLY");
    t.send("P");
    t.wait("Another one");
    t.send("line");
    t.wait_gone("Another one");
    t.send("\r");
    t.wait("y begins");
    assert!(t.text().contains("to do"), "{}", t.text());
    t.send("y");
    t.wait(":write 15m");
    assert_eq!(host.run("ls /root/lines 2>/dev/null | wc -l").trim(), "0", "read-only means it");
    t.send(":write 15m\r");
    t.wait_gone("READ-ONLY");
    t.send("y");
    t.wait("y yes");
    t.send("y");
    t.wait("type web1");
    assert_eq!(host.run("cat /root/lines"), "s0\n");
    t.send("web2\r");
    t.wait("is not web1");
    assert_eq!(host.run("cat /root/lines"), "s0\n");
    t.send("web1\r");
    t.wait("finished");
    assert_eq!(host.run("ls /root/lines 2>/dev/null | wc -l").trim(), "0");
    t.send("q");
    assert_eq!(t.end(), 0);
    let acts = fs::read_to_string(desk.state().join("acts.jsonl")).expect("acts");
    assert!(acts.contains("\"act\":\"write\"") && acts.contains("\"act\":\"run-end\"") && acts.contains("QUARTERDECK_USER"), "{acts}");
    assert!(desk.run(&["playbook", "runs"]).expect(0).out.contains("finished"));
}
