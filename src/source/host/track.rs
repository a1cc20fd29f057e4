//! One host from frame to frame: what the samples become. Pure; the wire is the parent module's.

use std::collections::{BTreeMap, BTreeSet};

use super::container;
use super::counters::{self, Counters};
use super::frame::{Frame, Section};
use super::guests::Guests;
use super::mount::Mounts;
use super::plan::Plan;
use super::refusal::{Refusal, refusal};
use super::{identity, klog, skew, virsh};
use crate::base::clock::Moment;
use crate::model::container::Container;
use crate::model::fact::{Change, Denied, Fact, Row};
use crate::model::host::{Host, HostIdentity, KernelError, Vitals};
use crate::model::id::{Kind, Name};
use crate::model::vm::Vm;
use crate::port::IntoFact;

const RUNTIMES: [&str; 3] = ["docker", "podman", "crictl"];
/// What the first whole picture waits for, and how many frames at most.
const JOBS: [&str; 6] = ["guests", "klog", "units", "docker", "podman", "crictl"];
const PATIENCE: u32 = 15;

#[derive(Debug)]
pub(super) struct Track {
    name: Name,
    address: Name,
    groups: Vec<Name>,
    nonce: String,
    /// The libvirt URI that an answer must come from.
    uri: String,
    frames: u32,
    before: Option<Counters>,
    identity: HostIdentity,
    mounts: Mounts,
    kernel_errors: Vec<KernelError>,
    failed_units: Option<Vec<String>>,
    guests: Guests,
    containers: BTreeMap<Name, BTreeMap<Name, Container>>,
    /// The first full listing has been said; from then on only differences are.
    listed_containers: bool,
    denied: BTreeMap<&'static str, (Kind, String)>,
    settled: BTreeSet<String>,
    absent: BTreeSet<String>,
}

impl Track {
    pub(super) fn new(name: &Name, address: &Name, groups: &[Name], nonce: &str, uri: &str) -> Self {
        Self {
            name: name.clone(),
            address: address.clone(),
            groups: groups.to_vec(),
            nonce: nonce.to_owned(),
            uri: uri.to_owned(),
            frames: 0,
            before: None,
            identity: HostIdentity::default(),
            mounts: Mounts::default(),
            kernel_errors: Vec::new(),
            failed_units: None,
            guests: Guests::default(),
            containers: BTreeMap::new(),
            listed_containers: false,
            denied: BTreeMap::new(),
            settled: BTreeSet::new(),
            absent: BTreeSet::new(),
        }
    }

    /// The next line for the sampler.
    pub(super) fn ask(&mut self, tick: u64) -> String {
        let plan = Plan { absent: self.absent.clone(), nowait: self.guests.knows_nowait(), delays: self.guests.without_delay, xml: self.guests.wanted() };
        plan.line(tick)
    }

    /// Has every listing ended and every rate its second sample?
    pub(super) fn is_complete(&self) -> bool {
        let guests = self.guests.is_settled();
        self.frames >= PATIENCE || (self.frames >= 2 && guests && JOBS.iter().all(|j| self.settled.contains(*j)))
    }

    /// Notes a right that is missing, or with `None` that it is there again.
    pub(super) fn deny(&mut self, fact: &'static str, kind: Kind, need: Option<String>) -> Option<Fact> {
        let old = self.denied.get(fact).map(|(_, need)| need.clone());
        if old == need {
            return None;
        }
        match &need {
            Some(need) => self.denied.insert(fact, (kind, need.clone())),
            None => self.denied.remove(fact),
        };
        Some(Fact::Denied { kind, namespace: None, denied: Denied { fact: Name::from(fact), need: Name::from(need.unwrap_or_default()) } })
    }

    /// The facts of one frame, heard at `now`.
    pub(super) fn take(&mut self, frame: &Frame, now: Moment) -> Vec<Fact> {
        self.frames = self.frames.saturating_add(1);
        let counters = frame.section("counters").map(|s| Counters::parse(&s.lines)).unwrap_or_default();
        if let Some(section) = frame.section("identity") {
            let (identity, fstab) = identity::parse(&section.lines);
            self.identity = identity;
            self.mounts.fstab(fstab.iter().map(String::as_str));
        }
        if let Some(section) = frame.section("arp") {
            self.guests.arp(&section.lines);
        }
        let mut facts = Vec::new();
        for (at, section) in frame.sections.iter().enumerate() {
            let job = section.args.first().map_or("", String::as_str);
            match section.name.as_str() {
                "absent" => facts.extend(self.absent(job)),
                "job" => {
                    let errors = frame.sections.get(at + 1).filter(|s| s.name == "err" && s.args.first().is_some_and(|a| a == job));
                    self.absent.remove(program(job));
                    facts.extend(self.job(job, section, errors.map_or(&[], |e| &e.lines), now, counters.uptime));
                    self.settled.insert(job.to_owned());
                }
                "lost" => drop(self.settled.insert(job.to_owned())),
                _ => {}
            }
        }
        facts.extend(self.first_listing());
        let vitals = self.vitals(frame, &counters, now);
        self.before = Some(counters);
        facts.insert(0, Host::fact(Change::Upsert(self.row(vitals))));
        facts
    }

