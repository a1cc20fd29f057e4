//! `playbook runs`: what was run on this machine, read from the journals alone.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::base::text::clean;
use crate::engine::run::file::JournalFile;
use crate::engine::run::folder;
use crate::playbook::journal::Event;

pub(super) fn list(runs: &Path, as_json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let (entries, troubles) = folder::all(runs);
    if as_json {
        let all: Vec<_> = entries
            .iter()
            .map(|e| json!({ "run": e.id, "playbook": e.playbook, "began": e.began, "by": e.by, "state": e.state.word(), "can_resume": e.state.can_resume() }))
            .collect();
        writeln!(out, "{}", json!({ "runs": all }))?;
    } else {
        let width = entries.iter().map(|e| e.id.len()).max().unwrap_or(0);
        for e in &entries {
            writeln!(out, "{:<width$}  {:<9} {}  {}", e.id, e.state.word(), clean(&e.by), clean(&e.playbook))?;
        }
    }
    for trouble in &troubles {
        writeln!(io::stderr(), "quarterdeck: {trouble}")?;
    }
    Ok(u8::from(!troubles.is_empty()))
}

/// The records of one run, one line each.
pub(super) fn one(runs: &Path, id: &str, as_json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let journal = JournalFile::read(runs, id).map_err(io::Error::other)?;
    for record in &journal.records {
        if as_json {
            writeln!(out, "{}", serde_json::to_string(record)?)?;
            continue;
        }
        let text = match &record.event {
            Event::Opened(o) => format!("opened by {} for {}", o.by.name, o.hosts.iter().map(|t| &*t.name).collect::<Vec<_>>().join(", ")),
            Event::Began { key, name, action, phase, attempt, .. } => {
                let again = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
                format!("{:<12} begin {} ({action}{again}) {}", key.host, phase_word(*phase), name)
            }
            Event::Ended { key, phase, outcome, judged, .. } => {
                let word = serde_json::to_value(judged).ok().and_then(|v| v.as_str().map(ToOwned::to_owned)).unwrap_or_default();
                let rc = outcome.rc.map(|rc| format!(" rc={rc}")).unwrap_or_default();
                format!("{:<12} ended {} {word}{rc} {} ms {}", key.host, phase_word(*phase), outcome.took_ms, outcome.message)
            }
            Event::Settled { key, end, why, .. } => format!("{:<12} {} {why}", key.host, super::front::word(*end)),
            Event::Looped { key, items } => format!("{:<12} {items} items", key.host),
            Event::Decided { decision, by, .. } => format!("{} decided: {}", by.name, serde_json::to_string(decision)?),
            Event::Resumed { by, .. } => format!("resumed by {}", by.name),
            Event::Undoing { by, .. } => format!("undo by {}", by.name),
            Event::Closed { why, note } => format!("closed: {} {note}", serde_json::to_string(why)?),
        };
        writeln!(out, "{} {}", record.at, clean(text.trim_end()))?;
    }
    Ok(0)
}

fn phase_word(phase: crate::playbook::step::Phase) -> &'static str {
    use crate::playbook::step::Phase;
    match phase {
        Phase::Check(_) => "check",
        Phase::Look => "look",
        Phase::Act => "act",
        Phase::Verify(_) => "verify",
        Phase::Undo(_) => "undo",
    }
}
