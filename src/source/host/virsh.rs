//! What `virsh` prints, taken apart. Pure.

use std::collections::BTreeMap;

use crate::model::host::Pool;
use crate::model::id::Uid;
use crate::model::vm::VmState;

/// One round trip's answer about all guests.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listing {
    /// As libvirt gave it back.
    pub uri: String,
    pub library: String,
    /// The host's uptime when the numbers were taken, in seconds.
    pub at: f64,
    pub guests: Vec<Guest>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Guest {
    pub uuid: Uid,
    pub name: String,
    pub autostart: bool,
    pub persistent: bool,
    pub stats: Stats,
}

/// `domstats --raw` of one domain: keys and values as printed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stats(BTreeMap<String, String>);

impl Stats {
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.0.get(key)?.parse().ok()
    }

    /// The numbers `prefix.N.suffix`, with their N.
    pub(super) fn each<'a>(&'a self, prefix: &'a str, suffix: &'a str) -> impl Iterator<Item = (u32, u64)> + 'a {
        self.0.iter().filter_map(move |(k, v)| {
            let n = k.strip_prefix(prefix)?.strip_prefix('.')?.strip_suffix(suffix)?.strip_suffix('.')?;
            Some((n.parse().ok()?, v.parse().ok()?))
        })
    }

    /// Their sum; `None` when there is none.
    pub(super) fn sum(&self, prefix: &str, suffix: &str) -> Option<u64> {
        self.each(prefix, suffix).fold(None, |sum: Option<u64>, (_, v)| Some(sum.unwrap_or(0).saturating_add(v)))
    }

    pub(super) fn state(&self) -> VmState {
        match self.number("state.state") {
            Some(1) => VmState::Running,
            Some(2) => VmState::Blocked,
            Some(3) => VmState::Paused,
            Some(4) => VmState::ShuttingDown,
            Some(5) => VmState::ShutOff,
            Some(6) => VmState::Crashed,
            Some(7) => VmState::Suspended,
            _ => VmState::NoState,
        }
    }

    /// libvirt's own word for `state.reason`, as `virsh domstate --reason` prints it.
    pub(super) fn reason(&self) -> String {
        const RUNNING: [&str; 11] = [
            "unknown",
            "booted",
            "migrated",
            "restored",
            "from snapshot",
            "unpaused",
            "migration canceled",
            "save canceled",
            "event wakeup",
            "crashed",
            "post-copy",
        ];
        const PAUSED: [&str; 14] = [
            "unknown",
            "user",
            "migrating",
            "saving",
            "dumping",
            "I/O error",
            "watchdog",
            "from snapshot",
            "shutting down",
            "creating snapshot",
            "crashed",
            "starting up",
            "post-copy",
            "post-copy failed",
        ];
        const OFF: [&str; 9] = ["unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot", "daemon"];
        const CRASHED: [&str; 2] = ["unknown", "panicked"];
        let at = self.number("state.reason").and_then(|r| usize::try_from(r).ok()).unwrap_or(0);
        let words: &[&str] = match self.state() {
            VmState::Running => &RUNNING,
            VmState::Paused => &PAUSED,
            VmState::ShutOff => &OFF,
            VmState::Crashed => &CRASHED,
            _ => &["unknown"],
        };
        (*words.get(at).unwrap_or(&"unknown")).to_owned()
    }
}

/// Why a listing cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// virsh stopped before its last line.
    Cut,
    /// Guests came or went between the lists; the next tick will do.
    Moved,
}

/// Lines between the marks that the sampler lets virsh echo; names cannot imitate them, for they carry the nonce.
pub(super) fn marked<'a>(lines: &'a [String], nonce: &str) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current = None;
    for line in lines {
        match line.strip_prefix(nonce).and_then(|l| l.strip_prefix('.')) {
            Some(mark) => {
                current = Some(mark.trim());
                parts.entry(mark.trim()).or_default();
            }
            None => {
                if let (Some(mark), false) = (current, line.is_empty()) {
                    parts.entry(mark).or_default().push(line);
                }
            }
        }
    }
    parts
}

pub(super) fn listing(lines: &[String], nonce: &str) -> Result<Listing, Unusable> {
    let parts = marked(lines, nonce);
    let part = |name: &str| parts.get(name).cloned().unwrap_or_default();
    if !parts.contains_key("end") || part("uri").is_empty() {
        return Err(Unusable::Cut);
    }
    let (uuids, names) = (part("uuid"), part("name"));
    if uuids != part("again") || uuids.len() != names.len() {
        return Err(Unusable::Moved);
    }
    let (autostart, persistent) = (part("autostart"), part("persistent"));
    let mut stats = domstats(&part("stats"));
    let guests = uuids
        .iter()
        .zip(names)
        .map(|(uuid, name)| Guest {
            uuid: Uid::parse(uuid),
            name: name.to_owned(),
            autostart: autostart.contains(uuid),
            persistent: persistent.contains(uuid),
            stats: stats.remove(name).unwrap_or_default(),
        })
        .collect();
    let library = part("version").iter().find_map(|l| l.strip_prefix("Using library: ")).unwrap_or_default().to_owned();
    let at = part("at").first().and_then(|a| a.trim().parse().ok()).unwrap_or(0.0);
    Ok(Listing { at, uri: part("uri").first().map(|u| u.trim().to_owned()).unwrap_or_default(), library, guests })
}

