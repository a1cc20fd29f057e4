//! Pods.

use super::{Align, Cell, Column, Extra, Floor, PaneKind, Say, Width, age, denied, natural};
use crate::model::id::{Kind, Target};
use crate::model::pod::Pod;
use crate::model::verdict::Verdict;
use crate::store::Store;
use crate::store::table::Table;

#[derive(Debug)]
pub struct Pods;

impl Floor for Pods {
    type Row = Pod;
    const PANE: PaneKind = PaneKind::Pods;
    const COLUMNS: &'static [Column<Pod>] = &[
        Column {
            key: "name",
            width: Width::Name(12),
            align: Align::Left,
            rank: 0,
            cell: |e, _| Cell::of("text.name", &*e.row.name),
            sort: |a, b| natural(&a.name, &b.name),
        },
        Column {
            key: "ready",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 2,
            cell: |e, _| Cell::of(if e.row.ready == e.row.containers { "text.dim" } else { "" }, format!("{}/{}", e.row.ready, e.row.containers)),
            sort: |a, b| (u32::from(a.ready) * u32::from(b.containers.max(1))).cmp(&(u32::from(b.ready) * u32::from(a.containers.max(1)))),
        },
        Column {
            key: "status",
            width: Width::Text(16),
            align: Align::Left,
            rank: 0,
            cell: |e, _| {
                let scope = match e.verdict {
                    Verdict::Crit => "verdict.crit",
                    Verdict::Warn => "verdict.warn",
                    Verdict::Unknown => "verdict.unknown",
                    Verdict::Ok | Verdict::Off => "text.dim",
                };
                Cell::of(scope, &*e.row.status)
            },
            sort: |a, b| a.status.cmp(&b.status),
        },
        Column {
            key: "restarts",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 3,
            cell: |e, _| Cell::of(if e.row.restarts == 0 { "text.dim" } else { "" }, e.row.restarts.to_string()),
            sort: |a, b| b.restarts.cmp(&a.restarts),
        },
        Column {
            key: "age",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 1,
            cell: |e, say| Cell::dim(age(say, e.row.created_at)),
            sort: |a, b| b.created_at.cmp(&a.created_at),
        },
        Column {
            key: "namespace",
            width: Width::Fixed(10),
            align: Align::Left,
            rank: 4,
            cell: |e, _| Cell::dim(&*e.row.namespace),
            sort: |a, b| natural(&a.namespace, &b.namespace),
        },
        Column {
            key: "node",
            width: Width::Fixed(12),
            align: Align::Left,
            rank: 5,
            cell: |e, _| Cell::dim(e.row.node.as_deref().unwrap_or_default()),
            sort: |a, b| a.node.cmp(&b.node),
        },
        Column {
            key: "ip",
            width: Width::Fixed(15),
            align: Align::Left,
            rank: 6,
            cell: |e, _| Cell::dim(e.row.ip.map_or_else(String::new, |ip| ip.to_string())),
            sort: |a, b| a.ip.cmp(&b.ip),
        },
        Column {
            key: "cluster",
            width: Width::Fixed(8),
            align: Align::Left,
            rank: 7,
            cell: |e, _| Cell::dim(&*e.row.cluster),
            sort: |a, b| natural(&a.cluster, &b.cluster),
        },
    ];

    fn table(store: &Store) -> &Table<Pod> {
        &store.pods
    }
    fn name(row: &Pod) -> String {
        row.name.to_string()
    }
    fn hay(row: &Pod, out: &mut String) {
        for part in [&*row.name, &*row.namespace, row.node.as_deref().unwrap_or_default(), &*row.status, &*row.cluster] {
            out.push_str(part);
            out.push(' ');
        }
    }
    fn under(row: &Pod, target: &Target) -> bool {
        match target {
            Target::Node(node) => row.cluster == node.cluster && row.node.as_ref() == Some(&node.name),
            Target::Cluster(name) => row.cluster == *name,
            _ => false,
        }
    }
    fn extras(say: &Say) -> Vec<Extra> {
        let mut out = denied(say, Kind::Pod);
        // Before the objects have come, the first look tells which are not well.
        for g in say.store.glances() {
            let about = say.lang.fill("pane.glance", &[("cluster", &g.cluster), ("total", &g.total.to_string())]);
            let states: Vec<String> = g.by_status.iter().map(|(status, n)| format!("{status} {n}")).collect();
            out.push(Extra { target: Some(Target::Cluster(g.cluster.clone())), verdict: Verdict::Unknown, name: about, text: states.join("  ") });
            for p in g.unhealthy.iter().take(50) {
                out.push(Extra { target: None, verdict: Verdict::Warn, name: p.name.clone(), text: format!("{} {} {}", p.ready, p.status, p.restarts) });
            }
        }
        out
    }
}
