//! The programs of the lab's machines.

use std::fmt::Write as _;

use super::filter;
use super::log::{self, Follow, Form, Origin};
use super::shell::{Entry, Place, Ran, Shell};
use super::{docker, kubectl, proc, virsh};
use crate::lab::kube::command as container;
use crate::lab::world::machine::Machine;

/// Programs without an answer of their own in [`run`] but with one in `filter`.
const FILTERS: [&str; 9] = ["grep", "egrep", "head", "wc", "sort", "uniq", "cut", "tr", "awk"];
/// Programs of [`PROGRAMS`] that work on files or words alone, so that containers have the same.
const IN_PODS: [&str; 16] = ["cat", "tail", "echo", "printf", "test", "[", "ls", "rm", "mkdir", "touch", "chmod", "chown", "mv", "cp", "tee", "sh"];
const PROGRAMS: [&str; 34] = [
    "cat",
    "tail",
    "df",
    "uptime",
    "hostname",
    "hostnamectl",
    "uname",
    "date",
    "dmesg",
    "journalctl",
    "systemctl",
    "nproc",
    "free",
    "id",
    "whoami",
    "echo",
    "printf",
    "test",
    "[",
    "ls",
    "stat",
    "ip",
    "ps",
    "rm",
    "mkdir",
    "touch",
    "chmod",
    "chown",
    "mv",
    "cp",
    "tee",
    "w",
    "sysctl",
    "du",
];

fn machine(shell: &Shell<'_>) -> Option<Machine> {
    proc::machine(shell.world, &shell.machine).cloned()
}

fn is_hypervisor(shell: &Shell<'_>) -> bool {
    shell.world.hosts.iter().any(|h| h.machine.name == shell.machine)
}

/// Would `command -v` find it?
pub fn exists(shell: &Shell<'_>, program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    if let Place::Pod { namespace, pod } = &shell.place {
        return container::exists(shell.world, namespace, pod, name) || FILTERS.contains(&name) || IN_PODS.contains(&name);
    }
    match name {
        "virsh" => is_hypervisor(shell),
        "kubectl" => shell.machine.starts_with("k8s-m-"),
        "docker" => machine(shell).is_some_and(|m| docker::is_installed(&m)),
        program => FILTERS.contains(&program) || PROGRAMS.contains(&program) || matches!(program, "sh" | "timeout" | "sudo" | "env"),
    }
}

