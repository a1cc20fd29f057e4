//! The driver without hosts: this machine's shell, generated playbooks.
#![allow(clippy::format_push_string, clippy::struct_excessive_bools, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use proptest::prelude::*;

use super::file::{self, JournalFile};
use super::front::{Flying, Front};
use super::perform::Ground;
use super::stage::Beside;
use super::{Report, Runner, Stop};
use crate::base::clock::SystemClock;
use crate::base::redact::Redactor;
use crate::link::shell::{LocalShell, Shell};
use crate::model::catalog::Catalog;
use crate::model::id::Name;
use crate::playbook::due::{Mode, Pace, Question};
use crate::playbook::inventory::Inventory;
use crate::playbook::journal::{Choice, Closing, Decision, Event, FORMAT, Opened, Operator, Record, Target};
use crate::playbook::parse::parse;
use crate::playbook::run::{Run, Setup};
use crate::playbook::step::{Key, Phase};
use crate::port::action::{ActionError, Manual, Origin, Reach, Rights, Stream};
use crate::port::shell::Line;

struct Here;

impl Reach for Here {
    fn shell(&self, _: &str, _: &Rights) -> Result<Arc<dyn Shell>, ActionError> {
        Ok(Arc::new(LocalShell))
    }
    fn tcp<'a>(&'a self, _: &'a str, _: &'a str, _: u16) -> BoxFuture<'a, Result<Box<dyn Line>, ActionError>> {
        Box::pin(async { Err(ActionError::unreachable("no network in this test")) })
    }
    fn is_here(&self, _: &str) -> bool {
        true
    }
    fn socket<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Box<dyn Line>, ActionError>> {
        Box::pin(async { Err(ActionError::unreachable("no socket in this test")) })
    }
    fn kube<'a>(&'a self, _: Option<&'a str>) -> BoxFuture<'a, Result<kube::Client, ActionError>> {
        Box::pin(async { Err(ActionError::unreachable("no cluster in this test")) })
    }
}

/// One step of a generated playbook: what it does leaves a file, whatever it is.
#[derive(Clone, Debug)]
struct Step {
    action: usize,
    check: bool,
    looped: bool,
    when: bool,
    registered: bool,
    ignored: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (0..5_usize, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(action, check, looped, when, registered, ignored)| Step { action, check, looped, when, registered, ignored })
}

fn text(steps: &[Step], dir: &str) -> String {
    let mut out = "name: Any\nowner: tests\nhosts: localhost\ntasks:\n".to_owned();
    for (n, s) in steps.iter().enumerate() {
        let file = format!("{dir}/made-{n}");
        let action = match s.action {
            0 => format!("shell: touch {file}"),
            1 => format!("command: {{argv: [touch, {file}]}}"),
            2 => format!("copy: {{content: x, dest: {file}}}"),
            3 => format!("shell: {{cmd: touch {file}, creates: {file}-never}}"),
            _ => format!("fetch: {{src: /etc/hostname, dest: {file}, flat: true}}"),
        };
        out.push_str(&format!("  - name: Step {n}\n    {action}\n"));
        if s.check {
            out.push_str(&format!("    check:\n      shell: test -e {file}\n"));
        }
        if s.looped {
            out.push_str("    loop: [a, b]\n");
        }
        if s.when {
            out.push_str("    when: 1 == 1\n");
        }
        if s.registered {
            out.push_str(&format!("    register: r{n}\n"));
        }
        if s.ignored {
            out.push_str("    ignore_errors: true\n");
        }
        out.push_str(&format!("    verify:\n      shell: test -f {file}\n    undo:\n      shell: rm -f {file}\n"));
    }
    out
}

/// Nobody is there to answer.
struct Alone;

impl Front for Alone {
    fn event(&self, _: &Run, _: &Event) {}
    fn line(&self, _: &Key, _: Stream, _: &str) {}
    fn beat(&self, _: &[Flying]) {}
    fn ask<'a>(&'a self, _: &'a Question) -> BoxFuture<'a, Option<(Decision, Operator)>> {
        Box::pin(async { None })
    }
    fn manual<'a>(&'a self, _: &'a Name, _: &'a str) -> BoxFuture<'a, Option<Manual>> {
        Box::pin(async { None })
    }
}

/// The run of these steps, and what it stands on.
fn stage(steps: &[Step], dir: &Path, mode: Mode) -> (Setup, Ground) {
    let catalog = Catalog { actions: crate::action::specs(), ..Catalog::default() };
    let parsed = parse("any.yaml", &text(steps, &dir.display().to_string()), &catalog, &|file: &str| Err(format!("no {file}")));
    assert!(parsed.is_sound(), "{:?}", parsed.mistakes);
    let setup = Setup {
        book: Arc::new(parsed.playbook),
        catalog: Arc::new(catalog),
        inventory: Arc::new(Inventory::default()),
        hosts: vec!["localhost".into()],
        vars: serde_json::Map::new(),
        choice: Choice::default(),
        mode,
        pace: Pace::Through,
    };
    let ground = Ground {
        reach: Arc::new(Here),
        files: Arc::new(Beside(dir.to_owned())),
        front: Arc::new(Alone),
        clock: Arc::new(SystemClock::default()),
        redact: Redactor::default(),
        origin: Origin::Online,
        mode,
        id: "run".to_owned(),
        cancel: tokio_util::sync::CancellationToken::new(),
    };
    (setup, ground)
}

