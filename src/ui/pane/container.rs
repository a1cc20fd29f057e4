//! Containers that run on hosts, outside Kubernetes.

use super::{Align, Cell, Column, Extra, Floor, PaneKind, Say, Width, age, denied, natural, same};
use crate::model::container::{Container, ContainerHealth, ContainerState};
use crate::model::id::{Kind, Target};
use crate::store::Store;
use crate::store::table::Table;

#[derive(Debug)]
pub struct Containers;

pub fn state_key(c: &Container) -> &'static str {
    match (c.state, c.health) {
        (ContainerState::Running, Some(ContainerHealth::Unhealthy)) => "container.unhealthy",
        (ContainerState::Running, Some(ContainerHealth::Starting)) => "container.starting",
        (ContainerState::Running, _) => "container.running",
        (ContainerState::Created, _) => "container.created",
        (ContainerState::Paused, _) => "container.paused",
        (ContainerState::Restarting, _) => "container.restarting",
        (ContainerState::Exited, _) => "container.exited",
        (ContainerState::Dead, _) => "container.dead",
        (ContainerState::Unknown, _) => "container.unknown",
    }
}

impl Floor for Containers {
    type Row = Container;
    const PANE: PaneKind = PaneKind::Containers;
    const COLUMNS: &'static [Column<Container>] = &[
        Column {
            key: "name",
            width: Width::Name(8),
            align: Align::Left,
            rank: 0,
            cell: |e, _| Cell::of("text.name", &*e.row.name),
            sort: |a, b| natural(&a.name, &b.name),
        },
        Column {
            key: "state",
            width: Width::Fixed(10),
            align: Align::Left,
            rank: 1,
            cell: |e, say| {
                let words = say.lang.word(state_key(&e.row)).to_owned();
                Cell::plain(match e.row.exit_code {
                    Some(code) if e.row.state == ContainerState::Exited => format!("{words} {code}"),
                    _ => words,
                })
            },
            sort: |a, b| (a.state as u8).cmp(&(b.state as u8)),
        },
        Column {
            key: "restarts",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 3,
            cell: |e, _| Cell::plain(e.row.restarts.to_string()),
            sort: |a, b| b.restarts.cmp(&a.restarts),
        },
        Column {
            key: "age",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 4,
            cell: |e, say| Cell::dim(e.row.started_at.map_or_else(String::new, |at| age(say, at))),
            sort: |a, b| b.started_at.cmp(&a.started_at),
        },
        Column {
            key: "host",
            width: Width::Fixed(8),
            align: Align::Left,
            rank: 2,
            cell: |e, _| Cell::dim(&*e.row.host),
            sort: |a, b| natural(&a.host, &b.host),
        },
        Column {
            key: "image",
            width: Width::Text(12),
            align: Align::Left,
            rank: 5,
            cell: |e, _| Cell::dim(&*e.row.image),
            sort: |a, b| natural(&a.image, &b.image),
        },
        Column {
            key: "ports",
            width: Width::Text(12),
            align: Align::Left,
            rank: 6,
            cell: |e, _| Cell::dim(e.row.ports.join(" ")),
            sort: |a, b| a.ports.cmp(&b.ports),
        },
    ];

    fn table(store: &Store) -> &Table<Container> {
        &store.containers
    }
    fn name(row: &Container) -> String {
        row.name.to_string()
    }
    fn hay(row: &Container, out: &mut String) {
        for part in [&row.name, &row.host, &row.image, &row.runtime] {
            out.push_str(part);
            out.push(' ');
        }
    }
    fn under(row: &Container, target: &Target) -> bool {
        matches!(target, Target::Host(host) if same(host, &row.host))
    }
    fn extras(say: &Say) -> Vec<Extra> {
        denied(say, Kind::Container)
    }
}
