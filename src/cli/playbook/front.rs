//! A run as text, in the words that Ansible users know, or as one JSON object a line.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::json;

use super::tty::Tty;
use crate::base::redact::Redactor;
use crate::base::text::{clean, span};
use crate::engine::run::front::{Flying, Front};
use crate::model::id::Name;
use crate::playbook::due::Question;
use crate::playbook::journal::{Decision, End, Event, Judged, Operator, Why};
use crate::playbook::outcome::tail;
use crate::playbook::run::Run;
use crate::playbook::spec::{Danger, Hint};
use crate::playbook::step::Key;
use crate::port::action::{Manual, Stream};

/// A silence that is told.
const SILENT: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Diffs {
    Shown,
    Hidden,
}

pub(super) struct Printer {
    format: Format,
    diffs: Diffs,
    operator: Operator,
    redact: Redactor,
    tty: Option<Arc<Mutex<Tty>>>,
    /// The step whose heading stands above.
    heading: Mutex<String>,
    told: Mutex<Duration>,
}

impl Printer {
    /// A line, every known secret taken out.
    fn out(&self, line: &str) {
        let line = self.redact.clean(line);
        let mut to = io::stdout().lock();
        let _ = to.write_all(line.as_bytes()).and_then(|()| to.write_all(b"\n")).and_then(|()| to.flush());
    }

    pub(super) fn new(format: Format, diffs: Diffs, operator: Operator, redact: Redactor, tty: Option<Arc<Mutex<Tty>>>) -> Self {
        Self { format, diffs, operator, redact, tty, heading: Mutex::default(), told: Mutex::default() }
    }

    fn heading(&self, name: &str) {
        let mut last = self.heading.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != name {
            name.clone_into(&mut last);
            self.out(&format!("\nTASK [{}]", clean(name)));
        }
    }

    fn text(&self, run: &Run, event: &Event) {
        match event {
            Event::Opened(opened) => self.out(&format!("PLAY [{}]", clean(&opened.playbook))),
            Event::Resumed { by, .. } => self.out(&format!("RESUMED by {}", clean(&by.name))),
            Event::Undoing { by, .. } => self.out(&format!("UNDO by {}", clean(&by.name))),
            Event::Began { name, phase, .. } if phase.acts() => self.heading(name),
            Event::Ended { key, phase, outcome, judged: Judged::Again, attempt } if phase.acts() => {
                self.out(&format!("retrying: [{}] attempt {attempt} did not do it: {}", key.host, clean(&outcome.message)));
            }
            Event::Settled { key, end, why, .. } => {
                if let Some(row) = run.rows().iter().find(|r| r.key == *key) {
                    self.heading(&row.name);
                    let item = if key.item > 0 { format!(" (item {})", key.item + 1) } else { String::new() };
                    let why = if why.is_empty() { String::new() } else { format!(": {}", clean(why)) };
                    self.out(&format!("{}: [{}]{item}{why}", word(*end), key.host));
                    if let (Diffs::Shown, Some(diff)) = (self.diffs, &row.diff) {
                        diff.lines().for_each(|line| self.out(&format!("    {}", clean(line))));
                    }
                }
            }
            Event::Decided { decision, question, .. } => {
                let hosts: Vec<&str> = question.keys.iter().map(|k| &*k.host).collect();
                if let Decision::Skip(reason) | Decision::Accept(reason) = decision {
                    self.out(&format!("decided for {}: {}", hosts.join(", "), clean(reason)));
                }
            }
            _ => {}
        }
    }
}

/// As Ansible says it, and what it has no word for.
pub(super) fn word(end: End) -> &'static str {
    match end {
        End::Already | End::Ok => "ok",
        End::Changed => "changed",
        End::Skipped => "skipping",
        End::Failed => "fatal",
        End::Ignored => "ignored",
        End::Unreachable => "unreachable",
        End::Would => "would change",
        End::Unclear => "unclear",
        End::Undone => "undone",
    }
}

