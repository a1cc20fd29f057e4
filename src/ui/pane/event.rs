//! Warning events of Kubernetes.

use super::{Align, Cell, Column, Extra, Floor, PaneKind, Say, Width, age, denied};
use crate::model::event::Event;
use crate::model::id::{Kind, Target};
use crate::store::Store;
use crate::store::table::Table;

#[derive(Debug)]
pub struct Events;

impl Floor for Events {
    type Row = Event;
    const PANE: PaneKind = PaneKind::Events;
    const COLUMNS: &'static [Column<Event>] = &[
        Column {
            key: "last",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 0,
            cell: |e, say| Cell::dim(age(say, e.row.last_seen_at)),
            sort: |a, b| b.last_seen_at.cmp(&a.last_seen_at),
        },
        Column {
            key: "name",
            width: Width::Name(10),
            align: Align::Left,
            rank: 0,
            cell: |e, _| Cell::of("text.name", &*e.row.about_name),
            sort: |a, b| a.about_name.cmp(&b.about_name),
        },
        Column {
            key: "reason",
            width: Width::Fixed(14),
            align: Align::Left,
            rank: 1,
            cell: |e, _| Cell::of("verdict.warn", &*e.row.reason),
            sort: |a, b| a.reason.cmp(&b.reason),
        },
        Column {
            key: "count",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 3,
            cell: |e, _| Cell::plain(e.row.count.to_string()),
            sort: |a, b| b.count.cmp(&a.count),
        },
        Column {
            key: "message",
            width: Width::Text(12),
            align: Align::Left,
            rank: 2,
            cell: |e, _| Cell::plain(&*e.row.message),
            sort: |a, b| a.message.cmp(&b.message),
        },
    ];

    fn table(store: &Store) -> &Table<Event> {
        &store.events
    }
    fn name(row: &Event) -> String {
        row.about_name.to_string()
    }
    fn hay(row: &Event, out: &mut String) {
        for part in [&*row.about_name, &*row.reason, &*row.message, &*row.namespace] {
            out.push_str(part);
            out.push(' ');
        }
    }
    fn under(row: &Event, target: &Target) -> bool {
        match target {
            Target::Pod(k) | Target::Workload(k) => row.about_uid == Some(k.uid),
            Target::Node(n) => row.cluster == n.cluster && row.about_name == n.name,
            Target::Cluster(name) => row.cluster == *name,
            _ => false,
        }
    }
    fn extras(say: &Say) -> Vec<Extra> {
        denied(say, Kind::Event)
    }
}
