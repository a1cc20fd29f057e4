//! Hosts: load, processor, memory, the fullest disk, what hangs.

use super::table::spark;
use super::{Align, Cell, Column, Extra, Floor, PaneKind, Say, Width, grade, natural, percent, source_line};
use crate::base::text;
use crate::model::host::{Host, MountProbe, Vitals};
use crate::model::id::Target;
use crate::model::source::Subject;
use crate::model::verdict::Verdict;
use crate::store::Store;
use crate::store::table::Table;

#[derive(Debug)]
pub struct Hosts;

pub fn memory_percent(v: &Vitals) -> Option<f64> {
    (v.memory_total_bytes > 0).then(|| 100.0 - 100.0 * v.memory_available_bytes as f64 / v.memory_total_bytes as f64)
}

/// The fullest mount; `None` while none has answered.
pub fn fullest(v: &Vitals) -> Option<f64> {
    let full = v.mounts.iter().filter_map(|m| match m.probe {
        MountProbe::Answered { used_percent, .. } => Some(used_percent),
        _ => None,
    });
    full.max_by(f64::total_cmp)
}

fn hung(v: &Vitals) -> usize {
    v.mounts.iter().filter(|m| matches!(m.probe, MountProbe::Hung { .. })).count()
}

fn key(host: &Host, of: fn(&Vitals) -> Option<f64>) -> f64 {
    -host.vitals.as_ref().and_then(of).unwrap_or(-1.0)
}

impl Floor for Hosts {
    type Row = Host;
    const PANE: PaneKind = PaneKind::Hosts;
    const COLUMNS: &'static [Column<Host>] = &[
        Column {
            key: "name",
            width: Width::Name(8),
            align: Align::Left,
            rank: 0,
            cell: |e, _| Cell::of("text.name", &*e.row.name),
            sort: |a, b| natural(&a.name, &b.name),
        },
        Column {
            key: "history",
            width: Width::Fixed(8),
            align: Align::Left,
            rank: 6,
            cell: |e, say| spark(e, say, 8),
            sort: |a, b| key(a, |v| v.cpu.map(|c| c.busy_percent())).total_cmp(&key(b, |v| v.cpu.map(|c| c.busy_percent()))),
        },
        Column {
            key: "cpu",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 1,
            cell: |e, _| Cell::plain(e.row.vitals.as_ref().and_then(|v| v.cpu).map_or_else(String::new, |c| format!("{:.0}%", c.busy_percent()))),
            sort: |a, b| key(a, |v| v.cpu.map(|c| c.busy_percent())).total_cmp(&key(b, |v| v.cpu.map(|c| c.busy_percent()))),
        },
        Column {
            key: "memory",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 2,
            cell: |e, say| percent(e.row.vitals.as_ref().and_then(memory_percent), say.store.limits().host.memory_used_percent),
            sort: |a, b| key(a, memory_percent).total_cmp(&key(b, memory_percent)),
        },
        Column {
            key: "disk",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 3,
            cell: |e, say| match &e.row.vitals {
                Some(v) if hung(v) > 0 => Cell::of("verdict.crit", say.lang.word("cell.hung")),
                v => percent(v.as_ref().and_then(fullest), say.store.limits().host.disk_used_percent),
            },
            sort: |a, b| key(a, fullest).total_cmp(&key(b, fullest)),
        },
        Column {
            key: "load",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 5,
            cell: |e, say| match &e.row.vitals {
                Some(v) => {
                    let per_core = v.load[1] / f64::from(e.row.identity.cores.max(1));
                    Cell::of(grade(per_core, say.store.limits().host.load_per_core), format!("{:.1}", v.load[0]))
                }
                None => Cell::default(),
            },
            sort: |a, b| key(a, |v| Some(v.load[0])).total_cmp(&key(b, |v| Some(v.load[0]))),
        },
        Column {
            key: "iowait",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 8,
            cell: |e, say| percent(e.row.vitals.as_ref().and_then(|v| v.cpu).map(|c| c.iowait_percent), say.store.limits().host.iowait_percent),
            sort: |a, b| key(a, |v| v.cpu.map(|c| c.iowait_percent)).total_cmp(&key(b, |v| v.cpu.map(|c| c.iowait_percent))),
        },
        Column {
            key: "steal",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 9,
            cell: |e, say| percent(e.row.vitals.as_ref().and_then(|v| v.cpu).map(|c| c.steal_percent), say.store.limits().host.steal_percent),
            sort: |a, b| key(a, |v| v.cpu.map(|c| c.steal_percent)).total_cmp(&key(b, |v| v.cpu.map(|c| c.steal_percent))),
        },
        Column {
            key: "uptime",
            width: Width::Fixed(5),
            align: Align::Right,
            rank: 7,
            cell: |e, _| Cell::dim(e.row.vitals.as_ref().map_or_else(String::new, |v| text::span(v.uptime_seconds))),
            sort: |a, b| a.vitals.as_ref().map(|v| v.uptime_seconds).cmp(&b.vitals.as_ref().map(|v| v.uptime_seconds)),
        },
        Column {
            key: "kernel",
            width: Width::Text(12),
            align: Align::Left,
            rank: 12,
            cell: |e, _| Cell::dim(e.row.identity.kernel.as_str()),
            sort: |a, b| natural(&a.identity.kernel, &b.identity.kernel),
        },
        Column {
            key: "address",
            width: Width::Text(14),
            align: Align::Left,
            rank: 11,
            cell: |e, _| Cell::dim(&*e.row.address),
            sort: |a, b| natural(&a.address, &b.address),
        },
    ];

    fn table(store: &Store) -> &Table<Host> {
        &store.hosts
    }
    fn name(row: &Host) -> String {
        row.name.to_string()
    }
    fn hay(row: &Host, out: &mut String) {
        for part in [&row.name, &row.address].into_iter().chain(&row.groups) {
            out.push_str(part);
            out.push(' ');
        }
    }
    fn under(_: &Host, _: &Target) -> bool {
        false
    }
    fn extras(say: &Say) -> Vec<Extra> {
        let silent = say.store.sources().filter_map(|s| match &s.subject {
            Subject::Host(name) if say.store.hosts.get(name).is_none() => Some(Extra {
                target: Some(Target::Host(name.clone())),
                verdict: Verdict::Unknown,
                name: name.to_string(),
                text: source_line(say, s.state, &s.error, &s.remedy),
            }),
            _ => None,
        });
        silent.collect()
    }
}
