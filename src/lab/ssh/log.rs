//! Logs of machines: lines that were written at a time, the same however often they are read. What the world did is among them.

use std::fmt::Write as _;
use std::time::Duration;

use super::proc;
use crate::base::clock::Moment;
use crate::lab::world::World;
use crate::lab::world::chance::Chance;
use crate::lab::world::mysql::Io;

/// Lines that one question gives at most.
pub const MOST_LINES: usize = 5000;
/// How far back a log reaches.
const KEPT: Duration = Duration::from_hours(6);

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File(String),
    /// A unit, or everything where it is empty.
    Journal(String),
    Container(String),
}

/// A log that is being followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    pub origin: Origin,
    pub machine: String,
    pub form: Form,
    /// Lines up to here have been given.
    pub from: Moment,
}

/// How a line's time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it stands in the file.
    Plain,
    /// `2026-11-21T08:00:00+0000 host unit[pid]: text`
    Iso,
    /// `Nov 21 08:00:00 host unit[pid]: text`
    Short,
    Json,
    /// `docker logs -t`
    Stamped,
    Cat,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    at: Moment,
    unit: &'static str,
    priority: u8,
    text: String,
}

/// Files that exist, with the machines that have them.
pub fn exists(world: &World, machine: &str, path: &str) -> bool {
    let is_db = world.mysql.servers.iter().any(|s| s.guest == machine);
    match path {
        "/var/log/messages" | "/var/log/secure" => true,
        "/var/log/mysql/error.log" | "/var/log/mysqld.log" => is_db,
        _ => false,
    }
}

/// Lines of the machine's usual life between two moments: a few in a minute, by the seed.
fn routine(world: &World, machine: &str, from: Moment, to: Moment) -> Vec<Entry> {
    const SLOT: i64 = 5_000;
    let is_node = machine.starts_with("k8s-");
    let is_db = machine.starts_with("db-");
    let mut out = Vec::new();
    for slot in from.0.div_euclid(SLOT)..=to.0.div_euclid(SLOT) {
        let mut chance = Chance::of(world.seed ^ slot.cast_unsigned(), machine);
        let at = Moment(slot * SLOT + i64::try_from(chance.below(SLOT.cast_unsigned())).unwrap_or(0));
        let n = chance.below(90_000);
        let (unit, priority, text) = match (chance.below(9), is_node, is_db) {
            (0..=1, true, _) => ("kubelet", 6, format!("I{n:05} 1421 kubelet.go:1914] SyncLoop (housekeeping)")),
            (2, true, _) => ("dockerd", 6, format!("time=\"{at}\" level=info msg=\"ignoring event\" module=libcontainerd namespace=moby topic=/tasks/delete")),
            (0..=1, _, true) => (
                "mysqld",
                6,
                format!(
                    "{at} {} [Note] [MY-010914] [Server] Aborted connection {n} to db: 'mall_oms' user: 'mall' host: '10.244.4.17' (Got timeout reading communication packets).",
                    100 + n % 80
                ),
            ),
            (0, ..) => ("libvirtd", 6, format!("internal: {n}: monitor event processed")),
            (3, ..) => ("systemd", 6, format!("Started Session {n} of user root.")),
            (4, ..) => ("chronyd", 6, "Selected source 10.20.0.1".to_owned()),
            (5, ..) => ("crond", 6, format!("({n}) CMD (/usr/lib64/sa/sa1 1 1)")),
            _ => continue,
        };
        out.push(Entry { at, unit, priority, text });
    }
    out
}

/// What happened to the machine, in its logs' words.
fn events(world: &World, machine: &str) -> Vec<Entry> {
    let mut out: Vec<Entry> = proc::machine(world, machine)
        .map(|m| m.kernel_log.iter().map(|(at, level, text)| Entry { at: *at, unit: "kernel", priority: *level, text: text.clone() }).collect())
        .unwrap_or_default();
    for server in world.mysql.servers.iter().filter(|s| s.guest == machine) {
        let Some(link) = &server.replication else { continue };
        if link.sql_fault.code != 0 {
            let text = format!(
                "{} 14 [ERROR] [MY-010584] [Repl] Replica SQL for channel '': {}, Error_code: MY-{:06}",
                world.now, link.sql_fault.text, link.sql_fault.code
            );
            out.push(Entry { at: world.now.minus(Duration::from_secs(2)), unit: "mysqld", priority: 3, text });
        }
        if link.io == Io::Connecting {
            let text = format!(
                "{} 13 [ERROR] [MY-010584] [Repl] Replica I/O for channel '': {}, Error_code: MY-{:06}",
                world.now, link.io_fault.text, link.io_fault.code
            );
            out.push(Entry { at: world.now.minus(Duration::from_secs(2)), unit: "mysqld", priority: 3, text });
        }
    }
    out
}