/// The content of a file: what was written over SSH, else the system's, else a log's.
pub fn read(shell: &Shell<'_>, path: &str) -> Result<Vec<u8>, &'static str> {
    let path = absolute(shell, path);
    if path == "/dev/null" {
        return Ok(Vec::new());
    }
    match shell.disk.get(&shell.machine, &path) {
        Some(Entry::File(content)) => return Ok(content.clone()),
        Some(Entry::Removed) => return Err("No such file or directory"),
        None => {}
    }
    if let Place::Pod { namespace, pod } = &shell.place {
        let text = container::file(shell.world, namespace, pod, &path);
        return text.map(String::into_bytes).ok_or(if is_folder(shell, &path) { "Is a directory" } else { "No such file or directory" });
    }
    let found = machine(shell).and_then(|m| proc::file(shell.world, &m, &path)).or_else(|| unit(shell, &path));
    if let Some(text) = found {
        return Ok(text.into_bytes());
    }
    if log::exists(shell.world, &shell.machine, &path) {
        let follow = log::start(&shell.machine, Origin::File(path), Form::Plain);
        return Ok(log::lines(shell.world, &follow, log::MOST_LINES).0.into_bytes());
    }
    if is_folder(shell, &path) { Err("Is a directory") } else { Err("No such file or directory") }
}

/// The unit file of a service that runs on this machine.
fn unit(shell: &Shell<'_>, path: &str) -> Option<String> {
    let name = path.strip_prefix("/usr/lib/systemd/system/")?.strip_suffix(".service")?;
    let runs = match name {
        "mysqld" => shell.world.mysql.servers.iter().any(|s| s.guest == shell.machine),
        "kubelet" | "docker" => shell.machine.starts_with("k8s-"),
        "libvirtd" => is_hypervisor(shell),
        "sshd" => true,
        _ => false,
    };
    runs.then(|| format!("[Unit]\nDescription={name}\n"))
}

fn is_folder(shell: &Shell<'_>, path: &str) -> bool {
    let plain = path.trim_end_matches('/');
    let known = [
        "",
        "/etc",
        "/root",
        "/tmp",
        "/var",
        "/var/log",
        "/var/lib",
        "/proc",
        "/proc/pressure",
        "/sys",
        "/usr",
        "/home",
        "/opt",
        "/etc/sysctl.d",
        "/etc/modules-load.d",
    ];
    if let Place::Pod { namespace, pod } = &shell.place {
        return known.contains(&plain) || container::is_folder(shell.world, namespace, pod, plain);
    }
    let mysql = ["/etc/my.cnf.d", "/var/lib/mysql"].contains(&plain) && shell.world.mysql.servers.iter().any(|s| s.guest == shell.machine);
    known.contains(&plain) || mysql || machine(shell).is_some_and(|m| m.mounts.iter().any(|x| x.path == plain))
}

fn absolute(shell: &Shell<'_>, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", shell.variables.get("PWD").map_or("/root", String::as_str)) }
}

pub fn write(shell: &mut Shell<'_>, path: &str, mut content: Vec<u8>, append: bool) -> Result<(), &'static str> {
    let path = absolute(shell, path);
    if matches!(path.as_str(), "/dev/null" | "/dev/stderr" | "/dev/stdout") {
        return Ok(());
    }
    if path.starts_with("/proc/") || path.starts_with("/sys/") {
        return Err("Permission denied");
    }
    let mount = machine(shell).and_then(|m| m.mounts.into_iter().filter(|x| path.starts_with(&x.path)).max_by_key(|x| x.path.len()));
    match mount {
        Some(m) if m.read_only => return Err("Read-only file system"),
        Some(m) if m.used_bytes >= m.size_bytes => return Err("No space left on device"),
        _ => {}
    }
    if append {
        let mut before = read(shell, &path).unwrap_or_default();
        before.append(&mut content);
        content = before;
    }
    let name = shell.machine.clone();
    if shell.disk.put(&name, &path, Entry::File(content)) { Ok(()) } else { Err("No space left on device") }
}

fn plain(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).filter(|a| !a.starts_with('-') || *a == "-").collect()
}

pub fn run(shell: &mut Shell<'_>, program: &str, arguments: &[String], stdin: &[u8]) -> Ran {
    let name = program.rsplit('/').next().unwrap_or(program);
    if !exists(shell, name) {
        return Ran::failed(127, format!("sh: {program}: command not found\n"));
    }
    if let Place::Pod { namespace, pod } = shell.place.clone() {
        return in_pod(shell, (&namespace, &pod), name, arguments, stdin);
    }
    let Some(m) = machine(shell) else { return Ran::failed(255, "") };
    let now = shell.world.now;
    match name {
        "virsh" => {
            let host = shell.machine.clone();
            Ran::of(virsh::run(shell.world, &host, arguments))
        }
        "kubectl" => kubectl::run(shell.world, arguments),
        "docker" if arguments.first().is_some_and(|a| a == "logs") => container_log(shell, &m, arguments),
        "docker" => Ran::of(docker::run(&m, now, arguments)),
        "tail" => tail(shell, arguments, stdin),
        "journalctl" => journal(shell, arguments),
        name if FILTERS.contains(&name) => files_then(shell, name, arguments, stdin),
        "cat" => cat(shell, arguments, stdin),
        "echo" => {
            let (newline, words) = if arguments.first().is_some_and(|a| a == "-n") { ("", &arguments[1..]) } else { ("\n", arguments) };
            Ran::out(words.join(" ") + newline)
        }
        "printf" => Ran::out(printf(arguments)),
        "test" | "[" => Ran::code(u32::from(!test(shell, arguments))),
        "systemctl" => systemctl(&m, arguments),
        "rm" | "mkdir" | "touch" | "chmod" | "chown" | "mv" | "cp" | "tee" => change(shell, name, arguments, stdin),
        "ls" | "stat" => list(shell, name, arguments, &m),
        _ => tell(shell, name, arguments, &m),
    }
}

/// In a container: its own programs first, then those that every image with a shell has.
fn in_pod(shell: &mut Shell<'_>, (namespace, pod): (&str, &str), name: &str, arguments: &[String], stdin: &[u8]) -> Ran {
    if container::exists(shell.world, namespace, pod, name) {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        return container::program(shell.world, namespace, pod, name, &words);
    }
    match name {
        "tail" => tail(shell, arguments, stdin),
        "cat" => cat(shell, arguments, stdin),
        "echo" => Ran::out(arguments.join(" ") + "\n"),
        "printf" => Ran::out(printf(arguments)),
        "test" | "[" => Ran::code(u32::from(!test(shell, arguments))),
        "ls" if plain(arguments).is_empty() => Ran::out("bin\ndev\netc\nhome\nlib\nproc\nroot\nsys\ntmp\nusr\nvar\n"),
        "ls" => match plain(arguments).iter().find(|p| read(shell, p).is_err() && !is_folder(shell, p)) {
            Some(missing) => Ran::failed(2, format!("ls: cannot access '{missing}': No such file or directory\n")),
            None => Ran::out(plain(arguments).iter().filter(|p| !is_folder(shell, p)).flat_map(|p| [p, "\n"]).collect::<String>()),
        },
        name if FILTERS.contains(&name) => files_then(shell, name, arguments, stdin),
        name => change(shell, name, arguments, stdin),
    }
}

/// Programs that say something of the machine.
fn tell(shell: &Shell<'_>, name: &str, arguments: &[String], m: &Machine) -> Ran {
    let now = shell.world.now;
    let words = plain(arguments);
    let flags: String = arguments.iter().filter(|a| a.starts_with('-')).map(String::as_str).collect();
    let own = crate::base::clock::Moment(now.0 + m.clock_ahead_ms).to_string();
    match name {
        "df" => Ran::out(proc::df(m, &flags, &words)),
        "uptime" | "w" => {
            let [a, b, c] = m.load;
            let up = crate::base::text::span(now.since(m.booted_at).as_secs());
            Ran::out(format!(" {} up {up},  1 user,  load average: {a:.2}, {b:.2}, {c:.2}\n", own.get(11..19).unwrap_or("")))
        }
        "hostname" if flags.contains('I') => Ran::out(format!("{} \n", m.address)),
        "hostname" => Ran::out(format!("{}\n", m.name)),
        "hostnamectl" => Ran::out(format!("   Static hostname: {}\n  Operating System: {}\n            Kernel: Linux {}\n", m.name, m.os, m.kernel)),
        "uname" if flags.contains('r') => Ran::out(format!("{}\n", m.kernel)),
        "uname" if flags.contains('a') => Ran::out(format!("Linux {} {} #1 SMP x86_64 GNU/Linux\n", m.name, m.kernel)),
        "uname" if flags.contains('m') => Ran::out("x86_64\n"),
        "uname" => Ran::out("Linux\n"),
        "date" => Ran::out(date(m, now, words.first().copied(), &own)),
        "dmesg" => {
            let raw = flags.contains('r');
            let lines = proc::dmesg(m);
            Ran::out(lines.iter().map(|(level, line)| if raw { format!("<{level}>{line}\n") } else { format!("{line}\n") }).collect::<String>())
        }
        "nproc" => Ran::out(format!("{}\n", m.cores)),
        "free" => Ran::out(free(m, flags.contains('m'), flags.contains('g') || flags.contains('h'))),
        "id" if flags.contains('u') => Ran::out("0\n"),
        "id" => Ran::out("uid=0(root) gid=0(root) groups=0(root)\n"),
        "whoami" => Ran::out("root\n"),
        "ip" => {
            let nic = m.nics.first().map_or("eth0", |n| n.name.as_str());
            Ran::out(format!("1: lo    inet 127.0.0.1/8 scope host lo\n2: {nic}    inet {}/24 brd 10.20.0.255 scope global {nic}\n", m.address))
        }
        "ps" => Ran::out(format!(
            "  PID TTY          TIME CMD\n    1 ?        00:01:12 systemd\n 1421 ?        01:14:02 {}\n",
            if m.name.starts_with("k8s-") { "kubelet" } else { "sshd" }
        )),
        "sysctl" => {
            let key = words.first().copied().unwrap_or("");
            let path = format!("/proc/sys/{}", key.replace('.', "/"));
            match proc::file(shell.world, m, &path) {
                Some(value) if flags.contains('n') => Ran::out(value),
                Some(value) => Ran::out(format!("{key} = {value}")),
                None if key.contains('=') || flags.contains('p') || flags.contains("system") => Ran::out(format!("{key}\n")),
                None => Ran::failed(255, format!("sysctl: cannot stat {path}: No such file or directory\n")),
            }
        }
        "du" => Ran::out(format!("1843\t{}\n", words.first().unwrap_or(&"."))),
        _ => Ran::default(),
    }
}

fn date(m: &Machine, now: crate::base::clock::Moment, format: Option<&str>, own: &str) -> String {
    let stamp = proc::date(m, now);
    match format {
        Some("+%s.%N") => format!("{stamp}\n"),
        Some("+%s") => format!("{}\n", stamp.split('.').next().unwrap_or("0")),
        Some(f) if f.starts_with("+%F") || f.starts_with("+%Y") => format!("{}\n", own.get(..10).unwrap_or("")),
        _ => format!("{}Z\n", own.get(..19).unwrap_or("")),
    }
}

fn free(m: &Machine, mib: bool, gib: bool) -> String {
    let unit = if gib {
        1 << 30
    } else if mib {
        1 << 20
    } else {
        1024
    };
    let [total, available] = [m.memory_bytes / unit, m.available_bytes / unit];
    let (swap, used) = (m.swap_bytes / unit, m.swap_used_bytes / unit);
    format!(
        "              total        used        free      shared  buff/cache   available\nMem:    {total:>11} {:>11} {:>11} {:>11} {:>11} {available:>11}\nSwap:   {swap:>11} {used:>11} {:>11}\n",
        total - available,
        available / 3,
        61_440 * 1024 / unit,
        available / 2,
        swap - used
    )
}

fn cat(shell: &Shell<'_>, arguments: &[String], stdin: &[u8]) -> Ran {
    let mut ran = Ran::default();
    let words = plain(arguments);
    if words.is_empty() {
        ran.stdout = stdin.to_vec();
    }
    for path in words {
        match if path == "-" { Ok(stdin.to_vec()) } else { read(shell, path) } {
            Ok(content) => ran.stdout.extend_from_slice(&content),
            Err(why) => {
                let _ = writeln!(ran.stderr, "cat: {path}: {why}");
                ran.code = 1;
            }
        }
    }
    ran
}

/// `grep x file`: the file's content through the filter.
fn files_then(shell: &Shell<'_>, name: &str, arguments: &[String], stdin: &[u8]) -> Ran {
    let (arguments, paths) = filter::split(name, arguments);
    let mut content = Vec::new();
    let mut missing = String::new();
    for path in &paths {
        match read(shell, path) {
            Ok(more) => content.extend_from_slice(&more),
            Err(why) => drop(writeln!(missing, "{name}: {path}: {why}")),
        }
    }
    let silent = arguments.iter().any(|a| a.starts_with('-') && !a.starts_with("--") && a.contains('s'));
    let input = if paths.is_empty() { stdin.to_vec() } else { content };
    let (out, code) = filter::run(name, &arguments, &String::from_utf8_lossy(&input));
    let code = if missing.is_empty() { code } else { code.max(2) };
    Ran { stdout: out.into_bytes(), stderr: if silent { String::new() } else { missing }, code, follow: None }
}

/// `tail -n N [-F] FILE`, `tail -c +N`.
fn tail(shell: &Shell<'_>, arguments: &[String], stdin: &[u8]) -> Ran {
    let mut count = 10_usize;
    let mut follows = false;
    let mut path = None;
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-n" | "--lines" => count = words.next().map_or(10, lines_wanted),
            "-F" | "-f" | "--follow" | "--follow=name" => follows = true,
            "-q" | "--retry" | "--" | "-v" => {}
            word if word.starts_with("--lines=") => count = lines_wanted(&word[8..]),
            word if word.starts_with("-n") => count = lines_wanted(&word[2..]),
            word if word.starts_with('-') && word[1..].bytes().all(|b| b.is_ascii_digit()) => count = lines_wanted(&word[1..]),
            word if word.starts_with('-') => follows |= word.contains(['f', 'F']),
            word => path = Some(word.to_owned()),
        }
    }
    let Some(path) = path else { return Ran::out(last(&String::from_utf8_lossy(stdin), count)) };
    let content = match read(shell, &path) {
        Ok(content) => content,
        Err(why) => return Ran::failed(1, format!("tail: cannot open '{path}' for reading: {why}\n")),
    };
    let follow = follows.then(|| Follow { from: shell.world.now, ..log::start(&shell.machine, Origin::File(path.clone()), Form::Plain) });
    Ran { stdout: last(&String::from_utf8_lossy(&content), count).into_bytes(), follow, ..Ran::default() }
}

