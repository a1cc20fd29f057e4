//! `playbook list`: what there is, what each is for, and what was shown to work.

use std::io::{self, Write};

use serde::Serialize;

use crate::config::spec::Config;
use crate::engine::run::shelf;
use crate::model::catalog::Catalog;

#[derive(Serialize)]
struct Line {
    name: String,
    title: String,
    /// How it is proven: `run`, `experimental`, or one of both by the way the thing runs.
    proven: String,
    requires: Vec<String>,
    owner: String,
    /// Carried in this program, or found in a folder.
    carried: bool,
    /// Empty where it can be read.
    mistakes: usize,
}

/// Prints every playbook. A file of the user hides one that is carried under the same name.
pub(super) fn write(config: &Config, catalog: &Catalog, json: bool, out: &mut dyn Write) -> io::Result<u8> {
    let mut lines = Vec::new();
    for name in shelf::names(config) {
        let Ok(found) = shelf::open(config, catalog, &name) else { continue };
        // A file of steps that others include is no playbook.
        if found.parsed.playbook.program.is_empty() && found.parsed.mistakes.is_empty() {
            continue;
        }
        let book = &found.parsed.playbook;
        lines.push(Line {
            title: book.name.clone(),
            proven: book.proven.to_string(),
            requires: book.requires.clone(),
            owner: book.owner.clone(),
            carried: found.carried,
            mistakes: found.parsed.mistakes.len(),
            name,
        });
    }
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&lines).map_err(io::Error::other)?)?;
        return Ok(0);
    }
    let width = lines.iter().map(|l| l.name.chars().count()).max().unwrap_or(0);
    for line in &lines {
        let title =
            if line.mistakes == 0 { line.title.clone() } else { format!("{} mistakes; `quarterdeck playbook lint {}` tells them", line.mistakes, line.name) };
        writeln!(out, "{:width$}  {title}", line.name)?;
        let needs = if line.requires.is_empty() { String::new() } else { format!("; needs {}", line.requires.join(", ")) };
        writeln!(out, "{:width$}  proven: {}{needs}", "", line.proven)?;
    }
    Ok(0)
}
