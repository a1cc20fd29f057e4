//! `playbook fetch`: every download of a playbook into a folder, to be carried into a network without one.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::desk::{Desk, Refused};
use super::values::extra;
use crate::engine::run::bundle;
use crate::playbook::spec::{Playbook, Undo};
use crate::playbook::template::Engine;
use crate::playbook::template::scope::{Layer, Scope};

/// A step by name, and what it downloads.
type Wanted = (String, Map<String, Value>);

/// The arguments of every step that names an address, rendered as far as they can be without a target.
fn downloads(book: &Playbook, vars: &Map<String, Value>) -> Result<Vec<Wanted>, Refused> {
    let engine = Engine::default();
    let scope = Scope::new(&engine, vec![Layer::Written(Arc::new(book.vars.clone())), Layer::known(vars.clone())]);
    let mut found = Vec::new();
    for entry in &book.program {
        let task = &entry.task;
        let undo = match &task.undo {
            Undo::Calls(calls) => calls.iter().map(|c| &c.call).collect(),
            _ => Vec::new(),
        };
        for call in [&task.call].into_iter().chain(undo).filter(|c| c.args.contains_key("sha256") && c.args.contains_key("url")) {
            let mut args = Map::new();
            for name in ["url", "mirror", "sha256"] {
                if let Some(var) = call.args.get(name) {
                    args.insert(name.to_owned(), engine.var(var, &scope).map_err(|e| format!("{}: {e}; give what it needs with -e", task.name))?);
                }
            }
            found.push((task.name.clone(), args));
        }
    }
    Ok(found)
}

pub(super) async fn run(desk: Desk, name: &str, folder: &Path, given: &[String]) -> Result<u8, Refused> {
    let (book, _) = desk.playbook(name)?;
    let vars = extra(given)?;
    let wanted = downloads(&book, &vars)?;
    std::fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let mut to = io::stdout().lock();
    for (step, args) in &wanted {
        let got = bundle::fetch(&desk.redact, args, folder).await.map_err(|e| format!("{step}: {e}"))?;
        let _ = writeln!(to, "{got}  ({step})");
    }
    let _ = writeln!(to, "{} files in {}; use them with: -e source={}", wanted.len(), folder.display(), folder.display());
    Ok(0)
}