    fn absent(&mut self, program: &str) -> Vec<Fact> {
        let new = self.absent.insert(program.to_owned());
        let job = if program == "virsh" { "guests" } else { program };
        self.settled.insert(if program == "systemd" { "units" } else { job }.to_owned());
        if new && program == "virsh" {
            self.guests.forget();
            return vec![Vm::fact(Change::Begin(None)), Vm::fact(Change::End(None))];
        }
        Vec::new()
    }

    fn job(&mut self, job: &str, section: &Section, errors: &[String], now: Moment, uptime: f64) -> Vec<Fact> {
        let code: u32 = section.args.get(1).and_then(|c| c.parse().ok()).unwrap_or(255);
        match job {
            "klog" => {
                let refused = if errors.is_empty() { None } else { Some(refusal("dmesg", code, errors, true)) };
                if refused.is_none() {
                    self.kernel_errors = klog::parse(&section.lines, now, uptime);
                }
                let need = match refused {
                    None | Some(Refusal::Idle) => None,
                    Some(Refusal::Denied(need) | Refusal::Silent(need)) => Some(need),
                };
                self.deny("dmesg", Kind::Host, need).into_iter().collect()
            }
            "units" => {
                self.failed_units = (code == 0).then(|| units(&section.lines));
                Vec::new()
            }
            "guests" => self.guests(section, code, errors),
            "pools" => {
                self.guests.pools(&section.lines, &self.nonce);
                Vec::new()
            }
            "xml" => {
                self.guests.xml(&section.lines, &self.nonce);
                Vec::new()
            }
            "delays" => {
                self.guests.delays(&section.lines, &self.nonce);
                Vec::new()
            }
            _ => RUNTIMES.iter().find(|r| **r == job).map_or_else(Vec::new, |runtime| self.runtime(runtime, section, code, errors)),
        }
    }

    fn guests(&mut self, section: &Section, code: u32, errors: &[String]) -> Vec<Fact> {
        let listing = match virsh::listing(&section.lines, &self.nonce) {
            Ok(listing) => listing,
            // The guests moved between two lists: the next tick will do.
            Err(virsh::Unusable::Moved) => return Vec::new(),
            Err(virsh::Unusable::Cut) => {
                let need = match refusal("virsh", code, errors, self.guests.listings > 0) {
                    Refusal::Idle => return self.absent("virsh"),
                    Refusal::Denied(need) | Refusal::Silent(need) => need,
                };
                return self.deny("virsh", Kind::Vm, Some(need)).into_iter().collect();
            }
        };
        if listing.uri != self.uri {
            // Without it an account's own, empty, session list would pass for "no guests here".
            let need = format!("libvirt answered as {} instead of {}", listing.uri, self.uri);
            return self.deny("virsh", Kind::Vm, Some(need)).into_iter().collect();
        }
        let mut facts = vec![Vm::fact(Change::Begin(None))];
        facts.extend(self.guests.take(&self.name, listing).into_iter().map(|vm| Vm::fact(Change::Upsert(vm))));
        facts.push(Vm::fact(Change::End(None)));
        facts.extend(self.deny("virsh", Kind::Vm, None));
        facts
    }

    fn runtime(&mut self, runtime: &'static str, section: &Section, code: u32, errors: &[String]) -> Vec<Fact> {
        let name = Name::from(runtime);
        let text = section.lines.join("\n");
        let rows = if runtime == "crictl" { container::cri(&self.name, &name, &text) } else { Some(container::inspected(&self.name, &name, &text)) };
        // A container that went between the list and the look makes `inspect` fail and still show the others.
        let rows = rows.filter(|rows| code == 0 || !rows.is_empty());
        let Some(rows) = rows else {
            let need = match refusal(runtime, code, errors, self.containers.contains_key(&name)) {
                Refusal::Idle => return self.absent(runtime),
                Refusal::Denied(need) | Refusal::Silent(need) => need,
            };
            return self.deny(runtime, Kind::Container, Some(need)).into_iter().collect();
        };
        let rows: BTreeMap<Name, Container> = rows.into_iter().map(|c| (c.id.clone(), c)).collect();
        let old = self.containers.insert(name, rows.clone()).unwrap_or_default();
        let mut facts: Vec<Fact> = old.values().filter(|c| !rows.contains_key(&c.id)).map(|c| Container::fact(Change::Remove(c.key()))).collect();
        facts.extend(rows.into_values().map(|c| Container::fact(Change::Upsert(c))));
        facts.extend(self.deny(runtime, Kind::Container, None));
        facts
    }

