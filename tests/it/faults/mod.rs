//! What goes wrong at each step of a playbook on real servers, and what the servers are like when the run was resumed.
//!
//! A case stops a run before one step, breaks something, lets the step begin, mends it, and resumes. Then the servers' own words
//! about themselves are those of an undisturbed run, and their own logs tell that nothing was done twice.
//! A few cases, chosen by a seed, run always; the whole table is asked for (`faults` in components.toml).

mod broker;
mod database;
mod talk;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::components::case;
use crate::playbook::{Desk, Watcher};
use crate::rig::eventually;
use crate::rig::sshd::{Host, sh};
use talk::{Asked, Talk};

pub fn tests() -> Vec<Trial> {
    const BROKER: &[&str] = &["sshd", "netns", "rabbitmq", "curl"];
    const DATABASE: &[&str] = &["sshd", "netns", "mariadb"];
    vec![
        case("playbook faults: rabbitmq-vhost, some of the table, again, and taken back", BROKER, || broker::table(Extent::Some)),
        case("playbook faults: rabbitmq-vhost, the whole table", &["sshd", "netns", "rabbitmq", "curl", "faults"], || broker::table(Extent::Whole)),
        case("playbook faults: mysql-replication, some of the table, again, and taken back", DATABASE, || database::table(Extent::Some)),
        case("playbook faults: mysql-replication, the whole table", &["sshd", "netns", "mariadb", "faults"], || database::table(Extent::Whole)),
    ]
}

/// How long a step, a stop or a start may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Some,
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// `kill -9` with the step written down and its act not yet arrived: the hosts stand still meanwhile.
    KilledBefore,
    /// `kill -9` as soon as the step is written down.
    KilledDuring,
    /// The act is done, and the power went before a word of that reached the journal's disk; its last line is torn.
    KilledAfter,
    /// The SSH line is dropped while the step runs.
    Dropped,
    /// The host's cable is pulled, and stays pulled until the runner has given it up.
    Cut,
    /// What the step does is refused.
    Failed,
    /// No space for the journal.
    FullHere,
    /// No space on the host.
    FullThere,
}

const FAULTS: [Fault; 8] =
    [Fault::KilledBefore, Fault::KilledDuring, Fault::KilledAfter, Fault::Dropped, Fault::Failed, Fault::FullHere, Fault::FullThere, Fault::Cut];

/// What happened to the world between the stop and the resume.
#[derive(Clone, Copy)]
pub struct Change {
    pub name: &'static str,
    /// The step after which there is something to change.
    pub after: &'static str,
    /// What the resume makes of it.
    pub then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It is put right by the steps that are looked at again.
    Restored,
    /// It is somebody's: the resume refuses and touches nothing, until the world is put back.
    Refused,
}

/// Servers that a playbook is played on.
pub trait Scene {
    fn desk(&self) -> &Desk;
    fn hosts(&self) -> Vec<&Host>;
    /// The playbook and its `-e`.
    fn words(&self) -> Vec<String>;
    /// What must stand in no process list, journal, screen, log or export.
    fn secrets(&self) -> [&str; 2];
    /// The steps that act, in order.
    fn steps(&self) -> &'static [&'static str];
    fn changes(&self) -> &'static [Change];
    /// The servers as they were before anything was played.
    fn reset(&self);
    /// What the servers say of themselves: nothing that differs from run to run.
    fn state(&self) -> String;
    /// How often the servers did what must not be done twice, by their own logs.
    fn acts(&self) -> BTreeMap<String, usize>;
    /// Takes away what an undo leaves, as it says.
    fn tidy(&self) {}
    /// Which of those acts are such that doing them again changes nothing.
    fn harmless(&self) -> &'static [&'static str] {
        &[]
    }
    fn refuse(&self, step: &str);
    fn allow(&self, step: &str);
    fn fill(&self);
    fn free(&self);
    fn change(&self, name: &str);
    /// What a change that was refused must have left as it was.
    fn changed(&self, name: &str) -> String;
    fn restore(&self, name: &str);
}