/// The last line of a run, one a target.
pub(super) fn recap(run: &Run) -> String {
    let rows = run.recap();
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::from("\nPLAY RECAP\n");
    for (name, c) in rows {
        let _ = write!(
            text,
            "{name:<width$} : ok={:<4} changed={:<4} unreachable={:<4} failed={:<4} skipped={:<4} rescued={:<4} ignored={:<4}",
            c.ok, c.changed, c.unreachable, c.failed, c.skipped, c.rescued, c.ignored
        );
        if c.would + c.unclear > 0 {
            let _ = write!(text, " would={:<4} unclear={:<4}", c.would, c.unclear);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    let stopped = run.stopped();
    if !stopped.is_empty() {
        let _ = writeln!(text, "{} stopped there too: this playbook goes on only while all of its targets do", stopped.join(", "));
    }
    text.pop();
    text
}

fn hints(hints: &[Hint]) -> String {
    hints.iter().fold(String::new(), |mut text, h| {
        let _ = writeln!(text, "  means: {}\n  fix:   {}", clean(&h.means), clean(&h.fix));
        text
    })
}

fn shown(question: &Question) -> String {
    let mut text = String::new();
    let hosts: Vec<&str> = question.asked.keys.iter().map(|k| &*k.host).collect();
    let danger = match question.danger {
        Danger::None => "",
        Danger::Disruptive => " (disruptive)",
        Danger::Destructive => " (DESTRUCTIVE)",
    };
    let _ = writeln!(text, "\nSTEP [{}]{danger} on {}", clean(&question.name), hosts.join(", "));
    if !question.explain.is_empty() {
        let _ = writeln!(text, "  {}", clean(&question.explain));
    }
    match question.asked.why {
        Why::Confirm => {
            for step in question.steps.iter().take(1).filter(|s| !s.no_log) {
                for (name, value) in &step.args {
                    let value = super::values::text(value);
                    let _ = writeln!(text, "  {} {name}: {}", step.action, clean(tail(&value, 400)));
                }
            }
            for (host, diff) in &question.diffs {
                let _ = writeln!(text, "  {host}:");
                diff.lines().for_each(|line| {
                    let _ = writeln!(text, "    {}", clean(line));
                });
            }
        }
        Why::Failed | Why::Unknown => {
            let _ = writeln!(
                text,
                "{}",
                if question.asked.why == Why::Failed { "  it FAILED. The last it said:" } else { "  nobody knows how it ended. The last it said:" }
            );
            let last: Vec<&str> = question.said.lines().rev().take(20).collect();
            last.iter().rev().for_each(|line| {
                let _ = writeln!(text, "    {}", clean(line));
            });
            text.push_str(&hints(&question.hints));
        }
    }
    text
}

/// Asks until an answer can be understood.
fn decide(tty: &mut Tty, question: &Question, redact: &Redactor) -> Result<Decision, String> {
    tty.say(&redact.clean(&shown(question)));
    loop {
        if let Some(phrase) = question.phrase.as_ref().filter(|_| question.asked.why == Why::Confirm) {
            let typed = tty.line(&format!("type `{phrase}` to do it, s to skip it, q to stop: "))?;
            match typed.trim() {
                t if t == phrase => return Ok(Decision::Go),
                "s" => return Ok(Decision::Skip(reason(tty)?)),
                "q" | "n" => return Ok(Decision::Stop),
                _ => continue,
            }
        }
        let keys = match question.asked.why {
            Why::Confirm => "y yes, c yes to all, e edit a value, s skip, n/q stop",
            Why::Failed => "r retry, e edit a value and retry, s skip, f give this target up, u undo it, q stop",
            Why::Unknown => "r try again, a it was done, s skip, f give this target up, q stop",
        };
        let typed = tty.line(&format!("{keys}: "))?;
        let confirm = question.asked.why == Why::Confirm;
        match typed.trim() {
            "y" if confirm => return Ok(Decision::Go),
            "c" if confirm => return Ok(Decision::GoOn),
            "r" if !confirm => return Ok(Decision::Retry(serde_json::Map::new())),
            "a" if question.asked.why == Why::Unknown => return Ok(Decision::Accept(reason(tty)?)),
            "e" => {
                let line = tty.line("KEY=VALUE: ")?;
                match super::values::extra(&[line]) {
                    Ok(vars) => return Ok(Decision::Retry(vars)),
                    Err(why) => tty.say(&why),
                }
            }
            "s" => return Ok(Decision::Skip(reason(tty)?)),
            "f" if !confirm => return Ok(Decision::Fail),
            "u" if !confirm => return Ok(Decision::Undo),
            "n" | "q" => return Ok(Decision::Stop),
            _ => {}
        }
    }
}

fn reason(tty: &mut Tty) -> Result<String, String> {
    loop {
        let reason = tty.line("why: ")?;
        if !reason.trim().is_empty() {
            return Ok(reason.trim().to_owned());
        }
    }
}

/// Works with the terminal beside the run, not in its way.
async fn at_terminal<T: Send + 'static>(tty: Option<Arc<Mutex<Tty>>>, work: impl FnOnce(&mut Tty) -> Option<T> + Send + 'static) -> Option<T> {
    let tty = tty?;
    tokio::task::spawn_blocking(move || work(&mut tty.lock().unwrap_or_else(PoisonError::into_inner))).await.ok().flatten()
}

impl Front for Printer {
    fn event(&self, run: &Run, event: &Event) {
        match self.format {
            Format::Text => self.text(run, event),
            Format::Json => {
                let keep = event.key().map_or(crate::playbook::outcome::Keep::Data, |k| run.keep(k));
                if let Ok(line) = serde_json::to_string(&event.for_journal(keep)) {
                    self.out(&line);
                }
            }
        }
    }

    fn line(&self, key: &Key, stream: Stream, line: &str) {
        match self.format {
            Format::Text => self.out(&format!("  {} {} {line}", key.host, if stream == Stream::Out { "|" } else { "!" })),
            Format::Json => {
                self.out(&json!({ "record": "line", "key": key, "stream": if stream == Stream::Out { "out" } else { "err" }, "text": line }).to_string());
            }
        }
    }

    fn beat(&self, flying: &[Flying]) {
        if self.format == Format::Json {
            return;
        }
        let quiet: Vec<&Flying> = flying.iter().filter(|f| f.silent >= SILENT).collect();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = quiet.iter().map(|f| f.running).max().unwrap_or_default();
        // Every ten seconds, not every second: a pipe keeps all of it.
        if quiet.is_empty() || (longest >= *told && longest < *told + SILENT) {
            return;
        }
        *told = longest;
        let mut to = io::stderr().lock();
        for f in quiet {
            let _ = writeln!(to, "  {} running {}, last output {} ago: {}", f.key.host, span(f.running.as_secs()), span(f.silent.as_secs()), clean(&f.name));
        }
    }

    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Option<(Decision, Operator)>> {
        Box::pin(async move {
            if self.tty.is_none() {
                let _ = write!(io::stderr().lock(), "{}", self.redact.clean(&shown(question)));
            }
            let (asked, by, redact) = (question.clone(), self.operator.clone(), self.redact.clone());
            let decision = at_terminal(self.tty.clone(), move |tty| decide(tty, &asked, &redact).ok()).await?;
            Some((decision, by))
        })
    }

    fn manual<'a>(&'a self, host: &'a Name, instructions: &'a str) -> BoxFuture<'a, Option<Manual>> {
        let text = format!("\nBY HAND on {host}:\n{instructions}");
        Box::pin(async move {
            at_terminal(self.tty.clone(), move |tty| {
                tty.say(&text);
                loop {
                    let typed = tty.line("d done, s skipped, f failed: ").ok()?;
                    match typed.trim() {
                        "d" => return Some(Manual::Done(tty.line("note: ").unwrap_or_default())),
                        "s" => return Some(Manual::Skipped(reason(tty).ok()?)),
                        "f" => return Some(Manual::Failed(reason(tty).ok()?)),
                        _ => {}
                    }
                }
            })
            .await
        })
    }
}

