//! Middleware groups: kind, members that answer, the number that says most.

use super::{Align, Cell, Column, Extra, Floor, PaneKind, Say, Width, natural, source_line};
use crate::base::text;
use crate::model::group::{Group, Metric, Unit};
use crate::model::id::Target;
use crate::model::source::Subject;
use crate::model::verdict::Verdict;
use crate::store::Store;
use crate::store::table::Table;

#[derive(Debug)]
pub struct Middleware;

pub fn show_metric(m: &Metric) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let whole = m.value.max(0.0) as u64;
    match m.unit {
        Unit::Count => format!("{:.0}", m.value),
        Unit::Bytes => text::bytes(whole),
        Unit::Seconds if m.value < 1.0 && m.value > 0.0 => format!("{:.0}ms", (m.value * 1000.0).max(1.0)),
        Unit::Seconds => text::span(whole),
        Unit::Percent => format!("{:.0}%", m.value),
        Unit::PerSecond => format!("{:.0}/s", m.value),
    }
}

/// The words for a metric's key.
pub fn metric_name<'a>(say: &Say<'a>, key: &'a str) -> &'a str {
    say.lang.get(&format!("metric.{key}")).unwrap_or(key)
}

/// The metric that most members share and that is worst of them: the first each names.
fn chief(group: &Group) -> Option<&Metric> {
    group.members.iter().filter_map(|m| m.metrics.first()).max_by(|a, b| a.value.total_cmp(&b.value))
}

fn up(group: &Group) -> usize {
    group.members.iter().filter(|m| m.answered_at.is_some()).count()
}

impl Floor for Middleware {
    type Row = Group;
    const PANE: PaneKind = PaneKind::Middleware;
    const COLUMNS: &'static [Column<Group>] = &[
        Column {
            key: "name",
            width: Width::Name(8),
            align: Align::Left,
            rank: 0,
            cell: |e, _| Cell::of("text.name", &*e.row.name),
            sort: |a, b| natural(&a.name, &b.name),
        },
        Column { key: "kind", width: Width::Fixed(8), align: Align::Left, rank: 1, cell: |e, _| Cell::dim(&*e.row.kind), sort: |a, b| a.kind.cmp(&b.kind) },
        Column {
            key: "members",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 2,
            cell: |e, _| Cell::plain(format!("{}/{}", up(&e.row), e.row.members.len())),
            sort: |a, b| up(a).cmp(&up(b)),
        },
        Column {
            key: "metric",
            width: Width::Text(8),
            align: Align::Left,
            rank: 3,
            cell: |e, say| chief(&e.row).map_or_else(Cell::default, |m| Cell::dim(format!("{} {}", metric_name(say, m.key), show_metric(m)))),
            sort: |a, b| chief(b).map_or(0.0, |m| m.value).total_cmp(&chief(a).map_or(0.0, |m| m.value)),
        },
    ];

    fn table(store: &Store) -> &Table<Group> {
        &store.groups
    }
    fn name(row: &Group) -> String {
        row.name.to_string()
    }
    fn hay(row: &Group, out: &mut String) {
        for part in [&row.name, &row.kind].into_iter().chain(row.members.iter().flat_map(|m| [&m.address, &m.role])) {
            out.push_str(part);
            out.push(' ');
        }
    }
    fn under(_: &Group, _: &Target) -> bool {
        false
    }
    fn extras(say: &Say) -> Vec<Extra> {
        let silent = say.store.sources().filter_map(|s| match &s.subject {
            Subject::Middleware { kind, name } if !s.state.is_live() && !say.store.groups.iter().any(|(_, e)| e.row.kind == *kind && e.row.name == *name) => {
                Some(Extra { target: None, verdict: Verdict::Unknown, name: name.to_string(), text: source_line(say, s.state, &s.error, &s.remedy) })
            }
            _ => None,
        });
        silent.collect()
    }
}