/// `+1` is everything.
fn lines_wanted(text: &str) -> usize {
    if text.starts_with('+') { usize::MAX } else { text.parse().unwrap_or(10) }
}

fn last(text: &str, count: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(count)..].iter().fold(String::new(), |out, line| out + line + "\n")
}

/// `journalctl [-u UNIT] [-n N] [-f] [-o FORM] [-k] [-p N]`
fn journal(shell: &Shell<'_>, arguments: &[String]) -> Ran {
    let (mut unit, mut count, mut form, mut follows) = (String::new(), log::MOST_LINES, Form::Short, false);
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-u" | "--unit" => words.next().unwrap_or("").clone_into(&mut unit),
            "-k" | "--dmesg" => "kernel".clone_into(&mut unit),
            "-n" | "--lines" => count = words.next().and_then(|n| n.parse().ok()).unwrap_or(10),
            "-f" | "--follow" => {
                follows = true;
                count = count.min(10);
            }
            "-o" | "--output" => form = output(words.next().unwrap_or("")),
            word if word.starts_with("--unit=") => word[7..].clone_into(&mut unit),
            word if word.starts_with("--output=") => form = output(&word[9..]),
            word if word.starts_with("--lines=") => count = word[8..].parse().unwrap_or(10),
            word if word.starts_with("-n") => count = word[2..].parse().unwrap_or(10),
            word if word.starts_with("-u") => word[2..].clone_into(&mut unit),
            "-p" | "--priority" | "--since" | "-S" | "--until" | "--after-cursor" | "-t" => {
                words.next();
            }
            _ => {}
        }
    }
    let follow = log::start(&shell.machine, Origin::Journal(unit), form);
    let (text, until) = log::lines(shell.world, &follow, count);
    Ran { stdout: text.into_bytes(), follow: follows.then_some(Follow { from: until, ..follow }), ..Ran::default() }
}