/// A plan's heading and its end.
pub(super) fn plan(run: &Run) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for row in run.rows() {
        if row.name != last {
            let danger = match row.danger {
                Danger::None => "",
                Danger::Disruptive => "  (disruptive)",
                Danger::Destructive => "  (DESTRUCTIVE)",
            };
            let _ = writeln!(text, "\n{}{danger}", clean(&row.name));
            last.clone_from(&row.name);
        }
        let found = match row.end {
            Some(End::Already | End::Ok) => "done",
            Some(End::Would | End::Changed) => "to do",
            Some(End::Skipped) => "left out",
            Some(End::Unclear) => "unknown",
            Some(End::Failed) => "FAILS",
            Some(End::Unreachable) => "UNREACHABLE",
            Some(End::Ignored) => "fails, ignored",
            Some(End::Undone) => "undone",
            None => "later",
        };
        let why = if row.why.is_empty() { String::new() } else { format!(": {}", clean(&row.why)) };
        let _ = writeln!(text, "  {:<12} {}{why}", found, row.key.host);
        for line in row.diff.iter().flat_map(|d| d.lines()) {
            let _ = writeln!(text, "      {}", clean(line));
        }
    }
    text
}

/// A plan is made without a word; what it found is told at its end.
pub(super) struct Silent;

impl Front for Silent {
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
