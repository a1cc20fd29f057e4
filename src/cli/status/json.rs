//! `status --json`: schema `quarterdeck.status/1`. Units are in the keys, numbers are numbers, times are RFC 3339.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Words;
use crate::base::clock::Moment;
use crate::model::fact::{Denied, Row};
use crate::model::freshness::{FreshState, Freshness};
use crate::model::id::Target;
use crate::model::source::{SourceStatus, Subject};
use crate::model::verdict::{Judgement, Verdict};
use crate::store::Store;
use crate::store::table::{Entry, Table};

pub(super) const SCHEMA: &str = "quarterdeck.status/1";

#[derive(Serialize)]
pub(super) struct Picture {
    schema: &'static str,
    at: Moment,
    verdict: Verdict,
    hosts: Vec<Item>,
    vms: Vec<Item>,
    containers: Vec<Item>,
    clusters: Vec<ClusterItem>,
    middleware: Vec<Item>,
    problems: Vec<ProblemItem>,
    sources: Vec<SourceItem>,
}

#[derive(Serialize)]
struct ReasonText {
    code: &'static str,
    text: String,
}

/// What every entry has, with the row's own fields beside it.
#[derive(Serialize)]
struct Item {
    name: String,
    verdict: Verdict,
    reasons: Vec<ReasonText>,
    freshness: Freshness,
    #[serde(flatten)]
    row: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct ClusterItem {
    #[serde(flatten)]
    item: Item,
    nodes: Vec<Item>,
    pods: Pods,
    workloads: Vec<Item>,
}

#[derive(Serialize)]
struct Pods {
    total: usize,
    by_status: BTreeMap<String, usize>,
    unhealthy: Vec<Item>,
}

#[derive(Serialize)]
struct ProblemItem {
    floor: &'static str,
    name: String,
    verdict: Verdict,
    since: Moment,
    folded: usize,
    reasons: Vec<ReasonText>,
    freshness: Freshness,
}

#[derive(Serialize)]
struct SourceItem {
    name: String,
    #[serde(flatten)]
    status: SourceStatus,
    denied: Vec<Denied>,
}

/// The picture as one object. `words` makes the texts of reasons.
pub(super) fn picture(store: &Store, words: Words) -> Picture {
    Picture {
        schema: SCHEMA,
        at: store.now(),
        verdict: super::verdict(store),
        hosts: items(store, &store.hosts, words).chain(silent(store, words, |s| matches!(s, Subject::Host(name) if store.hosts.get(name).is_none()))).collect(),
        vms: items(store, &store.vms, words).collect(),
        containers: items(store, &store.containers, words).collect(),
        clusters: clusters(store, words),
        middleware: items(store, &store.groups, words)
            .chain(silent(
                store,
                words,
                |s| matches!(s, Subject::Middleware { kind, name } if !store.groups.iter().any(|(_, e)| e.row.kind == *kind && e.row.name == *name)),
            ))
            .collect(),
        problems: problems(store, words),
        sources: store
            .sources()
            .map(|s| SourceItem { name: s.subject.name().to_string(), status: s.clone(), denied: store.denied_to(s.id).cloned().collect() })
            .collect(),
    }
}

fn texts(j: &Judgement, words: Words) -> Vec<ReasonText> {
    j.reasons.iter().map(|r| ReasonText { code: r.code, text: words(r) }).collect()
}

fn fields<T: Serialize>(row: &T) -> serde_json::Map<String, serde_json::Value> {
    match serde_json::to_value(row) {
        Ok(serde_json::Value::Object(mut map)) => {
            for ours in ["name", "verdict", "reasons", "freshness"] {
                map.remove(ours);
            }
            map
        }
        _ => serde_json::Map::new(),
    }
}

fn item<T: Row + Serialize>(store: &Store, entry: &Entry<T>, words: Words) -> Item {
    let j = store.judge_entry(entry);
    Item { name: entry.row.order().1.to_owned(), verdict: entry.verdict, reasons: texts(&j, words), freshness: store.freshness(entry), row: fields(&entry.row) }
}

fn items<'a, T: Row + Serialize>(store: &'a Store, table: &'a Table<T>, words: Words<'a>) -> impl Iterator<Item = Item> + 'a {
    let mut entries: Vec<&Entry<T>> = table.iter().map(|(_, e)| e).collect();
    entries.sort_by(|a, b| a.row.order().cmp(&b.row.order()));
    entries.into_iter().map(move |e| item(store, e, words))
}

