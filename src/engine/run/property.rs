//! The driver without hosts: this machine's shell, generated playbooks.
#![allow(clippy::format_push_string, clippy::struct_excessive_bools, reason = "tests")]

use std::sync::Arc;

use futures::future::BoxFuture;
use proptest::prelude::*;

use super::perform::Ground;
use super::screen::ScreenFront;
use super::stage::Beside;
use super::{Runner, Stop};
use crate::base::clock::SystemClock;
use crate::base::redact::Redactor;
use crate::link::shell::{LocalShell, Shell};
use crate::model::catalog::Catalog;
use crate::playbook::due::{Mode, Pace};
use crate::playbook::inventory::Inventory;
use crate::playbook::journal::{Choice, Operator};
use crate::playbook::parse::parse;
use crate::playbook::run::{Run, Setup};
use crate::port::action::{ActionError, Origin, Reach, Rights};
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_never_acts(steps in proptest::collection::vec(step(), 1..6)) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog { actions: crate::action::specs(), ..Catalog::default() };
        let parsed = parse("any.yaml", &text(&steps, &dir.path().display().to_string()), &catalog, &|file: &str| Err(format!("no {file}")));
        prop_assert!(parsed.is_sound(), "{:?}", parsed.mistakes);
        let setup = Setup {
            book: Arc::new(parsed.playbook),
            catalog: Arc::new(catalog),
            inventory: Arc::new(Inventory::default()),
            hosts: vec!["localhost".into()],
            vars: serde_json::Map::new(),
            choice: Choice::default(),
            mode: Mode::Plan,
            pace: Pace::Step,
        };
        let ground = Ground {
            reach: Arc::new(Here),
            files: Arc::new(Beside(dir.path().to_owned())),
            front: ScreenFront::new(Operator::default(), Redactor::default()).0,
            clock: Arc::new(SystemClock::default()),
            redact: Redactor::default(),
            origin: Origin::Online,
            mode: Mode::Plan,
            id: "plan".to_owned(),
            cancel: tokio_util::sync::CancellationToken::new(),
        };
        let runner = Runner::new(Run::new(setup), None, ground, Operator::default(), Stop::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let report = runtime.block_on(runner.drive()).map_err(|(_, e)| e.to_string()).unwrap();
        prop_assert!(report.run.rows().iter().all(|r| r.end.is_some()), "{:?}", report.run.rows());
        let made: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        prop_assert!(made.is_empty(), "{made:?}");
    }
}
