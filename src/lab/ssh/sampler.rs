//! The cockpit's sampler, recognised by its script: one line a tick in, one frame out. The format is a contract within this
//! repository; `source/host` reads what is written here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{docker, proc, virsh};
use crate::base::clock::Moment;
use crate::lab::world::World;

/// The line with which the script begins to work.
const LAST_LINE: &str = "main";
/// More than this before it is no sampler.
const MOST_LINES: usize = 2000;

/// What comes in, line by line.
#[derive(Debug, Default)]
pub struct Sampler {
    machine: String,
    nonce: String,
    uri: String,
    first: String,
    started: bool,
    lines: usize,
    /// Mount -> since when its probe waits.
    stuck: BTreeMap<String, Moment>,
}

/// Is this line the first of the script?
pub fn begins(line: &str) -> bool {
    line.starts_with("N=") && line.contains(" U='") && line.contains(" Q='")
}

fn quoted(line: &str, name: &str) -> String {
    line.split_once(&format!(" {name}='")).and_then(|(_, rest)| rest.split_once('\'')).map_or_else(String::new, |(value, _)| value.to_owned())
}

impl Sampler {
    pub fn new(machine: &str, first_line: &str) -> Self {
        let nonce = first_line.strip_prefix("N=").and_then(|l| l.split(' ').next()).unwrap_or_default().to_owned();
        Self { machine: machine.to_owned(), nonce, uri: quoted(first_line, "U"), first: quoted(first_line, "Q"), ..Self::default() }
    }

