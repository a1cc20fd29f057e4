//! `quarterdeck status`: the whole picture once, for people and for pipes. The exit code is that of monitoring plugins.

mod json;
mod text;

use std::io::{self, Write};
use std::time::Duration;

use crate::config::spec::Config;
use crate::headless;
use crate::model::id::Target;
use crate::model::reason::Reason;
use crate::model::source::SourceStatus;
use crate::model::verdict::Verdict;
use crate::store::Store;

/// How long a picture may take when nobody says otherwise.
pub const LIMIT: Duration = Duration::from_secs(20);

/// Makes the words of a reason in the language of the run.
pub type Words<'a> = &'a dyn Fn(&Reason) -> String;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// Takes the picture and writes it to `out`; gives the exit code: 0 ok, 1 warn, 2 crit, 3 unknown.
pub async fn run(config: &Config, format: Format, limit: Duration, words: Words<'_>, out: &mut dyn Write) -> io::Result<u8> {
    let store = headless::picture(config, limit).await;
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut *out, &json::picture(&store, words))?;
            writeln!(out)?;
        }
        Format::Text => text::write(&store, words, out)?,
    }
    out.flush()?;
    Ok(verdict(&store).exit_code())
}

/// The worst there is; a source that never answered is unknown.
pub fn verdict(store: &Store) -> Verdict {
    let silent = store.sources().filter(|s| !s.state.is_live()).map(|_| Verdict::Unknown);
    store.problems().iter().map(|p| p.verdict).chain(silent).max().unwrap_or(Verdict::Ok)
}

/// Why there is no live row of a source.
fn lost(status: &SourceStatus) -> Reason {
    Reason::unknown("source.lost").with("state", status.state.word()).with("error", &status.error)
}

/// Why a target is a problem: what its row says, or that there is no row because its source never answered.
fn reasons(store: &Store, target: &Target) -> Vec<Reason> {
    match store.judge(target) {
        Some(j) => j.reasons,
        None => store.source_of(target).map(lost).into_iter().collect(),
    }
}

/// Floor and full name of a target, for a line of text.
fn place(store: &Store, target: &Target) -> (&'static str, String) {
    match target {
        Target::Host(k) => ("host", k.to_string()),
        Target::Vm(k) => ("vm", store.vms.get(k).map_or_else(|| k.uuid.to_string(), |e| format!("{}/{}", e.row.host, e.row.name))),
        Target::Container(k) => ("container", store.containers.get(k).map_or_else(|| k.id.to_string(), |e| format!("{}/{}", e.row.host, e.row.name))),
        Target::Cluster(k) => ("cluster", k.to_string()),
        Target::Node(k) => ("node", format!("{}/{}", k.cluster, k.name)),
        Target::Pod(k) => ("pod", store.pods.get(k).map_or_else(|| k.uid.to_string(), |e| format!("{}/{}", e.row.namespace, e.row.name))),
        Target::Workload(k) => {
            ("workload", store.workloads.get(k).map_or_else(|| k.uid.to_string(), |e| format!("{} {}/{}", e.row.kind.word(), e.row.namespace, e.row.name)))
        }
        Target::Event(k) => ("event", k.uid.to_string()),
        Target::Group(k) => ("middleware", format!("{} {}", k.kind, k.name)),
    }
}