fn output(word: &str) -> Form {
    match word {
        "json" => Form::Json,
        "cat" => Form::Cat,
        word if word.starts_with("short-iso") => Form::Iso,
        _ => Form::Short,
    }
}

fn container_log(shell: &Shell<'_>, m: &Machine, arguments: &[String]) -> Ran {
    let target = arguments.last().map_or("", String::as_str);
    let Some(container) = m.containers.iter().find(|c| c.name == target || (target.len() >= 12 && c.id.starts_with(target))) else {
        return Ran::failed(1, format!("Error response from daemon: No such container: {target}\n"));
    };
    let has = |flags: [&str; 2]| arguments.iter().any(|a| flags.contains(&a.as_str()));
    let number =
        |names: [&str; 2]| arguments.iter().position(|a| names.contains(&a.as_str())).and_then(|at| arguments.get(at + 1)).and_then(|n| n.parse().ok());
    let joined = arguments.iter().find_map(|a| a.strip_prefix("--tail=")).and_then(|n| n.parse().ok());
    let form = if has(["-t", "--timestamps"]) { Form::Stamped } else { Form::Cat };
    let follow = log::start(&shell.machine, Origin::Container(container.name.clone()), form);
    let (text, until) = log::lines(shell.world, &follow, joined.or_else(|| number(["--tail", "-n"])).unwrap_or(log::MOST_LINES));
    Ran { stdout: text.into_bytes(), follow: has(["-f", "--follow"]).then_some(Follow { from: until, ..follow }), ..Ran::default() }
}

