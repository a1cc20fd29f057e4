//! What is not ok: one line a cause as far as proven joins tell, the oldest crit first.

use std::collections::{HashMap, HashSet};

use super::Store;
use super::table::{Entry, Table};
use crate::base::clock::Moment;
use crate::model::fact::Row;
use crate::model::id::{Name, NodeKey, ObjectKey, SourceId, Target};
use crate::model::source::SourceState;
use crate::model::verdict::Verdict;

/// Lines that the list holds at most; what is beyond is counted by the panes.
const MOST: usize = 500;

#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub target: Target,
    pub verdict: Verdict,
    pub since: Moment,
    /// Symptoms on other rows that this explains, along proven joins only.
    pub folded: usize,
}

/// Everything wrong, folded.
///
/// A pod folds under its node when that is crit or unknown, and under its troubled siblings of the same controller and status;
/// a node folds under the VM it is proven to be, a VM or container under its host. The rows of a lost source are not problems
/// of their own: the source is.
pub(super) fn list(store: &Store) -> Vec<Problem> {
    let lost: HashSet<SourceId> = store.sources().filter(|s| !s.state.is_live() && s.state != SourceState::Connecting).map(|s| s.id).collect();
    let mut all = Vec::new();
    let mut folds: HashMap<Target, usize> = HashMap::new();

    simple(&store.hosts, &mut all);
    simple(&store.clusters, &mut all);
    simple(&store.groups, &mut all);
    for (_, e) in store.vms.troubled() {
        let host = Target::Host(e.row.host.clone());
        if is_down(store.hosts.get(&e.row.host)) { *folds.entry(host).or_default() += 1 } else { all.push(problem(e)) }
    }
    for (_, e) in store.containers.troubled() {
        let host = Target::Host(e.row.host.clone());
        if is_down(store.hosts.get(&e.row.host)) { *folds.entry(host).or_default() += 1 } else { all.push(problem(e)) }
    }
    for (_, e) in store.nodes.troubled().filter(|(_, e)| !lost.contains(&e.source)) {
        let below = store.joins().below_node(&e.row.key()).filter(|b| !b.is_guess).map(|b| b.target.clone());
        match below {
            Some(target) if store.judge(&target).is_some_and(|j| matches!(j.verdict, Verdict::Crit | Verdict::Unknown)) => {
                *folds.entry(root(store, target)).or_default() += 1;
            }
            _ => all.push(problem(e)),
        }
    }
    pods(store, &lost, &mut all, &mut folds);
    for (_, e) in store.workloads.troubled().filter(|(_, e)| !lost.contains(&e.source)) {
        all.push(problem(e));
    }
    silent(store, &mut all);
    for p in &mut all {
        p.folded += folds.get(&p.target).copied().unwrap_or(0);
    }
    all.sort_by_key(|p| (p.verdict.rank(), p.since));
    all.truncate(MOST);
    all
}

/// Lost sources that no row of a table speaks for: hosts, clusters and middleware that never answered, or whose entry is broken.
fn silent(store: &Store, all: &mut Vec<Problem>) {
    let mut named: HashSet<Target> = HashSet::new();
    for s in store.sources().filter(|s| !s.state.is_live() && s.state != SourceState::Connecting) {
        let target = s.subject.target();
        if !store.has(&target) && named.insert(target.clone()) {
            all.push(Problem { target, verdict: Verdict::Unknown, since: s.since, folded: 0 });
        }
    }
}

/// Pods of one controller in one state share a line.
fn pods(store: &Store, lost: &HashSet<SourceId>, all: &mut Vec<Problem>, folds: &mut HashMap<Target, usize>) {
    let mut siblings: HashMap<(Name, Name, Name, Name), usize> = HashMap::new();
    for (_, e) in store.pods.troubled().filter(|(_, e)| !lost.contains(&e.source)) {
        let pod = &e.row;
        if let Some(node) = &pod.node {
            let key = NodeKey { cluster: pod.cluster.clone(), name: node.clone() };
            if is_down(store.nodes.get(&key)) {
                let below = store.joins().below_node(&key).filter(|b| !b.is_guess).map(|b| root(store, b.target.clone()));
                let explained = below.filter(|t| store.judge(t).is_some_and(|j| matches!(j.verdict, Verdict::Crit | Verdict::Unknown)));
                *folds.entry(explained.unwrap_or(Target::Node(key))).or_default() += 1;
                continue;
            }
        }
        if let Some(owner) = &pod.owner {
            let key = (pod.cluster.clone(), pod.namespace.clone(), owner.name.clone(), pod.status.clone());
            if let Some(&line) = siblings.get(&key) {
                let first: &mut Problem = &mut all[line];
                first.folded += 1;
                continue;
            }
            siblings.insert(key, all.len());
        }
        all.push(Problem { target: Target::Pod(ObjectKey { cluster: pod.cluster.clone(), uid: pod.uid }), verdict: e.verdict, since: e.since, folded: 0 });
    }
}

/// A VM whose host is down is itself explained by the host.
fn root(store: &Store, target: Target) -> Target {
    match &target {
        Target::Vm(vm) if is_down(store.hosts.get(&vm.host)) => Target::Host(vm.host.clone()),
        _ => target,
    }
}

fn is_down<T>(entry: Option<&Entry<T>>) -> bool {
    entry.is_some_and(|e| matches!(e.verdict, Verdict::Crit | Verdict::Unknown))
}

fn simple<T: Row>(table: &Table<T>, out: &mut Vec<Problem>) {
    out.extend(table.troubled().map(|(_, e)| problem(e)));
}

fn problem<T: Row>(e: &Entry<T>) -> Problem {
    Problem { target: e.row.target(), verdict: e.verdict, since: e.since, folded: 0 }
}
