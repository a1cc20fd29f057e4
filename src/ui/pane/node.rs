//! Kubernetes nodes, and the clusters that do not answer.

use super::table::spark;
use super::{Align, Cell, Column, Extra, Floor, PaneKind, Say, Width, age, denied, grade, natural, same, source_line};
use crate::model::id::{Kind, Target};
use crate::model::node::{Node, Readiness};
use crate::model::source::Subject;
use crate::model::verdict::Verdict;
use crate::store::Store;
use crate::store::table::{Entry, Table};

#[derive(Debug)]
pub struct Nodes;

/// The words of its state, as kubectl's STATUS column has them.
pub fn status(node: &Node, say: &Say) -> String {
    let mut out = say.lang.word(match node.ready {
        Readiness::True => "node.ready",
        Readiness::False => "node.not-ready",
        Readiness::Unknown => "node.unknown",
    });
    if node.cordoned && node.ready == Readiness::True {
        out = say.lang.word("node.cordoned");
    }
    out.to_owned()
}

/// What its pods request, against what it can give, in percent.
pub fn requested(e: &Entry<Node>, say: &Say) -> (f64, f64) {
    let load = say.store.node_load(&crate::model::id::NodeKey { cluster: e.row.cluster.clone(), name: e.row.name.clone() });
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    (share(load.cpu_request_millicores, e.row.allocatable.cpu_millicores), share(load.memory_request_bytes, e.row.allocatable.memory_bytes))
}

impl Floor for Nodes {
    type Row = Node;
    const PANE: PaneKind = PaneKind::Nodes;
    const COLUMNS: &'static [Column<Node>] = &[
        Column {
            key: "name",
            width: Width::Name(8),
            align: Align::Left,
            rank: 0,
            cell: |e, _| Cell::of("text.name", &*e.row.name),
            sort: |a, b| natural(&a.name, &b.name),
        },
        Column {
            key: "status",
            width: Width::Fixed(8),
            align: Align::Left,
            rank: 1,
            cell: |e, say| Cell::of(if e.row.ready == Readiness::True { "text.dim" } else { "verdict.crit" }, status(&e.row, say)),
            sort: |a, b| (a.ready as u8).cmp(&(b.ready as u8)).reverse(),
        },
        Column {
            key: "pods",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 2,
            cell: |e, say| {
                Cell::plain(say.store.node_load(&crate::model::id::NodeKey { cluster: e.row.cluster.clone(), name: e.row.name.clone() }).pods.to_string())
            },
            sort: |a, b| natural(&a.name, &b.name),
        },
        Column {
            key: "cpu-requested",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 4,
            cell: |e, say| {
                let (cpu, _) = requested(e, say);
                Cell::of(grade(cpu, say.store.limits().cluster.requested_percent), format!("{cpu:.0}%"))
            },
            sort: |a, b| b.allocatable.cpu_millicores.cmp(&a.allocatable.cpu_millicores),
        },
        Column {
            key: "memory-requested",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 5,
            cell: |e, say| {
                let (_, memory) = requested(e, say);
                Cell::of(grade(memory, say.store.limits().cluster.requested_percent), format!("{memory:.0}%"))
            },
            sort: |a, b| b.allocatable.memory_bytes.cmp(&a.allocatable.memory_bytes),
        },
        Column { key: "history", width: Width::Fixed(8), align: Align::Left, rank: 7, cell: |e, say| spark(e, say, 8), sort: |a, b| natural(&a.name, &b.name) },
        Column {
            key: "roles",
            width: Width::Text(7),
            align: Align::Left,
            rank: 8,
            cell: |e, _| Cell::dim(e.row.roles.iter().map(|r| &**r).collect::<Vec<_>>().join(",")),
            sort: |a, b| a.roles.cmp(&b.roles).reverse(),
        },
        Column {
            key: "version",
            width: Width::Fixed(8),
            align: Align::Left,
            rank: 9,
            cell: |e, _| Cell::dim(&*e.row.kubelet_version),
            sort: |a, b| natural(&a.kubelet_version, &b.kubelet_version),
        },
        Column {
            key: "age",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 10,
            cell: |e, say| Cell::dim(e.row.created_at.map_or_else(String::new, |at| age(say, at))),
            sort: |a, b| b.created_at.cmp(&a.created_at),
        },
        Column {
            key: "cluster",
            width: Width::Fixed(8),
            align: Align::Left,
            rank: 11,
            cell: |e, _| Cell::dim(&*e.row.cluster),
            sort: |a, b| natural(&a.cluster, &b.cluster),
        },
    ];

    fn table(store: &Store) -> &Table<Node> {
        &store.nodes
    }
    fn name(row: &Node) -> String {
        row.name.to_string()
    }
    fn hay(row: &Node, out: &mut String) {
        for part in [&row.name, &row.cluster].into_iter().chain(&row.roles) {
            out.push_str(part);
            out.push(' ');
        }
        out.push_str(&row.addresses.join(" "));
    }
    fn under(row: &Node, target: &Target) -> bool {
        matches!(target, Target::Cluster(name) if same(name, &row.cluster))
    }
    fn extras(say: &Say) -> Vec<Extra> {
        let mut out = denied(say, Kind::Node);
        for s in say.store.sources().filter(|s| !s.state.is_live()) {
            if let Subject::Cluster(name) = &s.subject {
                out.push(Extra {
                    target: Some(Target::Cluster(name.clone())),
                    verdict: Verdict::Unknown,
                    name: name.to_string(),
                    text: source_line(say, s.state, &s.error, &s.remedy),
                });
            }
        }
        out
    }
}