/// `%s`, `%d`, `\n`, and the format again while words are left.
fn printf(arguments: &[String]) -> String {
    let Some((format, mut words)) = arguments.split_first() else { return String::new() };
    let mut out = String::new();
    loop {
        let mut chars = format.chars();
        let before = words.len();
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some(c) => out.push(c),
                    None => {}
                },
                '%' => match chars.next() {
                    Some('%') | None => out.push('%'),
                    Some(_) => {
                        if let Some((word, rest)) = words.split_first() {
                            out.push_str(word);
                            words = rest;
                        }
                    }
                },
                c => out.push(c),
            }
        }
        if words.is_empty() || words.len() == before {
            return out;
        }
    }
}

fn test(shell: &Shell<'_>, arguments: &[String]) -> bool {
    let words: Vec<&str> = arguments.iter().map(String::as_str).filter(|w| *w != "]").collect();
    match words.as_slice() {
        ["!", rest @ ..] => !test(shell, &rest.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>()),
        ["-d", path] => is_folder(shell, path),
        ["-e", path] => read(shell, path).is_ok() || is_folder(shell, path),
        ["-f" | "-r" | "-s", path] => read(shell, path).is_ok(),
        ["-w", path] => read(shell, path).is_ok() && !path.starts_with("/proc"),
        ["-x", path] => exists(shell, path),
        ["-z", text] => text.is_empty(),
        [a, "=" | "==", b] => a == b,
        [a, "!=", b] => a != b,
        [a, sign @ ("-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge"), b] => match (a.parse::<i64>(), b.parse::<i64>()) {
            (Ok(a), Ok(b)) => match *sign {
                "-eq" => a == b,
                "-ne" => a != b,
                "-lt" => a < b,
                "-le" => a <= b,
                "-gt" => a > b,
                _ => a >= b,
            },
            _ => false,
        },
        ["-n", text] | [text] => !text.is_empty(),
        _ => false,
    }
}

