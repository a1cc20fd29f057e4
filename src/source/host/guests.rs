//! A host's guests from tick to tick: rates, steal, who still has to be asked about.

use std::collections::BTreeMap;

use super::counters::rate;
use super::domain::{self, Domain};
use super::virsh::{self, Guest, Listing, Stats};
use crate::model::host::{Hypervisor, Pool};
use crate::model::id::{Name, Uid};
use crate::model::vm::{Vm, VmDisk, VmState};

/// How many new guests are asked about in one go, and how often one that gives no answer.
const MOST_NEW: usize = 32;
const MOST_TRIES: u32 = 3;

/// vCPU -> nanoseconds that it waited for a host core.
type Delays = BTreeMap<u32, u64>;

#[derive(Clone, Debug, Default)]
struct Known {
    stats: Stats,
    at: f64,
    domain: Option<Domain>,
    /// The state that `domain` was read in.
    state: Option<VmState>,
    tries: u32,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Guests {
    known: BTreeMap<Uid, Known>,
    /// MAC -> address, of the host's neighbour table.
    neighbours: BTreeMap<String, Vec<String>>,
    /// By name, with the host's uptime when they were read.
    delays: (f64, BTreeMap<String, Delays>),
    delays_before: (f64, BTreeMap<String, Delays>),
    pools: Vec<Pool>,
    uri: String,
    library: String,
    /// Listings taken; rates need two.
    pub listings: u32,
    /// Did the last rows lack the XML of a guest that will still be asked for?
    bare: bool,
    /// Does a running guest lack the delay in libvirt's numbers?
    pub without_delay: bool,
}

impl Guests {
    pub(super) fn arp(&mut self, lines: &[String]) {
        self.neighbours.clear();
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let (Some(address), Some(mac)) = (words.first(), words.get(3)) {
                self.neighbours.entry(mac.to_ascii_lowercase()).or_default().push((*address).to_owned());
            }
        }
    }

    pub(super) fn pools(&mut self, lines: &[String], nonce: &str) {
        if let Some(all) = virsh::marked(lines, nonce).get("all") {
            self.pools = virsh::pools(all);
        }
    }

    pub(super) fn xml(&mut self, lines: &[String], nonce: &str) {
        for (mark, text) in virsh::marked(lines, nonce) {
            if !mark.starts_with("xml ") {
                continue;
            }
            if let Some(domain) = domain::parse(&text.join("\n"))
                && let Some(known) = self.known.get_mut(&domain.uuid)
            {
                known.state = Some(known.stats.state());
                known.domain = Some(domain);
                known.tries = 0;
            }
        }
    }

    pub(super) fn delays(&mut self, lines: &[String], nonce: &str) {
        let parts = virsh::marked(lines, nonce);
        let at = parts.get("at").and_then(|p| p.first()).and_then(|a| a.trim().parse().ok()).unwrap_or(0.0);
        let mut all: BTreeMap<String, Delays> = BTreeMap::new();
        for line in parts.get("delays").into_iter().flatten() {
            let mut words = line.splitn(3, ' ');
            if let (Some(Ok(vcpu)), Some(Ok(delay)), Some(name)) = (words.next().map(str::parse), words.next().map(str::parse), words.next()) {
                all.entry(name.to_owned()).or_default().insert(vcpu, delay);
            }
        }
        self.delays_before = std::mem::replace(&mut self.delays, (at, all));
    }

    /// The guests whose XML is still wanted, as the sampler's question; `None` when all are known.
    pub(super) fn wanted(&mut self) -> Option<String> {
        let mut ids = Vec::new();
        for (uuid, known) in &mut self.known {
            if known.state != Some(known.stats.state()) && known.tries < MOST_TRIES && ids.len() < MOST_NEW {
                known.tries += 1;
                ids.push(uuid.to_string());
            }
        }
        (!ids.is_empty()).then(|| format!("xml={}", ids.join(",")))
    }

    pub(super) fn knows_nowait(&self) -> bool {
        virsh::knows_nowait(&self.library)
    }

    /// The rows of a listing.
    pub(super) fn take(&mut self, host: &Name, listing: Listing) -> Vec<Vm> {
        self.listings = self.listings.saturating_add(1);
        let Listing { uri, library, at, guests } = listing;
        (self.uri, self.library) = (uri, library);
        self.known.retain(|uuid, _| guests.iter().any(|g| g.uuid == *uuid));
        self.without_delay =
            guests.iter().any(|g| g.stats.state() == VmState::Running && g.stats.sum("vcpu", "delay").is_none() && g.stats.sum("vcpu", "time").is_some());
        self.bare = guests.iter().any(|g| self.known.get(&g.uuid).is_none_or(|k| k.domain.is_none() && k.tries < MOST_TRIES));
        guests.into_iter().map(|guest| self.row(host, guest, at)).collect()
    }