fn drive(runner: Runner, first: Option<Event>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut runner = runner;
        if let Some(event) = first {
            runner.put(event).await.unwrap();
        }
        runner.drive().await.map_err(|(_, e)| e.to_string()).unwrap()
    })
}

/// What each step made, by its number.
fn made(dir: &Path) -> BTreeSet<usize> {
    std::fs::read_dir(dir).unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.strip_prefix("made-")?.parse().ok()).collect()
}

/// How the world stands at the end of a part of a journal: what is known to be done, and what was under way.
fn standing(records: &[Record]) -> (BTreeSet<usize>, Option<usize>) {
    let (mut done, mut under_way) = (BTreeSet::new(), None);
    for record in records {
        match &record.event {
            Event::Began { key, phase: Phase::Act, .. } => under_way = Some(key.task.0 as usize),
            Event::Ended { key, phase: Phase::Act, .. } => {
                under_way = None;
                done.insert(key.task.0 as usize);
            }
            _ => {}
        }
    }
    (done, under_way)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_never_acts(steps in proptest::collection::vec(step(), 1..6)) {
        let dir = tempfile::tempdir().unwrap();
        let (setup, ground) = stage(&steps, dir.path(), Mode::Plan);
        let report = drive(Runner::new(Run::new(setup), None, ground, Operator::default(), Stop::default()), None);
        prop_assert!(report.run.rows().iter().all(|r| r.end.is_some()), "{:?}", report.run.rows());
        let made: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        prop_assert!(made.is_empty(), "{made:?}");
    }

    /// The journal is cut anywhere, in the middle of a line too; what was under way then had happened or had not.
    #[test]
    fn any_part_of_a_journal_goes_on(
        mut steps in proptest::collection::vec(step(), 1..5), at in 0..=1000_usize, happened in any::<bool>(), checked in any::<bool>(),
    ) {
        let home = tempfile::tempdir().unwrap();
        let (dir, runs) = (home.path().join("made"), home.path().join("runs"));
        std::fs::create_dir(&dir).unwrap();
        for step in &mut steps {
            step.looped = false;
            step.check |= checked;
        }
        let all: BTreeSet<usize> = (0..steps.len()).collect();
        let (setup, ground) = stage(&steps, &dir, Mode::Apply);
        let whole = JournalFile::create(&runs, "whole", Redactor::default()).unwrap();
        let opened = Event::Opened(Box::new(Opened { format: FORMAT, hosts: vec![Target { name: "localhost".into(), ..Target::default() }], ..Opened::default() }));
        let report = drive(Runner::new(Run::new(setup), Some(whole), ground, Operator::default(), Stop::default()), Some(opened));
        prop_assert_eq!((report.why, made(&dir)), (Closing::Finished, all.clone()));

        let bytes = std::fs::read(runs.join("whole").join(file::NAME)).unwrap();
        let first = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        let cut = first + (bytes.len() - first) * at / 1000;
        std::fs::create_dir(runs.join("cut")).unwrap();
        std::fs::write(runs.join("cut").join(file::NAME), &bytes[..cut]).unwrap();
        let (journal, found) = JournalFile::open(&runs, "cut", Redactor::default()).unwrap();
        let (done, under_way) = standing(&found.records);
        let there = |n: usize| done.contains(&n) || (happened && under_way == Some(n));
        for n in all.iter().copied().filter(|n| !there(*n)) {
            std::fs::remove_file(dir.join(format!("made-{n}"))).unwrap();
        }
        // Whatever the journal knows to be done is not done again: its file would be younger.
        let stamp = |n: usize| std::fs::metadata(dir.join(format!("made-{n}"))).ok().and_then(|m| m.modified().ok());
        let before: Vec<_> = done.iter().map(|n| (*n, stamp(*n))).collect();

        let (setup, ground) = stage(&steps, &dir, Mode::Apply);
        let run = Run::replay(setup, &found.records).unwrap();
        let runner = Runner::new(run, Some(journal), ground, Operator::default(), Stop::default()).after(&found.records);
        let resumed = Event::Resumed { by: Operator::default(), pid: std::process::id(), sha256: String::new(), hosts: Vec::new() };
        let report = drive(runner, Some(resumed));
        prop_assert_eq!((report.why, made(&dir)), (Closing::Finished, all));
        prop_assert!(before.iter().all(|(n, at)| stamp(*n) == *at), "done twice: {:?}", before);
        // And the longer journal is whole again.
        let (setup, _) = stage(&steps, &dir, Mode::Apply);
        let again = JournalFile::read(&runs, "cut").unwrap();
        prop_assert!(Run::replay(setup, &again.records).is_ok());
    }
}