fn systemctl(m: &Machine, arguments: &[String]) -> Ran {
    let words = plain(arguments);
    let failed = |unit: &str| m.failed_units.iter().any(|u| u.trim_end_matches(".service") == unit.trim_end_matches(".service"));
    if arguments.iter().any(|a| a == "--failed") {
        return Ran::out(m.failed_units.iter().map(|u| [u, " loaded failed failed ", u, "\n"].concat()).collect::<String>());
    }
    let unit = words.get(1).copied().unwrap_or("");
    match words.first().copied() {
        Some("is-active") if failed(unit) => Ran { code: 3, ..Ran::out("failed\n") },
        Some("is-active") => Ran::out("active\n"),
        Some("is-enabled") => Ran::out("enabled\n"),
        Some("status") if failed(unit) => {
            Ran { code: 3, ..Ran::out(format!("● {unit} - {unit}\n   Loaded: loaded\n   Active: failed (Result: exit-code)\n")) }
        }
        Some("status") => Ran::out(format!("● {unit} - {unit}\n   Loaded: loaded\n   Active: active (running)\n")),
        _ => Ran::default(),
    }
}

/// Programs that change files.
fn change(shell: &mut Shell<'_>, name: &str, arguments: &[String], stdin: &[u8]) -> Ran {
    let words: Vec<String> = plain(arguments).into_iter().map(str::to_owned).collect();
    let forced = arguments.iter().any(|a| a.starts_with('-') && a.contains('f'));
    let failed = |path: &str, why: &str| Ran::failed(1, format!("{name}: {path}: {why}\n"));
    match name {
        "rm" => {
            for path in &words {
                let path = absolute(shell, path);
                if read(shell, &path).is_err() && !forced {
                    return failed(&path, "No such file or directory");
                }
                let machine = shell.machine.clone();
                shell.disk.put(&machine, &path, Entry::Removed);
            }
            Ran::default()
        }
        "touch" => words.iter().find_map(|p| write(shell, p, Vec::new(), true).err().map(|why| failed(p, why))).unwrap_or_default(),
        "tee" => {
            let append = arguments.iter().any(|a| a == "-a");
            let trouble = words.iter().find_map(|p| write(shell, p, stdin.to_vec(), append).err().map(|why| failed(p, why)));
            Ran { stdout: stdin.to_vec(), ..trouble.unwrap_or_default() }
        }
        "mv" | "cp" => {
            let [from, to] = words.as_slice() else { return Ran::failed(1, format!("{name}: missing destination file operand\n")) };
            let content = match read(shell, from) {
                Ok(content) => content,
                Err(why) => return failed(from, why),
            };
            if let Err(why) = write(shell, to, content, false) {
                return failed(to, why);
            }
            if name == "mv" {
                let (machine, from) = (shell.machine.clone(), absolute(shell, from));
                shell.disk.put(&machine, &from, Entry::Removed);
            }
            Ran::default()
        }
        _ => Ran::default(),
    }
}

fn list(shell: &Shell<'_>, name: &str, arguments: &[String], m: &Machine) -> Ran {
    let words = plain(arguments);
    if name == "stat" && arguments.iter().any(|a| a == "-f") {
        let path = words.last().copied().unwrap_or("/");
        let mount = m.mounts.iter().filter(|x| path.starts_with(&x.path)).max_by_key(|x| x.path.len());
        return mount.map_or_else(|| Ran::code(1), |x| Ran::out(proc::space(x) + "\n"));
    }
    let Some(path) = words.last() else { return Ran::default() };
    match (read(shell, path), is_folder(shell, path)) {
        (Ok(_), _) => Ran::out(format!("{path}\n")),
        (_, true) if path.trim_end_matches('/') == "/var/log" => Ran::out("messages\nsecure\n"),
        (_, true) => Ran::default(),
        _ => Ran::failed(2, format!("{name}: cannot access '{path}': No such file or directory\n")),
    }
}