    /// Once all runtimes have spoken: the full listing, which drops what went while nobody looked.
    fn first_listing(&mut self) -> Vec<Fact> {
        if self.listed_containers || !RUNTIMES.iter().all(|r| self.settled.contains(*r)) {
            return Vec::new();
        }
        self.listed_containers = true;
        // A runtime that refused us may have rows from before; they age instead of vanishing.
        if RUNTIMES.iter().any(|r| self.denied.contains_key(r)) {
            return Vec::new();
        }
        let mut facts = vec![Container::fact(Change::Begin(None))];
        facts.extend(self.containers.values().flat_map(BTreeMap::values).map(|c| Container::fact(Change::Upsert(c.clone()))));
        facts.push(Container::fact(Change::End(None)));
        facts
    }

    fn vitals(&mut self, frame: &Frame, c: &Counters, now: Moment) -> Vitals {
        let old = self.before.as_ref();
        let seconds = old.map_or(0.0, |o| c.uptime - o.uptime);
        let heard = now.minus(frame.begun.map(crate::base::clock::Stopwatch::elapsed).unwrap_or_default());
        Vitals {
            load: c.load,
            runnable_tasks: c.runnable,
            cpu: counters::cpu_share(c.cpu, old.and_then(|o| o.cpu)),
            memory_total_bytes: c.memory.total,
            memory_available_bytes: c.memory.available(),
            swap_total_bytes: c.memory.swap_total,
            swap_used_bytes: c.memory.swap_total.saturating_sub(c.memory.swap_free),
            swap_pages_per_second: old.and_then(|o| counters::rate(c.swapped_pages?, o.swapped_pages?, seconds)),
            pressure: c.pressure,
            mounts: self.mounts.take(frame),
            nics: counters::nic_rates(&c.nics, old.map_or(&[], |o| &o.nics), seconds),
            blocked_tasks: c.blocked.max(c.disk_sleep),
            zombie_tasks: c.zombies,
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            uptime_seconds: c.uptime.max(0.0) as u64,
            clock_skew_seconds: frame.round_trip.and_then(|rtt| skew::skew(&frame.date, heard, rtt)),
            failed_units: self.failed_units.clone(),
            kernel_errors: self.kernel_errors.clone(),
            conntrack_used_percent: c.conntrack_percent(),
            files_used_percent: c.files_percent(),
        }
    }

    fn row(&self, vitals: Vitals) -> Host {
        Host {
            name: self.name.clone(),
            address: self.address.clone(),
            groups: self.groups.clone(),
            identity: self.identity.clone(),
            vitals: Some(vitals),
            hypervisor: self.guests.hypervisor(),
            runtimes: self.containers.keys().cloned().collect(),
            denied: self.denied.iter().map(|(fact, (_, need))| Denied { fact: Name::from(*fact), need: Name::from(need.as_str()) }).collect(),
        }
    }
}

/// The program that a job needs.
fn program(job: &str) -> &str {
    match job {
        "guests" | "pools" | "xml" => "virsh",
        "units" => "systemd",
        other => other,
    }
}

