//! `status` for people: a line a floor, then what is not ok. No colour, so that it reads the same in a pipe and in a mail.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Words;
use crate::base::text;
use crate::model::source::SourceState;
use crate::model::verdict::Verdict;
use crate::store::Store;
use crate::store::table::Counts;

pub(super) fn write(store: &Store, words: Words, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}  {}", super::verdict(store).word().to_uppercase(), store.now())?;
    floor(out, "hosts", store.hosts.counts())?;
    floor(out, "vms", store.vms.counts())?;
    floor(out, "containers", store.containers.counts())?;
    for (_, e) in store.clusters.iter() {
        writeln!(out, "cluster     {} {} at {}", text::clean(&e.row.name), text::clean(&e.row.version), text::clean(&e.row.server))?;
    }
    floor(out, "nodes", store.nodes.counts())?;
    floor(out, "pods", store.pods.counts())?;
    let mut by_status: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, e) in store.pods.iter() {
        *by_status.entry(&e.row.status).or_default() += 1;
    }
    if !by_status.is_empty() {
        let list: Vec<String> = by_status.iter().map(|(status, n)| format!("{n} {}", text::clean(status))).collect();
        writeln!(out, "            {}", list.join(", "))?;
    }
    floor(out, "workloads", store.workloads.counts())?;
    floor(out, "middleware", store.groups.counts())?;

    for p in store.problems() {
        let (floor, name) = super::place(store, &p.target);
        let reasons: Vec<String> = super::reasons(store, &p.target).iter().map(words).collect();
        let folded = if p.folded > 0 { format!("  (+{} more)", p.folded) } else { String::new() };
        writeln!(out, "{:<8} {floor} {}: {}{folded}", p.verdict.word(), text::clean(&name), text::clean(&reasons.join("; ")))?;
        if let Some(s) = store.source_of(&p.target).filter(|s| !s.state.is_live() && !s.remedy.is_empty()) {
            writeln!(out, "         -> {}", text::clean(&s.remedy))?;
        }
    }
    for s in store.sources().filter(|s| s.state == SourceState::Connecting) {
        writeln!(out, "unknown  {}: no answer within the time given", text::clean(s.subject.name()))?;
    }
    for s in store.sources() {
        for d in store.denied_to(s.id) {
            writeln!(out, "no right {}: {} -> {}", text::clean(s.subject.name()), text::clean(&d.fact), text::clean(&d.need))?;
        }
    }
    Ok(())
}

fn floor(out: &mut dyn Write, name: &str, counts: Counts) -> io::Result<()> {
    if counts.total() == 0 {
        return Ok(());
    }
    let list: Vec<String> = Verdict::ALL.iter().filter(|v| counts[**v] > 0).map(|v| format!("{} {}", counts[*v], v.word())).collect();
    writeln!(out, "{name:<11} {}: {}", counts.total(), list.join(", "))
}
