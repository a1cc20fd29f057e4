//! Workloads: what makes pods.

use super::{Align, Cell, Column, Extra, Floor, PaneKind, Say, Width, age, denied, natural};
use crate::model::id::{Kind, Target};
use crate::model::workload::Workload;
use crate::store::Store;
use crate::store::table::Table;

#[derive(Debug)]
pub struct Workloads;

impl Floor for Workloads {
    type Row = Workload;
    const PANE: PaneKind = PaneKind::Workloads;
    const COLUMNS: &'static [Column<Workload>] = &[
        Column {
            key: "name",
            width: Width::Name(10),
            align: Align::Left,
            rank: 0,
            cell: |e, _| Cell::of("text.name", &*e.row.name),
            sort: |a, b| natural(&a.name, &b.name),
        },
        Column {
            key: "kind",
            width: Width::Fixed(11),
            align: Align::Left,
            rank: 1,
            cell: |e, _| Cell::dim(e.row.kind.word()),
            sort: |a, b| a.kind.cmp(&b.kind),
        },
        Column {
            key: "ready",
            width: Width::Fixed(7),
            align: Align::Right,
            rank: 0,
            cell: |e, _| Cell::of(if e.row.ready >= e.row.desired { "text.dim" } else { "" }, format!("{}/{}", e.row.ready, e.row.desired)),
            sort: |a, b| b.desired.saturating_sub(b.ready).cmp(&a.desired.saturating_sub(a.ready)),
        },
        Column {
            key: "stuck",
            width: Width::Text(8),
            align: Align::Left,
            rank: 2,
            cell: |e, _| Cell::of("verdict.warn", &*e.row.stuck),
            sort: |a, b| b.stuck.cmp(&a.stuck),
        },
        Column {
            key: "namespace",
            width: Width::Fixed(10),
            align: Align::Left,
            rank: 3,
            cell: |e, _| Cell::dim(&*e.row.namespace),
            sort: |a, b| natural(&a.namespace, &b.namespace),
        },
        Column {
            key: "age",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 4,
            cell: |e, say| Cell::dim(e.row.created_at.map_or_else(String::new, |at| age(say, at))),
            sort: |a, b| b.created_at.cmp(&a.created_at),
        },
        Column {
            key: "cluster",
            width: Width::Fixed(8),
            align: Align::Left,
            rank: 5,
            cell: |e, _| Cell::dim(&*e.row.cluster),
            sort: |a, b| natural(&a.cluster, &b.cluster),
        },
    ];

    fn table(store: &Store) -> &Table<Workload> {
        &store.workloads
    }
    fn name(row: &Workload) -> String {
        row.name.to_string()
    }
    fn hay(row: &Workload, out: &mut String) {
        for part in [&*row.name, &*row.namespace, row.kind.word(), &*row.cluster] {
            out.push_str(part);
            out.push(' ');
        }
    }
    fn under(row: &Workload, target: &Target) -> bool {
        matches!(target, Target::Cluster(name) if *name == row.cluster)
    }
    fn extras(say: &Say) -> Vec<Extra> {
        denied(say, Kind::Workload)
    }
}
