//! The built binary in a pseudo-terminal, as a person has it before them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::components::case;
use crate::rig::eventually;
use crate::rig::sshd::{Host, Lab};
use crate::rig::terminal::{PATIENCE, Terminal, binary, command, environment};

pub fn tests() -> Vec<Trial> {
    vec![
        case("cockpit: with no configuration it shows this machine", &[], no_configuration),
        case("cockpit: it survives every size and comes back", &[], sizes),
        case("cockpit: a key pressed while the window changes its size is not lost", &[], key_beside_resize),
        case("cockpit: a broken configuration is a row that says why", &[], broken_configuration),
        case("cockpit: SIGTERM gives the terminal back", &[], || signalled("TERM")),
        case("cockpit: SIGHUP gives the terminal back", &[], || signalled("HUP")),
        case("cockpit: a panic gives the terminal back", &[], panicked),
        case("cockpit: an idle screen sends nothing", &[], idle),
        case("cockpit: filter, help, command line, themes", &[], keys),
        case("cockpit: without a terminal it prints the picture", &[], piped),
        case("cockpit: ASCII, no colour, a terminal that says nothing of itself", &[], poor_terminal),
        case("cockpit: inside tmux", &["tmux"], in_tmux),
        case("cockpit: hosts over SSH are lost, frozen and found again, the others live on", &["sshd", "netns"], hosts_lost_and_found),
        case("cockpit: an unknown host key is asked about, and no means no", &["sshd", "netns"], unknown_key),
        case("cockpit: the layout and the user's themes", &[], layout_and_themes),
        case("cockpit: status over SSH, as JSON", &["sshd", "netns"], status_over_ssh),
    ]
}

/// One host, this machine, with a name of our own: what is on the screen does not depend on where the tests run.
fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    configure(home.path(), "[[host]]\nname = \"桥楼-1\"\nlocal = true\n");
    home
}

fn configure(home: &Path, text: &str) {
    let dir = home.join(".config/quarterdeck");
    fs::create_dir_all(&dir).expect("folder");
    fs::write(dir.join("config.toml"), text).expect("config");
}

fn restored(terminal: &Terminal) {
    eventually("the ordinary screen", PATIENCE, || (!terminal.in_alternate_screen() && !terminal.hides_cursor()).then_some(()));
    let raw = terminal.raw();
    let raw = String::from_utf8_lossy(&raw);
    for (what, on, off) in [("bracketed paste", "\x1b[?2004h", "\x1b[?2004l"), ("the alternate screen", "\x1b[?1049h", "\x1b[?1049l")] {
        if let Some(set) = raw.rfind(on) {
            assert!(raw.rfind(off).is_some_and(|unset| unset > set), "{what} was left on");
        }
    }
}

fn no_configuration() {
    let home = tempfile::tempdir().expect("a folder");
    let mut t = Terminal::start(command(home.path(), &[]), 160, 45);
    let name = fs::read_to_string("/proc/sys/kernel/hostname").expect("hostname");
    let shown: String = name.trim().chars().take(6).collect();
    t.wait(&shown);
    t.wait("READ-ONLY");
    t.send("q");
    assert_eq!(t.end(), 0);
    restored(&t);
}

fn sizes() {
    let home = home();
    let t = Terminal::start(command(home.path(), &[]), 160, 45);
    t.wait("桥楼-1");
    for (columns, rows) in [(80, 24), (60, 20), (20, 5), (3, 2), (1, 1), (300, 90), (80, 24)] {
        t.resize(columns, rows);
        std::thread::sleep(Duration::from_millis(150));
    }
    t.send("1");
    t.wait("桥楼-1");
    t.resize(160, 45);
    t.wait("桥楼-1");
}

/// The signal of a new size and the byte of a key wake the reader together: neither may hide the other. Escape is a key of one byte that no
/// later byte would bring to light. The chance is good where the machine is busy, so it is.
fn key_beside_resize() {
    let home = home();
    let t = Terminal::start(command(home.path(), &[]), 160, 45);
    t.wait("桥楼-1");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let _stop = Raised(&over);
        for round in 0..40 {
            t.send(":");
            t.until(&format!("the command line, round {round}"), typing);
            let width = if round % 2 == 0 { 80 } else { 160 };
            t.resize(100, 24);
            t.resize(width, 45);
            t.send("\x1b");
            t.until(&format!("no command line in round {round}, {width} wide"), |s| {
                let clock = s.lines().next().unwrap_or_default().trim_end().chars().count();
                !typing(s) && (usize::from(width) - 4..=usize::from(width)).contains(&clock)
            });
        }
    });
}

