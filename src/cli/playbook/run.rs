//! `playbook run`, `resume` and `undo`.

use std::io::{self, Write};
use std::sync::{Arc, PoisonError};

use serde_json::{Map, Value};

use super::args;
use super::desk::{Desk, Refused, origin};
use super::front::{self, Diffs, Format, Printer, Silent};
use super::signals;
use crate::base::clock::{Clock, SystemClock};
use crate::base::redact::Redactor;
use crate::engine::run::file::JournalFile;
use crate::engine::run::front::Front;
use crate::engine::run::perform::Ground;
use crate::engine::run::{Broken, Report, Runner, Stop, folder, shelf, stage};
use crate::model::id::Name;
use crate::playbook::due::{Mode, Pace};
use crate::playbook::journal::{Choice, Closing, Event, FORMAT, Opened, Operator};
use crate::playbook::run::{Run, Setup};
use crate::playbook::spec::Playbook;
use crate::port::action::{Files, Origin};

/// Stopped by a person or a signal: as Ansible has it.
const STOPPED: u8 = 99;
const REFUSED: u8 = 1;

fn format(pace: &args::Pace) -> Format {
    if pace.json { Format::Json } else { Format::Text }
}

fn print(text: &str) {
    let mut to = io::stdout().lock();
    let _ = writeln!(to, "{text}").and_then(|()| to.flush());
}

/// Says why nothing was begun.
pub(super) fn refused(why: &str) -> u8 {
    let _ = writeln!(io::stderr().lock(), "quarterdeck: {why}");
    REFUSED
}

/// Everything that a run needs beside the run itself.
struct Stagehand {
    files: Arc<dyn Files>,
    origin: Origin,
    operator: Operator,
    clock: Arc<dyn Clock>,
    stop: Stop,
}

impl Stagehand {
    fn ground(&self, desk: &Desk, id: &str, mode: Mode, front: Arc<dyn Front>) -> Ground {
        Ground {
            reach: desk.ways.clone(),
            files: self.files.clone(),
            front,
            clock: self.clock.clone(),
            redact: desk.redact.clone(),
            origin: self.origin.clone(),
            mode,
            id: id.to_owned(),
            cancel: tokio_util::sync::CancellationToken::new(),
        }
    }
}

fn may_write(desk: &Desk, write: bool, hosts: &[Name], what: &str) -> Result<(), Refused> {
    if let Some(environment) = stage::locked(&desk.config, hosts) {
        return Err(format!("the environment {environment} is locked (read_only = \"locked\"): nothing there is changed from here; --check looks"));
    }
    if write { Ok(()) } else { Err(format!("read-only: `{what}` would change its targets. Allow it with --write, or look with --check")) }
}

pub(super) async fn run(desk: Desk, args: &args::Run, write: bool) -> Result<u8, Refused> {
    let (book, files) = desk.playbook(&args.playbook)?;
    let vars = desk.values(&book, &args.vars, Map::new(), None)?;
    let hosts = desk.targets(&book, &vars, args.limit.as_deref())?;
    if let Some(name) = args.start_at_task.as_ref().filter(|name| !book.program.iter().any(|e| e.task.name == **name)) {
        let names = book.program.iter().map(|e| e.task.name.as_str());
        return Err(format!("--start-at-task: no step is named `{name}`; {}", crate::base::suggest::help(name, names, "the playbook has")));
    }
    if !args.check {
        may_write(&desk, write, &hosts, "playbook run")?;
    }
    let stop = Stop::default();
    signals::listen(&stop).map_err(|e| e.to_string())?;
    let operator = if args.check { Operator::default() } else { Desk::operator()? };
    let hand = Stagehand { files, origin: origin(&vars)?, operator, clock: Arc::new(SystemClock::default()), stop };
    let targets = desk.identified(&hosts).await;
    let choice = Choice { tags: args.tags.clone(), skip_tags: args.skip_tags.clone(), start_at: args.start_at_task.clone() };
    let pace = if args.pace.yes { Pace::Through } else { Pace::Step };
    let setup = |mode| Setup {
        book: book.clone(),
        catalog: desk.catalog.clone(),
        inventory: desk.inventory.clone(),
        hosts: hosts.clone(),
        vars: vars.clone(),
        choice: choice.clone(),
        mode,
        pace,
    };
    let planned = plan(&desk, &hand, setup(Mode::Plan), &args.pace).await?;
    if args.check || args.pace.json {
        tell_plan(&planned.run, &args.pace, &desk.redact);
    } else {
        print(&format!(
            "PLAN [{}] for {}{}",
            book.name,
            hosts.iter().map(|h| &**h).collect::<Vec<_>>().join(", "),
            desk.redact.clean(&front::plan(&planned.run))
        ));
    }
    if args.check {
        return Ok(if hand.stop.gently.is_cancelled() { STOPPED } else { planned.run.exit_code() });
    }
    if hand.stop.gently.is_cancelled() {
        return Ok(STOPPED);
    }
    if !go_on(&desk, &args.pace) {
        print("nothing was changed");
        return Ok(STOPPED);
    }
    let runs = desk.runs()?;
    let id = folder::new_id(&runs, &args.playbook, hand.clock.now());
    let journal = JournalFile::create(&runs, &id, desk.redact.clone()).map_err(|e| e.to_string())?;
    let secrets: Vec<String> = book.prompts.iter().filter(|p| p.private && vars.contains_key(&p.name)).map(|p| p.name.clone()).collect();
    let mut open_vars = vars.clone();
    open_vars.retain(|name, _| !secrets.contains(name));
    let opened = Event::Opened(Box::new(Opened {
        format: FORMAT,
        playbook: book.name.clone(),
        file: book.file.to_string(),
        sha256: book.sha256.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        by: hand.operator.clone(),
        pid: std::process::id(),
        hosts: targets,
        vars: open_vars,
        secrets,
        choice: choice.clone(),
    }));
    let printer = printer(&desk, &hand, &args.pace, if args.diff { Diffs::Shown } else { Diffs::Hidden });
    if !args.pace.json {
        print(&format!("RUN {id}"));
    }
    let ground = hand.ground(&desk, &id, Mode::Apply, printer);
    let mut runner = Runner::new(Run::new(setup(Mode::Apply)), Some(journal), ground, hand.operator.clone(), hand.stop.clone()).width(args.pace.forks.into());
    runner.put(opened).await.map_err(|e| e.to_string())?;
    Ok(finish(runner, &id, &args.pace).await)
}