    fn row(&mut self, host: &Name, guest: Guest, at: f64) -> Vm {
        let before = self.known.get(&guest.uuid).cloned().unwrap_or_default();
        let (new, old) = (&guest.stats, &before.stats);
        let seconds = at - before.at;
        let alive = matches!(new.state(), VmState::Running | VmState::Blocked | VmState::Paused | VmState::ShuttingDown | VmState::Suspended);
        let grown = |prefix: &str, suffix: &str| alive.then(|| rate(new.sum(prefix, suffix)?, old.sum(prefix, suffix)?, seconds)).flatten();
        let busy = grown("vcpu", "time").or_else(|| alive.then(|| rate(new.number("cpu.time")?, old.number("cpu.time")?, seconds)).flatten());
        let steal = alive.then(|| self.steal(&guest.name, new, old, seconds)).flatten();
        let macs = before.domain.as_ref().map(|d| d.macs.clone()).unwrap_or_default();
        let addresses = macs.iter().flat_map(|m| self.neighbours.get(m).cloned().unwrap_or_default()).collect();
        let vm = Vm {
            host: host.clone(),
            name: Name::from(guest.name.as_str()),
            uuid: guest.uuid,
            state: new.state(),
            state_reason: new.reason(),
            autostart: guest.autostart,
            persistent: guest.persistent,
            vcpus: new.number("vcpu.current").and_then(|v| u32::try_from(v).ok()).unwrap_or(0),
            cpu_percent: busy.map(|ns| ns / 1e7),
            steal_percent: steal,
            memory_max_bytes: new.number("balloon.maximum").unwrap_or(0) << 10,
            memory_used_bytes: alive.then(|| memory_used(new)).flatten(),
            disks: disks(new),
            disk_read_bytes_per_second: grown("block", "rd.bytes"),
            disk_write_bytes_per_second: grown("block", "wr.bytes"),
            disk_latency_seconds: latency(new, old),
            net_received_bytes_per_second: grown("net", "rx.bytes"),
            net_sent_bytes_per_second: grown("net", "tx.bytes"),
            macs,
            addresses,
        };
        self.known.insert(guest.uuid, Known { stats: guest.stats, at, ..before });
        vm
    }

    /// The vCPU that waited most, in percent of the time.
    fn steal(&self, name: &str, new: &Stats, old: &Stats, seconds: f64) -> Option<f64> {
        let worst = |new: &Delays, old: &Delays, seconds: f64| {
            new.iter().filter_map(|(n, ns)| rate(*ns, *old.get(n)?, seconds)).map(|ns| ns / 1e7).fold(None, |m: Option<f64>, v| Some(m.map_or(v, |m| m.max(v))))
        };
        let (now, before): (Delays, Delays) = (new.each("vcpu", "delay").collect(), old.each("vcpu", "delay").collect());
        if !now.is_empty() {
            return worst(&now, &before, seconds);
        }
        worst(self.delays.1.get(name)?, self.delays_before.1.get(name)?, self.delays.0 - self.delays_before.0)
    }

    /// The host as a hypervisor, from its rows; `None` before the first listing.
    pub(super) fn hypervisor(&self) -> Option<Hypervisor> {
        if self.listings == 0 {
            return None;
        }
        let running = || self.known.values().filter(|k| !matches!(k.stats.state(), VmState::ShutOff | VmState::Crashed | VmState::NoState));
        Some(Hypervisor {
            uri: self.uri.clone(),
            version: self.library.clone(),
            vcpus: running().filter_map(|k| u32::try_from(k.stats.number("vcpu.current")?).ok()).sum(),
            memory_max_bytes: running().filter_map(|k| k.stats.number("balloon.maximum")).sum::<u64>() << 10,
            pools: self.pools.clone(),
        })
    }

