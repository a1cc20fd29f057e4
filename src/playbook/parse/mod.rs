//! A file becomes a [`Playbook`]. Nothing is run and nothing is rendered; every mistake is told, not only the first.

mod play;
mod reader;
mod task;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

pub use reader::{Texts, duration};

use self::reader::Reader;
use super::mistake::{Mistake, Severity};
use super::spec::Playbook;
use super::yaml;
use crate::model::catalog::Catalog;

/// What was read, and everything that is wrong with it, in the order of the file. With an error among them it must not run.
#[derive(Debug)]
pub struct Parsed {
    pub playbook: Playbook,
    pub mistakes: Vec<Mistake>,
}

impl Parsed {
    pub fn is_sound(&self) -> bool {
        self.mistakes.iter().all(|m| m.severity != Severity::Error)
    }
}

/// Reads a playbook. `texts` gives the files that it names, by their path beside it.
pub fn parse(file: &str, text: &str, catalog: &Catalog, texts: Texts<'_>) -> Parsed {
    let mut r = Reader { catalog, texts, notes: Vec::new(), read: std::collections::BTreeMap::new() };
    let name = reader::file(file);
    let mut playbook = match yaml::read(&name, text) {
        Ok((node, doubts)) => {
            r.notes.extend(doubts);
            play::read(&mut r, &node)
        }
        Err(mistake) => {
            r.notes.push(mistake);
            Playbook::default()
        }
    };
    playbook.file = name;
    playbook.texts = std::mem::take(&mut r.read);
    playbook.sha256 = sum(text, &playbook);
    let mut mistakes = r.notes;
    mistakes.sort_by(|a, b| a.at.cmp(&b.at));
    mistakes.dedup();
    Parsed { playbook, mistakes }
}

/// Over the playbook and every text that it names.
fn sum(text: &str, playbook: &Playbook) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(text.as_bytes());
    for (path, text) in &playbook.texts {
        context.update(path.as_bytes());
        context.update(&[0]);
        context.update(text.as_bytes());
    }
    context.finish().as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