fn printer(desk: &Desk, hand: &Stagehand, pace: &args::Pace, diffs: Diffs) -> Arc<dyn Front> {
    Arc::new(Printer::new(format(pace), diffs, hand.operator.clone(), desk.redact.clone(), desk.tty.clone()))
}

async fn plan(desk: &Desk, hand: &Stagehand, setup: Setup, pace: &args::Pace) -> Result<Report, Refused> {
    let ground = hand.ground(desk, "plan", Mode::Plan, Arc::new(Silent));
    let runner = Runner::new(Run::new(setup), None, ground, hand.operator.clone(), hand.stop.clone()).width(pace.forks.into());
    runner.drive().await.map_err(|(_, e)| e.to_string())
}

fn tell_plan(run: &Run, pace: &args::Pace, redact: &Redactor) {
    if !pace.json {
        print(&format!("PLAN [{}]{}", run.setup().book.name, redact.clean(&front::plan(run))));
        print(&front::recap(run));
        return;
    }
    let steps: Vec<Value> = run
        .rows()
        .iter()
        .map(|row| serde_json::json!({ "step": row.name, "host": row.key.host, "item": row.key.item, "danger": row.danger, "end": row.end, "why": redact.clean(&row.why), "diff": row.diff.as_ref().map(|d| redact.clean(d)) }))
        .collect();
    print(&serde_json::json!({ "record": "plan", "playbook": run.setup().book.name, "steps": steps }).to_string());
}

fn go_on(desk: &Desk, pace: &args::Pace) -> bool {
    if pace.yes {
        return true;
    }
    // Without a terminal nobody could answer the steps either.
    let Some(tty) = &desk.tty else {
        let _ = writeln!(io::stderr().lock(), "quarterdeck: no terminal here to ask at; --yes goes through up to the first destructive step");
        return false;
    };
    let typed = tty.lock().unwrap_or_else(PoisonError::into_inner).line("\nNothing has been changed yet. Begin? y/N: ");
    typed.is_ok_and(|t| matches!(t.trim(), "y" | "yes"))
}

async fn finish(runner: Runner, id: &str, pace: &args::Pace) -> u8 {
    let resume = format!("quarterdeck --write playbook resume {id}");
    let (report, broken): (Option<Report>, Option<Broken>) = match runner.drive().await {
        Ok(report) => (Some(report), None),
        Err((_, broken)) => (None, Some(broken)),
    };
    if let Some(broken) = broken {
        let mut to = io::stderr().lock();
        let _ = writeln!(to, "quarterdeck: {broken}\nquarterdeck: what was done is in the journal; go on with: {resume}");
        return REFUSED;
    }
    let Some(Report { run, why }) = report else { return REFUSED };
    if pace.json {
        let counts: Map<String, Value> = run
            .recap()
            .into_iter()
            .map(|(name, c)| {
                let counts = serde_json::json!({ "ok": c.ok, "changed": c.changed, "unreachable": c.unreachable, "failed": c.failed, "skipped": c.skipped, "rescued": c.rescued, "ignored": c.ignored });
                (name.to_string(), counts)
            })
            .collect();
        print(&serde_json::json!({ "record": "recap", "run": id, "end": why, "hosts": counts }).to_string());
    } else {
        print(&front::recap(&run));
        for (name, value) in run.outputs().iter().filter(|_| why == Closing::Finished) {
            print(&format!("{name}: {}", crate::base::text::clean(value)));
        }
        for kept in run.kept().iter().filter(|_| why == Closing::Undone) {
            print(&format!("stays as it is: {} on {}: {}", kept.name, kept.key.host, kept.why));
        }
    }
    match why {
        Closing::Finished => run.exit_code(),
        Closing::Undone => 0,
        Closing::Failed | Closing::Stopped => {
            let _ = writeln!(io::stderr().lock(), "go on with: {resume}");
            if why == Closing::Stopped { STOPPED } else { run.exit_code() }
        }
    }
}

