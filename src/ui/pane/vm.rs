//! KVM guests as their host sees them.

use super::table::spark;
use super::{Align, Cell, Column, Extra, Floor, PaneKind, Say, Width, denied, natural, percent, same};
use crate::base::text;
use crate::model::id::{Kind, Target};
use crate::model::vm::{Vm, VmState};
use crate::store::Store;
use crate::store::table::Table;

#[derive(Debug)]
pub struct Vms;

pub fn state_key(state: VmState) -> &'static str {
    match state {
        VmState::NoState => "vm.no-state",
        VmState::Running => "vm.running",
        VmState::Blocked => "vm.blocked",
        VmState::Paused => "vm.paused",
        VmState::ShuttingDown => "vm.shutting-down",
        VmState::ShutOff => "vm.shut-off",
        VmState::Crashed => "vm.crashed",
        VmState::Suspended => "vm.suspended",
    }
}

fn high(value: Option<f64>) -> f64 {
    -value.unwrap_or(-1.0)
}

impl Floor for Vms {
    type Row = Vm;
    const PANE: PaneKind = PaneKind::Vms;
    const COLUMNS: &'static [Column<Vm>] = &[
        Column {
            key: "name",
            width: Width::Name(8),
            align: Align::Left,
            rank: 0,
            cell: |e, _| Cell::of("text.name", e.row.name.to_string()),
            sort: |a, b| natural(&a.name, &b.name),
        },
        Column {
            key: "state",
            width: Width::Fixed(7),
            align: Align::Left,
            rank: 2,
            cell: |e, say| Cell::of(if e.row.state == VmState::Running { "text.dim" } else { "" }, say.lang.word(state_key(e.row.state))),
            sort: |a, b| (a.state as u8).cmp(&(b.state as u8)),
        },
        Column {
            key: "history",
            width: Width::Fixed(8),
            align: Align::Left,
            rank: 6,
            cell: |e, say| spark(e, say, 8),
            sort: |a, b| high(a.cpu_percent).total_cmp(&high(b.cpu_percent)),
        },
        Column {
            key: "cpu",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 1,
            cell: |e, _| Cell::plain(e.row.cpu_percent.map_or_else(String::new, |c| format!("{c:.0}%"))),
            sort: |a, b| high(a.cpu_percent).total_cmp(&high(b.cpu_percent)),
        },
        Column {
            key: "steal",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 5,
            cell: |e, say| percent(e.row.steal_percent, say.store.limits().vm.steal_percent),
            sort: |a, b| high(a.steal_percent).total_cmp(&high(b.steal_percent)),
        },
        Column {
            key: "memory",
            width: Width::Fixed(4),
            align: Align::Right,
            rank: 4,
            cell: |e, _| Cell::dim(text::bytes(e.row.memory_max_bytes)),
            sort: |a, b| b.memory_max_bytes.cmp(&a.memory_max_bytes),
        },
        Column {
            key: "vcpus",
            width: Width::Fixed(3),
            align: Align::Right,
            rank: 8,
            cell: |e, _| Cell::dim(e.row.vcpus.to_string()),
            sort: |a, b| b.vcpus.cmp(&a.vcpus),
        },
        Column {
            key: "host",
            width: Width::Text(7),
            align: Align::Left,
            rank: 3,
            cell: |e, _| Cell::dim(&*e.row.host),
            sort: |a, b| natural(&a.host, &b.host),
        },
    ];

    fn table(store: &Store) -> &Table<Vm> {
        &store.vms
    }
    fn name(row: &Vm) -> String {
        row.name.to_string()
    }
    fn hay(row: &Vm, out: &mut String) {
        for part in [&*row.name, " ", &row.host, " "] {
            out.push_str(part);
        }
        for address in &row.addresses {
            out.push_str(address);
            out.push(' ');
        }
    }
    fn under(row: &Vm, target: &Target) -> bool {
        matches!(target, Target::Host(host) if same(host, &row.host))
    }
    fn extras(say: &Say) -> Vec<Extra> {
        denied(say, Kind::Vm)
    }
}