/// Raised at the end, a failed one too.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Whether the command line is open.
fn typing(screen: &str) -> bool {
    screen.lines().last().is_some_and(|l| l.trim_start().starts_with(':'))
}

fn broken_configuration() {
    let home = tempfile::tempdir().expect("a folder");
    configure(home.path(), "[[host]]\nname = \"good\"\nlocal = true\n\n[[host]]\nname = \"bad\"\naddress = \"127.0.0.1\"\nprot = 22\n");
    let mut t = Terminal::start(command(home.path(), &[]), 160, 45);
    t.until("both rows", |s| s.contains("good") && s.contains("bad"));
    t.send("q");
    assert_eq!(t.end(), 0);
    let out = Command::new(binary()).args(["config", "check"]).env_clear().envs(environment(home.path())).output().expect("config check");
    let said = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("config.toml:8:1") && said.contains("prot") && said.contains("port"), "{said}");
    assert!(!out.status.success());
}

fn signalled(signal: &str) {
    let home = home();
    let mut t = Terminal::start(command(home.path(), &[]), 120, 40);
    t.wait("桥楼-1");
    t.signal(signal);
    t.end();
    restored(&t);
}

fn panicked() {
    let home = home();
    let mut c = command(home.path(), &[]);
    // Known to debug builds only.
    c.env("QUARTERDECK_TEST_PANIC", "1");
    let mut t = Terminal::start(c, 120, 40);
    t.wait("桥楼-1");
    assert_ne!(t.end(), 0);
    restored(&t);
    assert!(t.text().contains("panic") || String::from_utf8_lossy(&t.raw()).contains("panic"), "{}", t.text());
}

fn idle() {
    let home = tempfile::tempdir().expect("a folder");
    // Nothing that changes: one host that does not exist.
    configure(home.path(), "[[host]]\nname = \"nowhere\"\naddress = \"127.0.0.1\"\nport = 9\n");
    let t = Terminal::start(command(home.path(), &[]), 160, 45);
    t.wait("nowhere");
    t.until("the refusal", |s| s.contains("unreachable") || s.contains("refused"));
    std::thread::sleep(Duration::from_secs(2));
    // The clock in the header moves once a second: it is the one thing that may repaint.
    let before = t.bytes();
    std::thread::sleep(Duration::from_secs(4));
    let sent = t.bytes() - before;
    assert!(sent < 800, "{sent} bytes in four idle seconds");
}

fn keys() {
    let home = home();
    let mut t = Terminal::start(command(home.path(), &[]), 160, 45);
    t.wait("桥楼-1");
    t.send("1/zzz");
    t.wait_gone("桥楼-1");
    t.send("\x1b");
    t.wait("桥楼-1");
    t.send("?");
    t.wait("this help");
    t.send("\x1b");
    t.wait_gone("this help");
    t.send(":sources\r");
    t.until("the sources", |s| s.contains("live"));
    t.send("\x1b");
    t.send(":theme paper\r");
    std::thread::sleep(Duration::from_millis(200));
    t.send(":nosuchthing\r");
    t.wait("nosuchthing");
    t.send("\x1b");
    t.send(":quit\r");
    assert_eq!(t.end(), 0);
    restored(&t);
}

fn piped() {
    let home = home();
    let out = Command::new(binary()).env_clear().envs(environment(home.path())).stdin(Stdio::null()).output().expect("it runs");
    let (said, told) = (String::from_utf8_lossy(&out.stdout).into_owned(), String::from_utf8_lossy(&out.stderr).into_owned());
    assert!(said.contains("hosts") && !said.contains('\x1b'), "{said}");
    assert!(told.contains("terminal"), "it says why it does not draw: {told}");
    let out = Command::new(binary()).args(["status", "--json"]).env_clear().envs(environment(home.path())).output().expect("it runs");
    let picture: serde_json::Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    assert_eq!(picture["schema"], "quarterdeck.status/1");
    assert_eq!(picture["hosts"][0]["name"], "桥楼-1");
    assert_eq!(picture["hosts"][0]["freshness"]["state"], "live");
    assert!(picture["hosts"][0]["vitals"]["memory_total_bytes"].as_u64().expect("a number") > 1 << 20);
    let code = ["ok", "warn", "crit", "unknown"].iter().position(|v| picture["verdict"] == *v).expect("a verdict");
    assert_eq!(out.status.code(), i32::try_from(code).ok());
}