/// What a resume and an undo begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Resume,
    Undo,
}

pub(super) async fn again(desk: Desk, args: &args::Resume, write: bool, how: Again) -> Result<u8, Refused> {
    let runs = desk.runs()?;
    let id = folder::find(&runs, &args.run)?;
    let (journal, found) = JournalFile::open(&runs, &id, desk.redact.clone()).map_err(|e| e.to_string())?;
    let Some(Event::Opened(opened)) = found.records.first().map(|r| &r.event) else {
        return Err(format!("run {id} has no records: nothing was done in it"));
    };
    let (book, files) = desk.playbook(shelf::meant(&opened.file))?;
    if book.sha256 != opened.sha256 && !args.changed {
        return Err(format!(
            "{} has changed since run {id} began: its steps may not be those of the journal. Begin a new run, or give --changed if you know what changed",
            opened.file
        ));
    }
    let hosts: Vec<Name> = opened.hosts.iter().map(|t| t.name.clone()).collect();
    may_write(&desk, write, &hosts, if how == Again::Resume { "playbook resume" } else { "playbook undo" })?;
    // An answer that was the same text as a secret (guest, guest) is not in the journal either: it is asked for again.
    let (hidden, known): (Vec<_>, Vec<_>) = opened.vars.clone().into_iter().partition(|(_, value)| value == "***");
    let asked: Vec<String> = opened.secrets.iter().cloned().chain(hidden.into_iter().map(|(name, _)| name)).collect();
    let vars = desk.values(&book, &args.vars, known.into_iter().collect(), Some(&asked))?;
    let stop = Stop::default();
    signals::listen(&stop).map_err(|e| e.to_string())?;
    let hand = Stagehand { files, origin: origin(&vars)?, operator: Desk::operator()?, clock: Arc::new(SystemClock::default()), stop };
    for now in desk.identified(&hosts).await {
        let before = opened.hosts.iter().find(|t| t.name == now.name);
        if let Some(before) = before.filter(|b| !b.identity.is_empty() && !now.identity.is_empty() && b.identity != now.identity) {
            return Err(format!("{} is another machine than when run {id} began: its key was {}, now it is {}", now.name, before.identity, now.identity));
        }
    }
    let only = match &args.limit {
        Some(limit) => desk.inventory.select(limit).map_err(|e| format!("--limit: {e}"))?,
        None => Vec::new(),
    };
    let setup = setup(&desk, book.clone(), hosts, vars, opened.choice.clone(), &args.pace);
    let run = Run::replay(setup, &found.records).map_err(|e| format!("run {id}: {e}"))?;
    if how == Again::Undo && run.to_undo().next().is_none() {
        for kept in run.kept() {
            print(&format!("stays as it is: {} on {}: {}", kept.name, kept.key.host, kept.why));
        }
        print("there is nothing to take back");
        return Ok(0);
    }
    if how == Again::Undo {
        let steps: Vec<String> =
            run.to_undo().filter_map(|key| Some(format!("  {} on {}", run.setup().book.program.get(key.task.0 as usize)?.task.name, key.host))).collect();
        print(&format!("to be taken back, the last first:\n{}", steps.join("\n")));
        if !go_on(&desk, &args.pace) {
            print("nothing was changed");
            return Ok(STOPPED);
        }
    }
    let ground = hand.ground(&desk, &id, Mode::Apply, printer(&desk, &hand, &args.pace, Diffs::Hidden));
    let mut runner = Runner::new(run, Some(journal), ground, hand.operator.clone(), hand.stop.clone()).width(args.pace.forks.into()).after(&found.records);
    let (by, pid) = (hand.operator.clone(), std::process::id());
    let event = match how {
        Again::Resume => Event::Resumed { by, pid, sha256: book.sha256.clone(), hosts: only },
        Again::Undo => Event::Undoing { by, pid },
    };
    runner.put(event).await.map_err(|e| e.to_string())?;
    Ok(finish(runner, &id, &args.pace).await)
}

fn setup(desk: &Desk, book: Arc<Playbook>, hosts: Vec<Name>, vars: Map<String, Value>, choice: Choice, pace: &args::Pace) -> Setup {
    Setup {
        book,
        catalog: desk.catalog.clone(),
        inventory: desk.inventory.clone(),
        hosts,
        vars,
        choice,
        mode: Mode::Apply,
        pace: if pace.yes { Pace::Through } else { Pace::Step },
    }
}