fn entries(world: &World, machine: &str, origin: &Origin, from: Moment, to: Moment) -> Vec<Entry> {
    let mut all = routine(world, machine, from, to);
    all.extend(events(world, machine));
    all.retain(|e| e.at > from && e.at <= to);
    all.sort_by_key(|e| e.at);
    let plain = |unit: &str| unit.trim_end_matches(".service").to_owned();
    match origin {
        Origin::File(path) if path.contains("mysql") => all.retain(|e| e.unit == "mysqld"),
        Origin::File(path) if path.ends_with("secure") => all.retain(|e| e.unit == "systemd"),
        Origin::File(_) => all.retain(|e| e.unit != "mysqld"),
        Origin::Journal(unit) if unit.is_empty() => {}
        Origin::Journal(unit) => {
            let unit = match plain(unit).as_str() {
                "docker" => "dockerd".to_owned(),
                "mysql" => "mysqld".to_owned(),
                other => other.to_owned(),
            };
            all.retain(|e| e.unit == unit);
        }
        Origin::Container(name) => {
            for entry in &mut all {
                entry.text = format!("{} [INFO] {name}: {}", entry.at, "200 GET /api/v2.0/health 1.8ms");
                entry.priority = 6;
            }
        }
    }
    all
}

fn show(world: &World, machine: &str, entry: &Entry, form: Form, is_file: bool) -> String {
    let stamp = entry.at.to_string();
    let line = |when: &str| format!("{when} {machine} {}[1421]: {}", entry.unit, entry.text);
    let short = || {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let month = stamp.get(5..7).and_then(|m| m.parse::<usize>().ok()).and_then(|m| MONTHS.get(m.wrapping_sub(1))).unwrap_or(&"Jan");
        let day = stamp.get(8..10).unwrap_or("01").trim_start_matches('0');
        format!("{month} {day:>2} {}", stamp.get(11..19).unwrap_or("00:00:00"))
    };
    let _ = world;
    match form {
        Form::Plain if entry.unit == "mysqld" => entry.text.clone(),
        Form::Plain | Form::Short => line(&short()),
        Form::Iso => line(&format!("{}+0000", stamp.get(..19).unwrap_or(&stamp))),
        Form::Stamped => format!("{stamp} {}", entry.text),
        Form::Cat => entry.text.clone(),
        Form::Json => serde_json::json!({
            "__REALTIME_TIMESTAMP": (entry.at.0 * 1000).to_string(),
            "__CURSOR": format!("s=lab;t={}", entry.at.0),
            "_HOSTNAME": machine,
            "_SYSTEMD_UNIT": format!("{}.service", entry.unit),
            "SYSLOG_IDENTIFIER": entry.unit,
            "PRIORITY": entry.priority.to_string(),
            "_PID": "1421",
            "MESSAGE": entry.text,
        })
        .to_string(),
    }
    .replace('\n', if is_file { " " } else { "\n" })
}

/// The lines after `from`, the last `most` of them, and where the next question goes on.
pub fn lines(world: &World, follow: &Follow, most: usize) -> (String, Moment) {
    let to = world.now;
    let from = follow.from.max(to.minus(KEPT));
    let all = entries(world, &follow.machine, &follow.origin, from, to);
    let is_file = matches!(follow.origin, Origin::File(_));
    let skip = all.len().saturating_sub(most.min(MOST_LINES));
    let text = all[skip..].iter().fold(String::new(), |mut out, entry| {
        let _ = writeln!(out, "{}", show(world, &follow.machine, entry, follow.form, is_file));
        out
    });
    (text, to)
}

/// A whole log, as far as it reaches back.
pub fn start(machine: &str, origin: Origin, form: Form) -> Follow {
    Follow { origin, machine: machine.to_owned(), form, from: Moment(i64::MIN / 2) }
}