/// Rows of what has never answered: they must not be missing from a picture that calls itself whole.
fn silent<'a>(store: &'a Store, words: Words<'a>, which: impl Fn(&Subject) -> bool + 'a) -> impl Iterator<Item = Item> + 'a {
    store.sources().filter(move |s| which(&s.subject)).map(move |s| Item {
        name: s.subject.name().to_string(),
        verdict: Verdict::Unknown,
        reasons: vec![ReasonText { code: "source.lost", text: words(&super::lost(s)) }],
        freshness: Freshness { state: FreshState::Never, age_ms: None },
        row: serde_json::Map::new(),
    })
}

fn clusters(store: &Store, words: Words) -> Vec<ClusterItem> {
    let known = items(store, &store.clusters, words);
    let never = silent(store, words, |s| matches!(s, Subject::Cluster(name) if store.clusters.get(name).is_none()));
    known
        .chain(never)
        .map(|item| {
            let of = |cluster: &str| *cluster == *item.name;
            let mut by_status = BTreeMap::new();
            let mut unhealthy: Vec<&Entry<crate::model::pod::Pod>> = Vec::new();
            let mut total = 0;
            for (_, e) in store.pods.iter().filter(|(_, e)| of(&e.row.cluster)) {
                total += 1;
                *by_status.entry(e.row.status.to_string()).or_insert(0) += 1;
                if e.verdict.is_problem() {
                    unhealthy.push(e);
                }
            }
            unhealthy.sort_by(|a, b| (a.verdict.rank(), a.row.order()).cmp(&(b.verdict.rank(), b.row.order())));
            let unhealthy = unhealthy.into_iter().map(|e| self::item(store, e, words)).collect();
            let nodes = items(store, &store.nodes, words).filter(|i| i.row.get("cluster").and_then(|c| c.as_str()).is_some_and(of)).collect();
            let workloads = items(store, &store.workloads, words).filter(|i| i.row.get("cluster").and_then(|c| c.as_str()).is_some_and(of)).collect();
            ClusterItem { nodes, pods: Pods { total, by_status, unhealthy }, workloads, item }
        })
        .collect()
}

fn problems(store: &Store, words: Words) -> Vec<ProblemItem> {
    store
        .problems()
        .iter()
        .filter_map(|p| {
            let j = store.judge(&p.target)?;
            let (floor, name) = super::place(store, &p.target);
            Some(ProblemItem {
                floor,
                name,
                verdict: p.verdict,
                since: p.since,
                folded: p.folded,
                reasons: texts(&j, words),
                freshness: freshness(store, &p.target),
            })
        })
        .collect()
}

fn freshness(store: &Store, target: &Target) -> Freshness {
    let of = match target {
        Target::Host(k) => store.hosts.get(k).map(|e| store.freshness(e)),
        Target::Vm(k) => store.vms.get(k).map(|e| store.freshness(e)),
        Target::Container(k) => store.containers.get(k).map(|e| store.freshness(e)),
        Target::Cluster(k) => store.clusters.get(k).map(|e| store.freshness(e)),
        Target::Node(k) => store.nodes.get(k).map(|e| store.freshness(e)),
        Target::Pod(k) => store.pods.get(k).map(|e| store.freshness(e)),
        Target::Workload(k) => store.workloads.get(k).map(|e| store.freshness(e)),
        Target::Event(k) => store.events.get(k).map(|e| store.freshness(e)),
        Target::Group(k) => store.groups.get(k).map(|e| store.freshness(e)),
    };
    of.unwrap_or(Freshness { state: FreshState::Never, age_ms: None })
}