/// One line of the table.
#[derive(Clone, Copy)]
struct Case {
    step: usize,
    fault: Fault,
    change: Option<Change>,
}

fn all(scene: &dyn Scene) -> Vec<Case> {
    let mut cases = Vec::new();
    for step in 0..scene.steps().len() {
        for fault in FAULTS {
            cases.push(Case { step, fault, change: None });
        }
    }
    for change in scene.changes() {
        let first = scene.steps().iter().position(|s| *s == change.after).expect("a step") + 1;
        // Before the last step: a target that has come to its end is not gone through again by a resume; that is what a new run is for.
        for (n, step) in (first..scene.steps().len() - 1).enumerate() {
            let fault = [Fault::KilledAfter, Fault::KilledBefore, Fault::Failed][n % 3];
            cases.push(Case { step, fault, change: Some(*change) });
        }
    }
    cases
}

/// A few of the table: two kills or a lost line, something refused, and a world that was changed meanwhile.
fn some(cases: &[Case], seed: u64) -> Vec<Case> {
    let mut state = seed;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("small") % n
    };
    let mut chosen = Vec::new();
    for kinds in [&[Fault::KilledAfter][..], &[Fault::KilledBefore, Fault::Dropped], &[Fault::Failed, Fault::FullHere]] {
        let fault = kinds[next(kinds.len())];
        let of: Vec<&Case> = cases.iter().filter(|c| c.fault == fault && c.change.is_none()).collect();
        chosen.push(*of[next(of.len())]);
    }
    let then = [Then::Restored, Then::Refused][next(2)];
    let of: Vec<&Case> = cases.iter().filter(|c| c.change.is_some_and(|c| c.then == then)).collect();
    chosen.push(*of[next(of.len())]);
    chosen
}

/// Plays the table on a scene: an undisturbed run to compare with, a second one, the cases, and at the end what is left of an undo.
pub fn play(scene: &dyn Scene, extent: Extent) {
    scene.reset();
    let start = scene.state();
    let (steps, before) = (undisturbed(scene), scene.state());
    let first = journal(scene.desk()).parent().and_then(|d| Some(d.file_name()?.to_str()?.to_owned())).expect("a run");
    assert_eq!(steps, scene.steps(), "the table has every step that acts");
    let acts = scene.acts();
    let again = run(scene, &[&["run"], &*strs(&scene.words())].concat());
    assert_eq!(again.0, 0, "{}", again.1);
    let changed: Vec<&str> = again.1.lines().filter(|l| l.contains(" : ok=") && !l.contains("changed=0 ")).collect();
    assert!(changed.is_empty() && again.1.contains("changed=0 "), "the second run changes nothing: {changed:?}\n{}", again.1);
    assert_eq!((scene.state(), scene.acts()), (before.clone(), acts.clone()), "nor do the servers say that it did");
    if extent == Extent::Some {
        let (code, said) = run(scene, &["undo", &first]);
        assert_eq!(code, 0, "{said}");
        scene.tidy();
        assert_eq!(scene.state(), start, "taken back, it is as before:\n{said}");
    }
    let seed = std::env::var("QUARTERDECK_TEST_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(5);
    let cases = if extent == Extent::Whole { all(scene) } else { some(&all(scene), seed) };
    let only = std::env::var("QUARTERDECK_TEST_FAULT").unwrap_or_default();
    let mut wrong = Vec::new();
    for case in cases {
        let changed = case.change.map_or(String::new(), |c| format!(", then {}", c.name));
        let name = format!("{:?} at `{}`{changed}", case.fault, scene.steps()[case.step]);
        if !name.contains(&only) {
            continue;
        }
        let watch = Instant::now();
        eprintln!("{name} ...");
        scene.reset();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| one(scene, case, &before, &acts)));
        eprintln!("{name}: {} ({:.1} s)", if result.is_ok() { "as undisturbed" } else { "WRONG" }, watch.elapsed().as_secs_f64());
        if result.is_err() {
            wrong.push(name);
            mend(scene, case);
        }
    }
    assert!(wrong.is_empty(), "{} of the table: {wrong:#?}", wrong.len());
}

