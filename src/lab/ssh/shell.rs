//! Runs what [`line`](super::line) took apart, on one machine of the world.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::command;
use super::line::{Command, Compound, Ends, Join, Piece, Pipeline, Target, Word, parse};
use super::log::Follow;
use crate::lab::world::World;

/// Scripts within scripts.
const DEEPEST: u32 = 8;
/// Rounds of one `while` or `until`: the world stands still while a script runs, so nothing that it waits for comes.
const MOST_ROUNDS: usize = 1000;
/// A command's output is cut here.
const MOST_OUTPUT: usize = 4 << 20;
/// What people may leave on one machine.
const MOST_FILES: usize = 200;
const MOST_FILE_BYTES: usize = 1 << 20;

/// Files that were written over SSH, by machine and path. They shadow those of the system.
#[derive(Debug, Default)]
pub struct Disk {
    files: BTreeMap<(String, String), Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    File(Vec<u8>),
    Removed,
}

impl Disk {
    pub fn get(&self, machine: &str, path: &str) -> Option<&Entry> {
        self.files.get(&(machine.to_owned(), path.to_owned()))
    }

    /// `false`: there is no room left.
    pub fn put(&mut self, machine: &str, path: &str, content: Entry) -> bool {
        let key = (machine.to_owned(), path.to_owned());
        let small = match &content {
            Entry::File(bytes) => bytes.len() <= MOST_FILE_BYTES,
            Entry::Removed => true,
        };
        let fits = small && (self.files.contains_key(&key) || self.files.len() < MOST_FILES);
        if fits {
            self.files.insert(key, content);
        }
        fits
    }
}

/// What a command said and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    pub stdout: Vec<u8>,
    pub stderr: String,
    pub code: u32,
    /// It goes on: what follows is a log's.
    pub follow: Option<Follow>,
}

impl Ran {
    pub fn out(text: impl Into<String>) -> Self {
        Self { stdout: text.into().into_bytes(), ..Self::default() }
    }

    pub fn code(code: u32) -> Self {
        Self { code, ..Self::default() }
    }

    pub fn failed(code: u32, text: impl Into<String>) -> Self {
        Self { code, stderr: text.into(), ..Self::default() }
    }

    pub fn of((stdout, stderr, code): (String, String, u32)) -> Self {
        Self { stdout: stdout.into_bytes(), stderr, code, follow: None }
    }
}

/// Where a shell runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Machine,
    /// In the container of this pod.
    Pod {
        namespace: String,
        pod: String,
    },
}

/// A shell on a machine or in a pod.
pub struct Shell<'a> {
    pub world: &'a mut World,
    pub disk: &'a mut Disk,
    pub place: Place,
    /// The machine's name; for a pod, under which its files are kept.
    pub machine: String,
    pub variables: BTreeMap<String, String>,
    depth: u32,
    last: u32,
    ended: bool,
}