fn poor_terminal() {
    let home = home();
    let mut c = command(home.path(), &[]);
    c.env("TERM", "screen");
    c.env("LANG", "C");
    c.env("NO_COLOR", "1");
    let mut t = Terminal::start(c, 80, 24);
    t.wait("READ-ONLY");
    t.until("a host", |s| s.contains("-1"));
    let raw = t.raw();
    let raw = String::from_utf8_lossy(&raw).into_owned();
    assert!(!raw.contains("\x1b[38;") && !raw.contains("\x1b[48;"), "colours in spite of NO_COLOR");
    assert!(!raw.contains('│') && !raw.contains('●'), "glyphs that a C locale cannot show");
    t.send("q");
    assert_eq!(t.end(), 0);
}

fn in_tmux() {
    let home = home();
    let socket = format!("quarterdeck-{}", std::process::id());
    let tmux = |args: &[&str]| {
        let out = Command::new("tmux").args(["-L", &socket, "-f", "/dev/null"]).args(args).env_remove("TMUX").env("LANG", "C.UTF-8").output().expect("tmux");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    struct Server(String);
    impl Drop for Server {
        fn drop(&mut self) {
            let _ = Command::new("tmux").args(["-L", &self.0, "kill-server"]).output();
        }
    }
    let _server = Server(socket.clone());
    let vars: Vec<String> = environment(home.path()).into_iter().map(|(k, v)| format!("{k}='{v}'")).collect();
    let line = format!("env {} {}; echo 'back with '$?; sleep 60", vars.join(" "), binary());
    tmux(&["new-session", "-d", "-x", "100", "-y", "30", &line]);
    eventually("the host in tmux", PATIENCE, || tmux(&["capture-pane", "-p"]).contains("桥楼-1").then_some(()));
    tmux(&["resize-window", "-x", "160", "-y", "45"]);
    eventually("all panes", PATIENCE, || {
        let s = tmux(&["capture-pane", "-p"]);
        (s.contains("桥楼-1") && s.lines().next().is_some_and(|l| l.trim_end().chars().count() > 100)).then_some(())
    });
    tmux(&["send-keys", "q"]);
    eventually("the shell", PATIENCE, || tmux(&["capture-pane", "-p"]).contains("back with 0").then_some(()));
}

/// A configuration of these hosts, with an ssh_config that knows the lab's keys only.
pub fn configure_hosts(home: &Path, lab: &Lab, hosts: &[&Host], known: &Path) {
    let ssh = home.join("ssh_config");
    fs::write(&ssh, format!("Host *\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n  IdentitiesOnly yes\n", known.display())).expect("ssh_config");
    let entries: String = hosts
        .iter()
        .map(|h| {
            format!(
                "[[host]]\nname = \"{}\"\naddress = \"{}\"\nuser = \"root\"\nidentity = \"{}\"\nssh_config = \"{}\"\nevery = \"2s\"\n\n",
                h.name(),
                h.address(),
                lab.key().display(),
                ssh.display()
            )
        })
        .collect();
    configure(home, &entries);
}

/// The row of a host in the pane of hosts: its glyph comes first.
fn row_of(screen: &str, name: &str) -> String {
    screen.lines().skip(2).find(|l| l.contains(name)).unwrap_or_default().chars().take(60).collect()
}

fn hosts_lost_and_found() {
    let lab = Lab::new();
    let (mut first, second) = (lab.host("kvm-one").start(), lab.host("kvm-two").start());
    let home = tempfile::tempdir().expect("a folder");
    configure_hosts(home.path(), &lab, &[&first, &second], &lab.known_hosts());
    let t = Terminal::start(command(home.path(), &[]), 160, 45);
    let live = |s: &str, name: &str| row_of(s, name).contains('%');
    t.until("both hosts", |s| live(s, "kvm-one") && live(s, "kvm-two"));
    second.freeze();
    t.until("the frozen host is unknown", |s| row_of(s, "kvm-two").contains('?'));
    assert!(live(&t.text(), "kvm-one"));
    second.thaw();
    t.until("the thawed host is back", |s| live(s, "kvm-two") && !row_of(s, "kvm-two").contains('?'));
    first.kill();
    t.until("the killed host is unknown", |s| row_of(s, "kvm-one").contains('?'));
    assert!(live(&t.text(), "kvm-two") && !row_of(&t.text(), "kvm-two").contains('?'));
    first.boot();
    t.until("the booted host is back", |s| live(s, "kvm-one") && !row_of(s, "kvm-one").contains('?'));
}

fn unknown_key() {
    let lab = Lab::new();
    let host = lab.host("kvm-new").start();
    let home = tempfile::tempdir().expect("a folder");
    let known = home.path().join("known_hosts");
    fs::write(&known, "").expect("an empty file");
    configure_hosts(home.path(), &lab, &[&host], &known);
    let t = Terminal::start(command(home.path(), &[]), 120, 40);
    t.wait("SHA256:");
    t.send("n");
    t.wait_gone("SHA256:");
    t.until("the refusal", |s| s.contains("auth-lost") || s.contains("refused") || s.contains("not known") || row_of(s, "kvm-new").contains('?'));
    assert_eq!(fs::read_to_string(&known).expect("known_hosts"), "", "a no writes nothing");
}

/// The layout is there again in the next run, and a theme of the user's own beside the built-in ones.
fn layout_and_themes() {
    let home = tempfile::tempdir().expect("a folder");
    configure(home.path(), "[ui]\ntheme = \"dusk\"\n");
    let themes = home.path().join(".config/quarterdeck/themes");
    fs::create_dir_all(&themes).expect("folder");
    fs::write(themes.join("dusk.toml"), "inherits = \"harbor\"\n").expect("a theme");
    fs::write(themes.join("broken.toml"), "inherits = \"nothing-such\"\n").expect("a theme");
    let out = Command::new(binary()).args(["config", "check"]).env_clear().envs(environment(home.path())).output().expect("it runs");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(text.contains("broken.toml") && text.contains("nothing-such") && !text.contains("no theme `dusk`"), "{text}");
    fs::remove_file(themes.join("broken.toml")).expect("ours");

    let mut t = Terminal::start(command(home.path(), &[]), 160, 45);
    let text = t.wait("Middleware");
    assert!(!text.contains("there is no theme"), "{text}");
    let title = |s: &str| s.lines().nth(1).unwrap_or_default().trim_end().to_owned();
    let before = title(&text);
    t.send("4z");
    let zoomed = title(&t.until("the pods alone", |s| s.contains("Pods") && title(s) != before));
    t.send("q");
    assert_eq!(t.end(), 0);
    let again = Terminal::start(command(home.path(), &[]), 160, 45);
    again.until("the same layout", |s| title(s) == zoomed);
}

fn status_over_ssh() {
    let lab = Lab::new();
    let (first, second) = (lab.host("kvm-one").start(), lab.host("kvm-two").start());
    let home = tempfile::tempdir().expect("a folder");
    configure_hosts(home.path(), &lab, &[&first, &second], &lab.known_hosts());
    second.freeze();
    let out = Command::new(binary()).args(["status", "--json", "--timeout", "15"]).env_clear().envs(environment(home.path())).output().expect("it runs");
    second.thaw();
    let picture: serde_json::Value = serde_json::from_slice(&out.stdout).expect("one JSON object");
    let host = |name: &str| picture["hosts"].as_array().expect("hosts").iter().find(|h| h["name"] == name).expect("a row").clone();
    assert_eq!(host("kvm-one")["freshness"]["state"], "live");
    assert!(host("kvm-one")["vitals"]["cpu"]["idle_percent"].is_number(), "a rate has its second sample: {}", host("kvm-one"));
    assert_eq!(host("kvm-two")["verdict"], "unknown");
    assert!(out.status.code().is_some_and(|c| c >= 2), "{:?}", out.status);
}