/// Whatever a case that failed left behind.
fn mend(scene: &dyn Scene, case: Case) {
    for host in scene.hosts() {
        host.thaw();
        host.heal();
    }
    let _ = fs::remove_file(scene.desk().state().join("filler"));
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.free()));
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.allow(scene.steps()[case.step])));
}

fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The steps that a run asked about, in order.
fn undisturbed(scene: &dyn Scene) -> Vec<String> {
    let watcher = Watcher::new(&scene.secrets());
    let mut talk = Talk::start(scene.desk(), &[&["run"], &*strs(&scene.words())].concat());
    let mut steps = Vec::new();
    while let Some(asked) = talk.next() {
        if let Asked::Step { name, .. } = &asked {
            steps.push(name.clone());
        }
        talk.yes(&asked);
    }
    let (code, said) = talk.end();
    assert_eq!(code, 0, "{said}");
    let seen = watcher.seen();
    assert!(seen.is_empty(), "a secret stood in a process list: {seen:?}");
    let export = scene.desk().run(&["playbook", "export", "last"]).expect(0).out;
    let script = scene.desk().run(&["playbook", "export", "last", "--script"]).expect(0).out;
    let logs: String =
        fs::read_dir(scene.desk().state().join("log")).into_iter().flatten().flatten().filter_map(|e| fs::read_to_string(e.path()).ok()).collect();
    for (what, text) in [("screen", &said), ("journal", &scene.desk().journal()), ("export", &export), ("script", &script), ("log", &logs)] {
        let bare = scene.secrets().into_iter().find(|secret| text.contains(secret));
        assert!(bare.is_none(), "a secret in the {what}:\n{text}");
    }
    steps
}

fn run(scene: &dyn Scene, words: &[&str]) -> (i32, String) {
    straight(scene.desk(), words)
}

/// A run before a terminal, straight through: what must be typed is typed. Gives its exit code and all that it said.
pub fn straight(desk: &Desk, words: &[&str]) -> (i32, String) {
    let mut talk = Talk::start(desk, &[words, &["--yes"]].concat());
    while let Some(asked) = talk.next() {
        if matches!(asked, Asked::Trouble(_)) {
            talk.say("q");
        } else {
            talk.yes(&asked);
        }
    }
    talk.end()
}