    /// Has every running guest its rates, and every guest its XML, in the rows already said?
    pub(super) fn is_settled(&self) -> bool {
        let running = self.known.values().any(|k| k.stats.state() == VmState::Running);
        (!running || self.listings >= 2) && !self.bare
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

fn memory_used(stats: &Stats) -> Option<u64> {
    let kib = |key| stats.number(key);
    let guest = kib("balloon.available").and_then(|all| Some(all.saturating_sub(kib("balloon.usable").or_else(|| kib("balloon.unused"))?)));
    guest.or_else(|| kib("balloon.rss")).or_else(|| kib("balloon.current")).map(|k| k << 10)
}

fn disks(stats: &Stats) -> Vec<VmDisk> {
    let mut disks: Vec<(u32, VmDisk)> = stats
        .each("block", "capacity")
        .map(|(n, capacity_bytes)| {
            let text = |what: &str| stats.text(&format!("block.{n}.{what}")).unwrap_or_default().to_owned();
            let allocation_bytes = stats.number(&format!("block.{n}.allocation")).unwrap_or(0);
            (n, VmDisk { target: text("name"), path: text("path"), allocation_bytes, capacity_bytes })
        })
        .collect();
    disks.sort_by_key(|(n, _)| *n);
    disks.into_iter().map(|(_, d)| d).collect()
}

/// Time spent on requests against requests done, since the last sample.
fn latency(new: &Stats, old: &Stats) -> Option<f64> {
    let both = |s: &Stats, what: &str| Some(s.sum("block", &format!("rd.{what}"))? + s.sum("block", &format!("wr.{what}"))?);
    let requests = both(new, "reqs")?.checked_sub(both(old, "reqs")?)?;
    let spent = both(new, "times")?.checked_sub(both(old, "times")?)?;
    (requests > 0).then(|| spent as f64 / requests as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(at: f64, stats: &str) -> Listing {
        let text = format!(
            "n.at\n{at}\nn.uri\nqemu:///system\nn.version\nUsing library: libvirt 4.5.0\nn.uuid\n0a1b2c3d-1111-2222-3333-444455556666\nn.name\nm 1\nn.autostart\nn.persistent\nn.stats\nDomain: 'm 1'\n{stats}\nn.again\n0a1b2c3d-1111-2222-3333-444455556666\nn.end"
        );
        virsh::listing(&text.lines().map(str::to_owned).collect::<Vec<_>>(), "n").unwrap()
    }

    const FIRST: &str = "state.state=1\nstate.reason=1\nvcpu.current=2\nvcpu.0.time=1000000000\nvcpu.1.time=0\nvcpu.0.delay=0\nvcpu.1.delay=0\nballoon.maximum=1048576\nballoon.available=1000000\nballoon.usable=400000\nblock.0.rd.reqs=10\nblock.0.rd.times=1000\nblock.0.wr.reqs=0\nblock.0.wr.times=0\nblock.0.rd.bytes=0";
    const SECOND: &str = "state.state=1\nstate.reason=1\nvcpu.current=2\nvcpu.0.time=2000000000\nvcpu.1.time=500000000\nvcpu.0.delay=100000000\nvcpu.1.delay=300000000\nballoon.maximum=1048576\nblock.0.rd.reqs=20\nblock.0.rd.times=500001000\nblock.0.wr.reqs=0\nblock.0.wr.times=0\nblock.0.rd.bytes=4096";

    #[test]
    fn rates_come_with_the_second_listing_and_go_with_a_restart() {
        let host = Name::from("kvm-1");
        let mut guests = Guests::default();
        let first = guests.take(&host, listing(100.0, FIRST)).remove(0);
        assert_eq!((first.cpu_percent, first.steal_percent, first.disk_latency_seconds), (None, None, None));
        assert_eq!(first.memory_used_bytes, Some(600_000 << 10));
        let second = guests.take(&host, listing(102.0, SECOND)).remove(0);
        assert_eq!((second.cpu_percent, second.steal_percent), (Some(75.0), Some(15.0)));
        assert_eq!((second.disk_latency_seconds, second.disk_read_bytes_per_second), (Some(0.05), Some(2048.0)));
        let restarted = guests.take(&host, listing(104.0, FIRST)).remove(0);
        assert_eq!((restarted.cpu_percent, restarted.steal_percent), (None, None));
        assert_eq!(guests.hypervisor().map(|h| (h.vcpus, h.memory_max_bytes)), Some((2, 1 << 30)));
    }

    #[test]
    fn a_libvirt_without_delay_falls_back_to_the_process_and_never_to_zero() {
        let host = Name::from("kvm-1");
        let old = |s: &str| s.lines().filter(|l| !l.contains("delay")).collect::<Vec<_>>().join("\n");
        let mut guests = Guests::default();
        guests.take(&host, listing(100.0, &old(FIRST)));
        assert!(guests.without_delay);
        assert_eq!(guests.take(&host, listing(102.0, &old(SECOND))).remove(0).steal_percent, None);
        let lines = |at: u32, ns: u32| format!("n.at\n{at}\nn.delays\n0 {ns} m 1\n1 5 m 1").lines().map(str::to_owned).collect::<Vec<_>>();
        guests.delays(&lines(10, 1000), "n");
        guests.delays(&lines(12, 400_001_000), "n");
        assert_eq!(guests.take(&host, listing(104.0, &old(SECOND))).remove(0).steal_percent, Some(20.0));
    }

    #[test]
    fn xml_is_asked_for_once_and_again_when_the_state_changes() {
        let host = Name::from("kvm-1");
        let mut guests = Guests::default();
        guests.take(&host, listing(100.0, FIRST));
        let question = guests.wanted().unwrap();
        assert_eq!(question, "xml=0a1b2c3d-1111-2222-3333-444455556666");
        let text = format!("n.xml 0a1b2c3d-1111-2222-3333-444455556666\n{}\nn.end", include_str!("fixtures/domain-9.0.0.xml"));
        guests.xml(&text.lines().map(str::to_owned).collect::<Vec<_>>(), "n");
        guests.arp(&["10.0.0.11 0x1 0x2 52:54:00:AA:BB:01 * br0".to_owned()]);
        assert_eq!(guests.wanted(), None);
        let row = guests.take(&host, listing(101.0, FIRST)).remove(0);
        assert_eq!((row.macs, row.addresses), (vec!["52:54:00:aa:bb:01".to_owned()], vec!["10.0.0.11".to_owned()]));
        guests.take(&host, listing(102.0, &FIRST.replace("state.state=1", "state.state=5")));
        assert!(guests.wanted().is_some());
    }
}