/// `systemctl --failed --plain --no-legend`; older ones still print the dot.
fn units(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|l| l.split_whitespace().find(|w| w.contains('.'))).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::frame::Frames;
    use super::*;
    use crate::model::host::MountProbe;

    fn track(uri: &str) -> Track {
        Track::new(&Name::from("kvm-1"), &Name::from("10.0.0.1"), &[], "abc", uri)
    }

    fn frame(body: &str) -> Frame {
        Frames::new("abc".to_owned()).push(format!("=abc 1 1795240703.5\n{body}\n=abc end 1\n").as_bytes()).unwrap().remove(0)
    }

    fn host(facts: &[Fact]) -> Host {
        let Fact::Host(change) = &facts[0] else { panic!("{facts:?}") };
        let Change::Upsert(host) = (**change).clone() else { panic!() };
        host
    }

    const GUESTS: &str = include_str!("fixtures/virsh-9.0.0.txt");

    #[test]
    fn rates_are_absent_until_two_samples_and_refusals_are_named() {
        let now = Moment::from_seconds(1_795_240_703);
        let counters =
            |busy: u32, up: &str| format!("~abc counters\n/proc/stat:cpu  {busy} 0 0 {busy} 0 0 0 0 0 0\n/proc/uptime:{up} 1\n/proc/meminfo:MemTotal: 100 kB");
        let mut t = track("qemu:///system");
        let first = t.take(&frame(&counters(10, "5.0")), now);
        assert_eq!(host(&first).vitals.unwrap().cpu, None);
        let body = format!(
            "{}\n~abc job klog 0\n~abc err klog\ndmesg: read kernel buffer failed: Operation not permitted\n~abc job docker 1\n~abc err docker\nGot permission denied while trying to connect to the Docker daemon socket",
            counters(20, "6.0")
        );
        let second = t.take(&frame(&body), now);
        let row = host(&second);
        assert_eq!(row.vitals.unwrap().cpu.map(|c| c.user_percent), Some(50.0));
        assert_eq!(row.denied.iter().map(|d| &*d.fact).collect::<Vec<_>>(), ["dmesg", "docker"]);
        assert!(second.iter().any(|f| matches!(f, Fact::Denied { kind: Kind::Container, denied, .. } if denied.need.contains("group docker"))));
        // Allowed again: the refusal is withdrawn.
        let third = t.take(&frame(&format!("{}\n~abc job docker 0", counters(30, "7.0"))), now);
        assert!(third.iter().any(|f| matches!(f, Fact::Denied { kind: Kind::Container, denied, .. } if denied.need.is_empty())));
    }

    #[test]
    fn guests_of_the_wrong_libvirt_are_no_answer() {
        let now = Moment::from_seconds(1);
        let body = format!("~abc job guests 0\n{GUESTS}");
        let mut right = track("qemu:///system");
        let facts = right.take(&frame(&body), now);
        assert_eq!(facts.iter().filter(|f| matches!(f, Fact::Vm(_))).count(), 4, "begin, two rows, end");
        assert_eq!(host(&facts).hypervisor.map(|h| h.vcpus), Some(2), "only what runs counts");
        assert!(right.ask(1).contains("guests-nowait xml=") || right.ask(1).contains("guests-nowait"));
        let mut wrong = track("qemu:///system");
        let facts = wrong.take(&frame(&body.replace("qemu:///system", "qemu:///session")), now);
        assert!(!facts.iter().any(|f| matches!(f, Fact::Vm(_))));
        assert!(host(&facts).denied[0].need.contains("qemu:///session"));
    }

    #[test]
    fn no_virsh_means_no_guests_and_a_hung_libvirt_keeps_the_rows() {
        let now = Moment::from_seconds(1);
        let mut t = track("qemu:///system");
        let facts = t.take(&frame("~abc absent virsh"), now);
        assert_eq!((facts.len(), host(&facts).hypervisor), (3, None));
        let mut t = track("qemu:///system");
        t.take(&frame(&format!("~abc job guests 0\n{GUESTS}")), now);
        let facts = t.take(&frame("~abc job guests 124"), now);
        assert!(!facts.iter().any(|f| matches!(f, Fact::Vm(_))), "their rows age instead of vanishing");
        assert_eq!(&*host(&facts).denied[0].need, "virsh did not answer within 25 s");
    }

    #[test]
    fn containers_come_as_one_listing_and_then_as_differences() {
        let now = Moment::from_seconds(1);
        let one = r#"{"Id":"a","Name":"/a","State":{"Status":"running"}}"#;
        let two = r#"{"Id":"b","Name":"/b","State":{"Status":"running"}}"#;
        let mut t = track("x");
        t.take(&frame(&format!("~abc absent podman\n~abc job docker 0\n{one}\n{two}")), now);
        let all = t.take(&frame("~abc absent crictl"), now);
        assert_eq!(all.iter().filter(|f| matches!(f, Fact::Container(_))).count(), 4);
        let less = t.take(&frame(&format!("~abc job docker 0\n{one}")), now);
        assert!(less.iter().any(|f| matches!(f, Fact::Container(c) if matches!(&**c, Change::Remove(key) if &*key.id == "b"))));
        assert_eq!(t.containers.len(), 1);
    }

    #[test]
    fn a_hung_probe_shows_on_its_mount() {
        let mut t = track("x");
        let facts = t.take(&frame("~abc mounts\n9 1 0:9 / /mnt rw - nfs4 h:/x rw\n~abc busy m9 31"), Moment::from_seconds(1));
        assert_eq!(host(&facts).vitals.unwrap().mounts[0].probe, MountProbe::Hung { for_seconds: 31 });
    }
}