fn one(scene: &dyn Scene, case: Case, wanted: &str, acts: &BTreeMap<String, usize>) {
    let step = scene.steps()[case.step];
    let desk = scene.desk();
    let _ = fs::remove_dir_all(desk.state().join("runs"));
    let mut talk = Talk::start(desk, &[&["run"], &*strs(&scene.words())].concat());
    let hosts = loop {
        let asked = talk.next().unwrap_or_else(|| panic!("the run ended before `{step}`"));
        match &asked {
            Asked::Step { name, hosts, .. } if name == step => break hosts.clone(),
            Asked::Trouble(what) => panic!("{what}"),
            _ => talk.yes(&asked),
        }
    };
    let there = || scene.hosts().into_iter().filter(|h| hosts.iter().any(|n| n == h.name()));
    let act = ["\"record\":\"began\"", "\"phase\":\"act\"", &format!("\"name\":\"{step}\"")].map(str::to_owned);
    let begun = || wait_for(desk, &act);
    match case.fault {
        Fault::KilledBefore => {
            there().for_each(Host::freeze);
            talk.again();
            begun();
            talk.kill();
            there().for_each(Host::thaw);
        }
        Fault::KilledDuring => {
            talk.again();
            begun();
            talk.kill();
        }
        Fault::KilledAfter => {
            talk.again();
            // Until the next question or the end: then the step is done.
            talk.next();
            talk.kill();
            forget_after(&journal(desk), &act);
        }
        Fault::Dropped => {
            talk.again();
            begun();
            for host in there() {
                // The process of the session, not the one that listens.
                host.run("for p in $(pgrep -x sshd); do [ \"$(ps -o ppid= -p $p | tr -d ' ')\" = 1 ] && kill -9 $p; done; true");
            }
            talk.give_up();
        }
        Fault::Cut => {
            there().for_each(Host::cut);
            talk.again();
            talk.give_up();
            there().for_each(Host::heal);
        }
        Fault::Failed => {
            scene.refuse(step);
            talk.again();
            talk.give_up();
            scene.allow(step);
        }
        Fault::FullHere => {
            let filler = desk.state().join("filler");
            sh(&format!("head -c 64M /dev/zero >{} 2>/dev/null || true", filler.display()));
            talk.again();
            talk.give_up();
            fs::remove_file(&filler).expect("the filler");
        }
        Fault::FullThere => {
            scene.fill();
            talk.again();
            talk.give_up();
            scene.free();
        }
    }
    drop(talk);
    if let Some(change) = case.change {
        scene.change(change.name);
        if change.then == Then::Refused {
            let left = scene.changed(change.name);
            let (code, said) = run(scene, &["resume", "last"]);
            assert!(code == 99 && said.contains("it FAILED"), "what is somebody else's is refused:\n{said}");
            assert_eq!(scene.changed(change.name), left, "and left as it is:\n{said}");
            scene.restore(change.name);
        }
    }
    let (code, said) = run(scene, &["resume", "last"]);
    assert_eq!(code, 0, "the resume:\n{said}");
    let state = scene.state();
    assert_eq!(state, wanted, "the servers are as after an undisturbed run; the resume said:\n{said}");
    // A world that was changed is put right by doing a thing again: that is asked for.
    if case.change.is_none() {
        for (what, times) in scene.acts() {
            let most = acts.get(&what).copied().unwrap_or(0);
            // A server that ended for want of space was started by whoever made room.
            if case.fault == Fault::FullThere && what.ends_with("starts") {
                continue;
            }
            // An act that was stopped half-way is done again from its beginning, where saying it twice is as saying it once.
            let half_way = !matches!(case.fault, Fault::KilledBefore | Fault::KilledAfter | Fault::Failed | Fault::FullHere);
            if half_way && scene.harmless().iter().any(|h| what.ends_with(h)) {
                continue;
            }
            assert!(times <= most, "{what}: {times} times, undisturbed {most}; the resume said:\n{said}");
        }
    }
}

fn journal(desk: &Desk) -> std::path::PathBuf {
    let mut runs: Vec<_> = fs::read_dir(desk.state().join("runs")).expect("runs").filter_map(|e| Some(e.ok()?.path())).collect();
    runs.sort();
    runs.last().expect("a run").join("journal.jsonl")
}

fn wait_for(desk: &Desk, parts: &[String]) {
    let start = Instant::now();
    loop {
        let text = fs::read(journal(desk)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if text.lines().any(|l| parts.iter().all(|p| l.contains(p.as_str()))) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "no record with {parts:?}");
        // Not `eventually`: a kill must come as soon as it can.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Leaves of a journal what was on the disk when the last of these records was, and half a line more.
fn forget_after(path: &Path, parts: &[String]) {
    let text = String::from_utf8_lossy(&fs::read(path).expect("journal")).trim_end_matches('\0').to_owned();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(|l| parts.iter().all(|p| l.contains(p.as_str()))).expect("the act's record");
    let torn: String = lines.get(last + 1).map_or(String::new(), |l| l.chars().take(40).collect());
    fs::write(path, lines[..=last].join("\n") + "\n" + &torn).expect("journal");
}

/// A file system of its own for the journal, small enough to be filled.
pub struct Small(std::path::PathBuf);

impl Small {
    pub fn new(path: &Path) -> Self {
        fs::create_dir_all(path).expect("folder");
        sh(&format!("mount -t tmpfs -o size=8m,mode=700 tmpfs {}", path.display()));
        Self(path.to_owned())
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs a line in a host until it works.
#[track_caller]
pub fn until(host: &Host, what: &str, line: &str) {
    eventually(what, PATIENCE, || host.run(&format!("({line}) >/dev/null 2>&1 && echo yes || true")).contains("yes").then_some(()));
}