impl<'a> Shell<'a> {
    pub fn new(world: &'a mut World, disk: &'a mut Disk, machine: &str) -> Self {
        let variables =
            [("HOME", "/root"), ("USER", "root"), ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"), ("SHELL", "/bin/bash"), ("PWD", "/root")];
        Self {
            world,
            disk,
            place: Place::Machine,
            machine: machine.to_owned(),
            variables: variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            depth: 0,
            last: 0,
            ended: false,
        }
    }

    /// In a pod that runs.
    pub fn in_pod(world: &'a mut World, disk: &'a mut Disk, namespace: &str, pod: &str) -> Self {
        let mut shell = Self::new(world, disk, &format!("pod {namespace}/{pod}"));
        let own = [("PWD", "/"), ("HOSTNAME", pod), ("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];
        shell.variables.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        shell.place = Place::Pod { namespace: namespace.to_owned(), pod: pod.to_owned() };
        shell
    }

    /// Runs one program without a shell around it.
    pub fn program(&mut self, words: &[String], stdin: &[u8]) -> Ran {
        self.simple(words.to_vec(), stdin)
    }

    /// Runs a script to its end, or up to the command that goes on.
    pub fn run(&mut self, script: &str, stdin: &[u8]) -> Ran {
        match parse(script) {
            Ok(list) if self.depth < DEEPEST => self.list(&list, &mut stdin.to_vec()),
            Ok(_) => Ran::failed(2, "sh: too deep\n"),
            Err(complaint) => Ran::failed(2, complaint),
        }
    }

    /// Runs commands one after the other; what they leave of `stdin` is for those that come later.
    fn list(&mut self, list: &[Pipeline], stdin: &mut Vec<u8>) -> Ran {
        let mut all = Ran::default();
        for pipeline in list {
            match (pipeline.join, self.last) {
                (Join::IfTrue, 1..) | (Join::IfFalse, 0) => continue,
                _ => {}
            }
            if let [command] = pipeline.commands.as_slice()
                && (command.compound.is_some() || reads_line(command))
            {
                let ran = match &command.compound {
                    Some(compound) => self.compound(compound, stdin),
                    None => self.read_line(command, stdin),
                };
                let ran = self.redirected(command, ran);
                all.stderr.push_str(&ran.stderr);
                all.stdout.extend_from_slice(&ran.stdout);
                all.follow = ran.follow;
                self.last = if pipeline.not { u32::from(ran.code == 0) } else { ran.code };
                if self.ended || all.follow.is_some() {
                    break;
                }
                continue;
            }
            // The input is everybody's until somebody reads it.
            let mut input = if pipeline.commands.first().is_some_and(reads_input) { std::mem::take(stdin) } else { Vec::new() };
            let count = pipeline.commands.len();
            for (at, command) in pipeline.commands.iter().enumerate() {
                let ran = self.command(command, &input);
                all.stderr.push_str(&ran.stderr);
                self.last = ran.code;
                if at + 1 == count {
                    all.stdout.extend_from_slice(&ran.stdout);
                    all.follow = ran.follow;
                } else {
                    input = ran.stdout;
                }
            }
            if pipeline.not {
                self.last = u32::from(self.last == 0);
            }
            all.stdout.truncate(MOST_OUTPUT);
            if self.ended || all.follow.is_some() {
                break;
            }
        }
        all.code = self.last;
        all
    }

    fn compound(&mut self, compound: &Compound, stdin: &mut Vec<u8>) -> Ran {
        if self.depth >= DEEPEST {
            return Ran::failed(2, "sh: too deep\n");
        }
        self.depth += 1;
        let mut all = Ran::default();
        let mut add = |ran: Ran| {
            all.stdout.extend_from_slice(&ran.stdout);
            all.stderr.push_str(&ran.stderr);
            all.follow = ran.follow;
            ran.code
        };
        let mut code = 0;
        match compound {
            Compound::For { name, words, body } => {
                let words: Vec<String> = words.iter().flat_map(|w| self.expand(w)).collect();
                for word in words {
                    self.variables.insert(name.clone(), word);
                    code = add(self.list(body, stdin));
                    if self.ended {
                        break;
                    }
                }
            }
            Compound::If { arms, otherwise } => {
                let mut chosen = otherwise;
                for (condition, body) in arms {
                    if add(self.list(condition, stdin)) == 0 || self.ended {
                        chosen = body;
                        break;
                    }
                }
                self.last = 0;
                code = if self.ended { self.last } else { add(self.list(chosen, stdin)) };
            }
            Compound::Repeat { ends, condition, body } => {
                for _ in 0..MOST_ROUNDS {
                    let is_true = add(self.list(condition, stdin)) == 0;
                    if self.ended || is_true == (*ends == Ends::WhenTrue) {
                        break;
                    }
                    code = add(self.list(body, stdin));
                    if self.ended {
                        break;
                    }
                }
            }
        }
        self.depth -= 1;
        all.code = code;
        all
    }

    /// `IFS= read -r name`: a line of the input.
    fn read_line(&mut self, command: &Command, stdin: &mut Vec<u8>) -> Ran {
        let words: Vec<String> = command.words.iter().flat_map(|w| self.expand(w)).collect();
        let name = words.last().cloned().unwrap_or_default();
        let end = stdin.iter().position(|b| *b == b'\n');
        let line: Vec<u8> = stdin.drain(..end.map_or(stdin.len(), |at| at + 1)).collect();
        self.variables.insert(name, String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned());
        Ran::code(u32::from(end.is_none()))
    }

    /// A script whose variables are its own.
    fn inner(&mut self, script: &str, stdin: &[u8]) -> Ran {
        let (variables, ended) = (self.variables.clone(), self.ended);
        self.depth += 1;
        self.last = 0;
        let ran = self.run(script, stdin);
        self.depth -= 1;
        (self.variables, self.ended) = (variables, ended);
        ran
    }

    fn command(&mut self, command: &Command, input: &[u8]) -> Ran {
        let mut stdin = input.to_vec();
        for redirect in command.redirects.iter().filter(|r| r.target == Target::Read) {
            let path = self.expand(&redirect.word).concat();
            match command::read(self, &path) {
                Ok(content) => stdin = content,
                Err(why) => return Ran::failed(1, format!("sh: {path}: {why}\n")),
            }
        }
        let ran = if let Some(script) = &command.group {
            self.inner(script, &stdin)
        } else if let Some(compound) = &command.compound {
            self.compound(compound, &mut stdin)
        } else {
            let words: Vec<String> = command.words.iter().flat_map(|w| self.expand(w)).collect();
            self.simple(words, &stdin)
        };
        self.redirected(command, ran)
    }

    /// What a command said, without what goes into files.
    fn redirected(&mut self, command: &Command, mut ran: Ran) -> Ran {
        for redirect in &command.redirects {
            let path = self.expand(&redirect.word).concat();
            match (redirect.target, redirect.from) {
                (Target::Same, 2) => {
                    ran.stdout.extend_from_slice(ran.stderr.as_bytes());
                    ran.stderr.clear();
                }
                (Target::Same, _) => ran.stderr.push_str(&String::from_utf8_lossy(&std::mem::take(&mut ran.stdout))),
                (Target::Write | Target::Append, from) => {
                    let said = if from == 2 { std::mem::take(&mut ran.stderr).into_bytes() } else { std::mem::take(&mut ran.stdout) };
                    if let Err(why) = command::write(self, &path, said, redirect.target == Target::Append) {
                        let _ = writeln!(ran.stderr, "sh: {path}: {why}");
                        ran.code = 1;
                    }
                }
                (Target::Read, _) => {}
            }
        }
        ran
    }

    /// Assignments, what the shell itself does, and programs.
    fn simple(&mut self, mut words: Vec<String>, stdin: &[u8]) -> Ran {
        while let Some((name, value)) = words.first().and_then(|w| assignment(w)) {
            self.variables.insert(name, value);
            words.remove(0);
        }
        let Some(program) = words.first().cloned() else { return Ran::default() };
        let rest: Vec<String> = words[1..].to_vec();
        match program.as_str() {
            "exit" => {
                self.ended = true;
                Ran::code(rest.first().and_then(|c| c.parse().ok()).unwrap_or(self.last))
            }
            "export" => {
                self.variables.extend(rest.iter().filter_map(|w| assignment(w)));
                Ran::default()
            }
            "cd" | "set" | "umask" | "trap" | "unset" | "ulimit" | ":" | "true" | "sleep" | "sync" | "wait" => Ran::default(),
            "false" => Ran::code(1),
            "exec" | "command" | "nice" | "ionice" | "nohup" | "setsid" | "env" | "sudo" | "timeout" | "stdbuf" | "time" => {
                self.wrapper(&program, &rest, stdin)
            }
            "printenv" => Ran::out(self.variables.iter().flat_map(|(name, value)| [name.as_str(), "=", value.as_str(), "\n"]).collect::<String>()),
            "eval" => self.run(&rest.join(" "), stdin),
            "sh" | "bash" | "/bin/sh" | "/bin/bash" => self.shell(&rest, stdin),
            _ => command::run(self, &program, &rest, stdin),
        }
    }

    /// Programs that run another one.
    fn wrapper(&mut self, program: &str, words: &[String], stdin: &[u8]) -> Ran {
        if program == "command" && words.first().is_some_and(|w| w == "-v") {
            let name = words.get(1).map_or("", String::as_str);
            return if command::exists(self, name) { Ran::out(format!("/usr/bin/{name}\n")) } else { Ran::code(1) };
        }
        let mut rest = words;
        while let Some(word) = rest.first() {
            let takes_value = matches!(word.as_str(), "-k" | "-s" | "-n" | "-c" | "-u" | "-p" | "-o" | "-e" | "-i") && program != "sudo";
            let is_option = word.starts_with('-') && word.len() > 1;
            if is_option {
                let value = takes_value || (program == "sudo" && matches!(word.as_str(), "-u" | "-p"));
                rest = rest.get(1 + usize::from(value)..).unwrap_or_default();
            } else if let (true, Some((name, value))) = (matches!(program, "env" | "sudo"), assignment(word)) {
                self.variables.insert(name, value);
                rest = &rest[1..];
            } else {
                break;
            }
        }
        if program == "timeout" {
            rest = rest.get(1..).unwrap_or_default();
        }
        match (rest.is_empty(), program) {
            (true, "env") => self.simple(vec!["printenv".to_owned()], stdin),
            (true, _) => Ran::default(),
            (false, _) => self.simple(rest.to_vec(), stdin),
        }
    }

    fn shell(&mut self, words: &[String], stdin: &[u8]) -> Ran {
        match words.iter().position(|w| w == "-c" || w == "-ec" || w == "-lc" || w == "-exc") {
            Some(at) => {
                let script = words.get(at + 1).cloned().unwrap_or_default();
                // A loader: so many bytes of the input are the script, the rest is for it.
                if let Some((_, rest)) = script.split_once("dd bs=1 count=") {
                    let count = rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0).min(stdin.len());
                    let (body, left) = stdin.split_at(count);
                    return self.inner(&String::from_utf8_lossy(body), left);
                }
                self.inner(&script, stdin)
            }
            None => self.inner(&String::from_utf8_lossy(stdin), b""),
        }
    }

    fn expand(&mut self, word: &Word) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        let mut open = String::new();
        let mut any = false;
        for piece in word {
            let (value, quoted) = match piece {
                Piece::Text(text) => (text.clone(), true),
                Piece::Variable { name, otherwise, quoted } => (self.variable(name, otherwise), *quoted),
                Piece::Command { script, quoted } => {
                    let last = self.last;
                    let said = self.inner(script, b"");
                    self.last = last;
                    (String::from_utf8_lossy(&said.stdout).trim_end_matches('\n').to_owned(), *quoted)
                }
            };
            any |= quoted;
            if quoted {
                open.push_str(&value);
                continue;
            }
            for (at, part) in value.split_whitespace().enumerate() {
                if at > 0 {
                    out.push(std::mem::take(&mut open));
                }
                open.push_str(part);
            }
        }
        if any || !open.is_empty() {
            out.push(open);
        }
        out
    }

    fn variable(&self, name: &str, otherwise: &str) -> String {
        let value = match name {
            "?" => self.last.to_string(),
            "$" => "20711".to_owned(),
            "#" => "0".to_owned(),
            name => self.variables.get(name).cloned().unwrap_or_default(),
        };
        if value.is_empty() { otherwise.to_owned() } else { value }
    }
}

/// Is there a program in it that reads its input?
fn reads_input(command: &Command) -> bool {
    const READERS: [&str; 16] = ["cat", "tee", "sh", "bash", "/bin/sh", "/bin/bash", "grep", "egrep", "head", "tail", "wc", "sort", "uniq", "cut", "tr", "awk"];
    let reads = |word: &Word| matches!(word.as_slice(), [Piece::Text(text)] if READERS.contains(&text.as_str()));
    command.group.is_some() || command.compound.is_some() || command.words.iter().any(reads)
}

/// Is it the shell's own `read`?
fn reads_line(command: &Command) -> bool {
    let plain = |word: &Word| match word.as_slice() {
        [Piece::Text(text)] => text.clone(),
        _ => String::new(),
    };
    command.words.iter().map(plain).find(|w| assignment(w).is_none()).is_some_and(|w| w == "read")
}

fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    plain.then(|| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Moment;
    use crate::lab::world::Size;
    use crate::lab::world::scenario::Scenario;

    fn run(script: &str, stdin: &str) -> (String, String, u32) {
        let mut world = World::new(7, Size::default(), Moment::from_seconds(1_795_249_440), Scenario::named("calm").unwrap());
        let mut disk = Disk::default();
        let ran = Shell::new(&mut world, &mut disk, "kvm-1").run(script, stdin.as_bytes());
        (String::from_utf8_lossy(&ran.stdout).into_owned(), ran.stderr, ran.code)
    }

    fn out(script: &str) -> String {
        run(script, "").0
    }

    #[test]
    fn scripts_of_one_line() {
        assert_eq!(out("echo a; false || echo b && echo c; true && ! false && echo d"), "a\nb\nc\nd\n");
        assert_eq!(out("X='1 2'; echo $X \"$X\" ${Y:-z} $(echo in; echo ner)"), "1 2 1 2 z in ner\n");
        assert_eq!(out("printf '%s-%s\\n' a b c d"), "a-b\nc-d\n");
        assert_eq!(out("echo x > /tmp/f; echo y >> /tmp/f; cat /tmp/f | sort -r | head -n 1; rm /tmp/f; [ -e /tmp/f ] || echo gone"), "y\ngone\n");
        assert_eq!(out("(echo a; echo b) | grep -c . ; nosuch 2>/dev/null; echo $?"), "2\n127\n");
        assert_eq!(out("df -P / | awk 'NR>1 {print $NF}' | tail -1"), "/\n");
        assert_eq!(out("timeout -k 1 5 sh -c 'hostname' && sudo -n sh -c \"id -u\""), "kvm-1\n0\n");
        assert_eq!(run("exit 3; echo no", ""), (String::new(), String::new(), 3));
        assert_eq!(run("cat /nowhere", ""), (String::new(), "cat: /nowhere: No such file or directory\n".into(), 1));
        assert_eq!(run("'", "").2, 2);
        assert_eq!(run("true; tr a-z x", "ab").2, 0);
        assert_eq!(run("sh", "echo from input").0, "from input\n");
    }

    #[test]
    fn loops_and_choices() {
        assert_eq!(out("for x in a 'b c' $(echo d); do echo \"<$x>\"; done | tail -n 2"), "<b c>\n<d>\n");
        let folder =
            "for dir in '' /nowhere /etc/my.cnf.d; do\n  if [ -n \"$dir\" ] && [ -d \"$dir\" ]; then echo \"$dir\"; exit 0; fi\ndone\necho none >&2; exit 1";
        assert_eq!(run(folder, "").2, 1, "kvm-1 has no MySQL");
        assert_eq!(out("if false; then echo a; elif true; then echo b; else echo c; fi; if false; then echo d; else echo e; fi"), "b\ne\n");
        assert_eq!(out("n=x; until [ $n = xxx ]; do n=x$n; done; echo $n; while false; do echo no; done"), "xxx\n");
        assert_eq!(run("IFS= read -r a; IFS= read -r b || b=none; echo \"$a-$b\"; cat", "one\ntwo\nthree\n").0, "one-two\nthree\n");
        assert_eq!(run("for x in a; do echo", "").2, 2);
    }

    #[test]
    fn virsh_acts_and_refuses() {
        assert!(out("virsh -r -c qemu:///system list --all | wc -l").trim().parse::<u32>().unwrap() > 4);
        assert_eq!(run("virsh -r destroy db-1", "").2, 1);
        assert_eq!(
            out("virsh destroy db-1 >/dev/null; virsh domstate db-1; virsh start db-1 >/dev/null && virsh domstate --reason db-1").replace('\n', ""),
            "shut offrunning (booted)"
        );
        assert_eq!(run("virsh dominfo nobody", "").1, "error: failed to get domain 'nobody'\n");
    }

    #[test]
    fn a_full_or_read_only_disk_takes_nothing() {
        let mut world = World::new(7, Size::default(), Moment::from_seconds(1_795_249_440), Scenario::named("calm").unwrap());
        let mut disk = Disk::default();
        world.machine("kvm-1").and_then(|m| m.mount("/")).unwrap().fill(1.0);
        let ran = Shell::new(&mut world, &mut disk, "kvm-1").run("echo x > /tmp/f", b"");
        assert_eq!((ran.code, ran.stderr.as_str()), (1, "sh: /tmp/f: No space left on device\n"));
    }
}
