//! `playbook show`: a playbook for a reader, before anything is rendered.

use std::io::{self, Write};

use crate::config::spec::Config;
use crate::engine::run::shelf;
use crate::model::catalog::Catalog;
use crate::playbook::spec::{Danger, Expr, Part, Playbook, Probe, Task, Undo};

/// Prints it; `Err`: there is none of that name.
pub(super) fn write(config: &Config, catalog: &Catalog, name: &str, out: &mut dyn Write) -> Result<io::Result<u8>, String> {
    let found = shelf::open(config, catalog, name)?;
    if !found.parsed.is_sound() {
        return Err(format!("{name} has mistakes; `quarterdeck playbook lint {name}` tells all of them"));
    }
    Ok(page(&found.parsed.playbook, out).map(|()| 0))
}

fn page(book: &Playbook, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}\n", book.name)?;
    for (what, text) in [("When to use", &book.when_to_use), ("What it does", &book.explain), ("Owner", &book.owner)] {
        if !text.is_empty() {
            writeln!(out, "{what}: {text}")?;
        }
    }
    writeln!(out, "Proven: {}", book.proven)?;
    if !book.requires.is_empty() {
        writeln!(out, "Needs: {}", book.requires.join(", "))?;
    }
    writeln!(out, "Targets: {}", book.hosts.value)?;
    if !book.prompts.is_empty() {
        writeln!(out, "\nAsks for")?;
        for p in &book.prompts {
            let secret = if p.private { " (secret)" } else { "" };
            let default = p.default.as_ref().filter(|_| !p.private).map(|d| format!(" [{}]", plain(&d.value))).unwrap_or_default();
            writeln!(out, "  {}{secret}: {}{default}", p.name, p.prompt)?;
            if !p.explain.is_empty() {
                writeln!(out, "      {}", p.explain)?;
            }
        }
    }
    writeln!(out, "\nSteps")?;
    for (at, entry) in book.program.iter().enumerate() {
        let part = match entry.within.last() {
            Some((_, Part::Rescue)) => "(when one before failed) ",
            Some((_, Part::Always)) => "(in any case) ",
            _ => "",
        };
        step(at + 1, part, &entry.task, out)?;
    }
    Ok(())
}

fn step(number: usize, part: &str, task: &Task, out: &mut dyn Write) -> io::Result<()> {
    let danger = match task.danger {
        Danger::None => "",
        Danger::Disruptive => "  DISRUPTIVE",
        Danger::Destructive => "  DESTRUCTIVE",
    };
    writeln!(out, "{number:>3}. {part}{}  [{}]{danger}", task.name, task.call.action)?;
    if !task.explain.is_empty() {
        writeln!(out, "     {}", task.explain)?;
    }
    for condition in &task.when {
        writeln!(out, "     only when: {}", condition.value)?;
    }
    for (what, probes) in [("done already when", &task.check), ("verified by", &task.verify)] {
        for probe in probes {
            writeln!(out, "     {what}: {}", look(probe))?;
        }
    }
    match &task.undo {
        Undo::Absent => Ok(()),
        Undo::None(why) => writeln!(out, "     no way back: {why}"),
        Undo::Calls(calls) => writeln!(out, "     taken back by: {}", calls.iter().map(|c| c.call.action.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

fn look(probe: &Probe) -> String {
    let all = |conditions: &[Expr]| conditions.iter().map(|c| c.value.trim()).collect::<Vec<_>>().join(" and ");
    let found = if probe.ok_when.is_empty() { format!("{} succeeds", probe.call.action) } else { format!("{}: {}", probe.call.action, all(&probe.ok_when)) };
    if probe.when.is_empty() { found } else { format!("{found} (only when {})", all(&probe.when)) }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
