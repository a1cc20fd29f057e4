//! `acts.jsonl`: what was done from this account on this machine, and by whom. One line an act; the runs of playbooks have journals
//! of their own, of which only the begin and the end stand here.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::json;

use crate::base::clock::Moment;
use crate::playbook::journal::Operator;

/// Writes one down. Where that fails the act itself is not held up: what must not be lost has its own journal.
pub fn note(state: &Path, at: Moment, by: &Operator, act: &str, what: &str) {
    let line = json!({ "at": at, "by": by, "act": act, "what": what }).to_string() + "\n";
    let written = DirBuilder::new().mode(0o700).recursive(true).create(state).and_then(|()| {
        let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(state.join("acts.jsonl"))?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    });
    if let Err(e) = written {
        tracing::warn!(error = %e, "acts.jsonl cannot be written");
    }
}