pub(super) fn domstats(lines: &[&str]) -> BTreeMap<String, Stats> {
    let mut all: BTreeMap<String, Stats> = BTreeMap::new();
    let mut current: Option<&mut Stats> = None;
    for line in lines {
        if let Some(name) = line.strip_prefix("Domain: '").and_then(|l| l.strip_suffix('\'')) {
            current = Some(all.entry(name.to_owned()).or_default());
        } else if let (Some(stats), Some((key, value))) = (current.as_mut(), line.trim_start().split_once('=')) {
            stats.0.insert(key.to_owned(), value.to_owned());
        }
    }
    all
}

/// `domstats --nowait` (4.5) keeps one stuck qemu from holding up the rest.
pub(super) fn knows_nowait(library: &str) -> bool {
    let mut numbers = library.rsplit(' ').next().unwrap_or_default().split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (4, 5)
}

/// `pool-list --all --details`: columns stand two or more blanks apart, a name may hold single ones.
pub(super) fn pools(lines: &[&str]) -> Vec<Pool> {
    lines
        .iter()
        .skip_while(|l| !l.starts_with("--"))
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.trim().split("  ").map(str::trim).filter(|c| !c.is_empty()).collect();
            let [name, state, autostart, _persistent, capacity, _allocation, available] = columns.as_slice() else { return None };
            Some(Pool {
                name: (*name).to_owned(),
                active: *state == "running",
                autostart: *autostart == "yes",
                capacity_bytes: size(capacity),
                available_bytes: size(available),
            })
        })
        .collect()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn size(text: &str) -> u64 {
    let (number, unit) = text.split_once(' ').unwrap_or((text, "B"));
    let power = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].iter().position(|u| *u == unit.trim()).unwrap_or(0);
    let factor = 1_u64 << (10 * power);
    number.trim().parse::<f64>().map_or(0, |n| (n * factor as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture() -> Vec<String> {
        include_str!("fixtures/virsh-9.0.0.txt").lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_real_listing_with_a_running_and_a_stopped_guest() {
        let got = listing(&fixture(), "abc").unwrap();
        assert_eq!((got.uri.as_str(), got.library.as_str()), ("qemu:///system", "libvirt 9.0.0"));
        let [busy, off] = got.guests.as_slice() else { panic!("{got:?}") };
        assert_eq!((busy.name.as_str(), busy.stats.state(), busy.stats.reason().as_str()), ("订单 一号", VmState::Running, "booted"));
        assert_eq!((busy.autostart, off.autostart, off.persistent), (false, true, true));
        assert_eq!((off.name.as_str(), off.stats.state()), ("plain-2", VmState::ShutOff));
        assert_eq!(busy.stats.sum("vcpu", "time"), Some(190_000_000));
        assert_eq!(busy.stats.sum("vcpu", "delay"), Some(13_957_585));
        assert_eq!(off.stats.sum("vcpu", "delay"), None);
        assert_eq!((busy.stats.text("block.0.path"), busy.stats.number("block.0.rd.bytes")), (Some("/tmp/订单 盘.img"), Some(512)));
    }

    #[test]
    fn a_listing_that_is_cut_or_moved_is_not_believed() {
        let whole = fixture();
        assert_eq!(listing(&whole[..whole.len() - 2], "abc"), Err(Unusable::Cut));
        assert_eq!(listing(&whole, "xyz"), Err(Unusable::Cut));
        let mut moved = whole;
        let at = moved.iter().position(|l| l == "abc.again").unwrap();
        moved.remove(at + 1);
        assert_eq!(listing(&moved, "abc"), Err(Unusable::Moved));
    }

    #[test]
    fn pools_with_blanks_in_their_names() {
        let text = " Name      State     Autostart   Persistent   Capacity     Allocation   Available\n-----\n my pool   running   no          yes          251.97 GiB   24.02 GiB    227.95 GiB\n off       inactive  yes         yes          -            -            -";
        let got = pools(&text.lines().collect::<Vec<_>>());
        assert_eq!((got[0].name.as_str(), got[0].active, got[0].available_bytes >> 30), ("my pool", true, 227));
        assert_eq!((got[1].active, got[1].autostart, got[1].capacity_bytes), (false, true, 0));
    }

    #[test]
    fn nowait_came_with_4_5() {
        assert!(knows_nowait("libvirt 4.5.0") && knows_nowait("libvirt 10.0.0"));
        assert!(!knows_nowait("libvirt 4.4.0") && !knows_nowait("libvirt 2.0.0") && !knows_nowait(""));
    }
}