    /// The next line of input; an answer to it, or `Err` where this is no sampler after all.
    pub fn line(&mut self, world: &mut World, line: &str) -> Result<Option<String>, &'static str> {
        if !self.started {
            self.lines += 1;
            if self.lines > MOST_LINES {
                return Err("sh: the lab takes the cockpit's sampler only\n");
            }
            if line != LAST_LINE {
                return Ok(None);
            }
            self.started = true;
            let first = self.first.clone();
            return Ok(Some(self.frame(world, "0", &first)));
        }
        let (tick, questions) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        if tick.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.frame(world, tick, questions)))
    }

    fn frame(&mut self, world: &mut World, tick: &str, questions: &str) -> String {
        let Some(m) = proc::machine(world, &self.machine).cloned() else { return String::new() };
        let n = self.nonce.clone();
        let mut out = format!("={n} {tick} {}\n", proc::date(&m, world.now));
        let mut jobs = String::new();
        for question in questions.split_whitespace() {
            self.question(world, question, &mut out, &mut jobs);
        }
        let file = |path: &str| proc::file(world, &m, path).unwrap_or_default();
        let _ = write!(out, "~{n} mounts\n{}~{n} counters\n", file("/proc/self/mountinfo"));
        for (path, starts) in [
            ("/proc/stat", &["cpu ", "procs_", "btime "][..]),
            ("/proc/meminfo", &["MemTotal:", "MemFree:", "MemAvailable:", "Buffers:", "Cached:", "SReclaimable:", "Shmem:", "SwapTotal:", "SwapFree:"]),
            ("/proc/vmstat", &["pswp"]),
            ("/proc/pressure/cpu", &["some", "full"]),
            ("/proc/pressure/memory", &["some", "full"]),
            ("/proc/pressure/io", &["some", "full"]),
            ("/proc/loadavg", &[""]),
            ("/proc/uptime", &[""]),
            ("/proc/sys/fs/file-nr", &[""]),
            ("/proc/sys/net/netfilter/nf_conntrack_count", &[""]),
            ("/proc/sys/net/netfilter/nf_conntrack_max", &[""]),
        ] {
            for line in file(path).lines().filter(|l| starts.iter().any(|s| l.starts_with(s))) {
                let _ = writeln!(out, "{path}:{line}");
            }
        }
        for line in file("/proc/net/dev").lines().filter(|l| !l.contains('|') && !l.trim_start().starts_with("lo:")) {
            let _ = writeln!(out, "/proc/net/dev:{line}");
        }
        let zombies = 0;
        let _ = writeln!(out, "procs:{} {zombies}", m.blocked);
        out.push_str(&jobs);
        self.probes(world.now, &m, &mut out);
        let _ = writeln!(out, "={n} end {tick}");
        out
    }

    /// The answers of `stat` for each mount; one that hangs is waited for.
    fn probes(&mut self, now: Moment, m: &crate::lab::world::machine::Machine, out: &mut String) {
        let n = &self.nonce;
        for (at, mount) in m.mounts.iter().enumerate() {
            let id = proc::mount_id(at);
            if mount.is_hung {
                let since = *self.stuck.entry(mount.path.clone()).or_insert(now);
                let _ = writeln!(out, "~{n} busy m{id} {}", now.since(since).as_secs());
            } else {
                self.stuck.remove(&mount.path);
                let _ = writeln!(out, "~{n} job m{id} 0\n{}", proc::space(mount));
            }
        }
    }

    fn question(&self, world: &mut World, question: &str, out: &mut String, jobs: &mut String) {
        let Some(m) = proc::machine(world, &self.machine).cloned() else { return };
        let n = &self.nonce;
        let is_host = world.hosts.iter().any(|h| h.machine.name == self.machine);
        match question {
            "identity" => {
                let _ = write!(out, "~{n} identity\n{}", identity(world, &m));
            }
            "arp" => {
                let arp = proc::file(world, &m, "/proc/net/arp").unwrap_or_default();
                let _ = writeln!(out, "~{n} arp\n{}", arp.lines().filter(|l| l.contains(" 0x2 ")).collect::<Vec<_>>().join("\n"));
            }
            "klog" => {
                let _ = writeln!(jobs, "~{n} job klog 0");
                let all = proc::dmesg(&m);
                let grave: Vec<_> = all.iter().filter(|(level, text)| *level <= 3 || text.contains("not responding")).collect();
                for (level, line) in &grave[grave.len().saturating_sub(30)..] {
                    let _ = writeln!(jobs, "<{level}>{line}");
                }
            }
            "units" => {
                let _ = writeln!(jobs, "~{n} job units 0");
                for unit in &m.failed_units {
                    let _ = writeln!(jobs, "{unit} loaded failed failed {unit}");
                }
            }
            "guests" | "guests-nowait" | "pools" if !is_host => {
                let _ = writeln!(out, "~{n} absent virsh");
            }
            "guests" | "guests-nowait" => {
                let _ = write!(jobs, "~{n} job guests 0\n{n}.at\n{:.2}\n", proc::uptime(&m, world.now));
                let list = "echo N.uri; uri; echo N.version; version; echo N.uuid; list --all --uuid; echo N.name; list --all --name; echo N.autostart; list --all --uuid --autostart; echo N.persistent; list --all --uuid --persistent; echo N.stats; domstats --raw; echo N.again; list --all --uuid; echo N.end";
                jobs.push_str(&self.virsh(world, list));
            }
            "pools" => {
                let _ = writeln!(jobs, "~{n} job pools 0");
                jobs.push_str(&self.virsh(world, "echo N.all; pool-list --all --details; echo N.end"));
            }
            "docker" if docker::is_installed(&m) => {
                let _ = writeln!(jobs, "~{n} job docker 0");
                for container in &m.containers {
                    let _ = writeln!(jobs, "{}", docker::inspected(container));
                }
            }
            "docker" | "podman" | "crictl" => {
                let _ = writeln!(out, "~{n} absent {question}");
            }
            xml if xml.starts_with("xml=") => {
                let _ = writeln!(jobs, "~{n} job xml 0");
                let mut list = String::new();
                for uuid in xml.trim_start_matches("xml=").split(',') {
                    let _ = write!(list, "echo N.xml {uuid}; dumpxml {uuid}; ");
                }
                jobs.push_str(&self.virsh(world, &(list + "echo N.end")));
            }
            _ => {}
        }
    }

    fn virsh(&self, world: &mut World, commands: &str) -> String {
        let line = commands.replace("N.", &format!("{}.", self.nonce));
        let arguments = ["-r", "-c", &self.uri, &line].map(str::to_owned);
        virsh::run(world, &self.machine, &arguments).0
    }
}

fn identity(world: &World, m: &crate::lab::world::machine::Machine) -> String {
    let mut out = String::new();
    let nics: Vec<String> = m.nics.iter().map(|n| format!("/sys/class/net/{}/address", n.name)).collect();
    let paths =
        ["/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/random/boot_id", "/etc/machine-id", "/sys/class/dmi/id/product_uuid"];
    for path in paths.into_iter().chain(nics.iter().map(String::as_str)).chain(["/etc/fstab", "/etc/os-release", "/etc/redhat-release"]) {
        for line in proc::file(world, m, path).unwrap_or_default().lines() {
            let _ = writeln!(out, "{path}:{line}");
        }
    }
    let _ = writeln!(out, "cores:{}\naddr:1: lo    inet 127.0.0.1/8 scope host lo", m.cores);
    let nic = m.nics.first().map_or("eth0", |n| n.name.as_str());
    let _ = writeln!(out, "addr:2: {nic}    inet {}/24 brd 10.20.0.255 scope global {nic}", m.address);
    out
}
