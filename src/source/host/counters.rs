//! `/proc` as the sampler sends it, line by line under its file's name, and the rates between two of them.

use crate::model::host::{CpuShare, Nic, Pressure};

/// The counters of one sample.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counters {
    pub load: [f64; 3],
    pub runnable: u32,
    pub blocked: u32,
    pub disk_sleep: u32,
    pub zombies: u32,
    pub uptime: f64,
    /// user+nice, system+irq+softirq, iowait, steal, idle: in ticks.
    pub cpu: Option<[u64; 5]>,
    pub memory: Memory,
    pub swapped_pages: Option<u64>,
    pub pressure: Option<Pressure>,
    pub nics: Vec<NicCounters>,
    pub files: Option<(u64, u64)>,
    pub conntrack: (Option<u64>, Option<u64>),
}

/// In bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Memory {
    pub total: u64,
    pub free: u64,
    pub available: Option<u64>,
    pub buffers: u64,
    pub cached: u64,
    pub reclaimable: u64,
    pub shared: u64,
    pub swap_total: u64,
    pub swap_free: u64,
}

impl Memory {
    /// Kernels before 3.14 do not say what is available: then what could be given back is counted, less shared memory, which cannot.
    pub(super) fn available(&self) -> u64 {
        self.available.unwrap_or_else(|| (self.free + self.buffers + self.cached + self.reclaimable).saturating_sub(self.shared)).min(self.total)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct NicCounters {
    pub name: String,
    pub received: u64,
    pub sent: u64,
    pub errors: u64,
}

impl Counters {
    pub(super) fn parse(lines: &[String]) -> Self {
        let mut c = Self::default();
        for line in lines {
            let Some((file, text)) = line.split_once(':') else { continue };
            let words: Vec<&str> = text.split_whitespace().collect();
            match file {
                "/proc/loadavg" => c.loadavg(&words),
                "/proc/uptime" => c.uptime = number(&words, 0),
                "/proc/stat" => c.stat(&words),
                "/proc/meminfo" => c.meminfo(text),
                "/proc/vmstat" => c.swapped_pages = Some(c.swapped_pages.unwrap_or(0) + count(&words, 1)),
                "/proc/net/dev" => c.nics.extend(nic(text)),
                "/proc/sys/fs/file-nr" => c.files = Some((count(&words, 0).saturating_sub(count(&words, 1)), count(&words, 2))),
                "/proc/sys/net/netfilter/nf_conntrack_count" => c.conntrack.0 = words.first().and_then(|w| w.parse().ok()),
                "/proc/sys/net/netfilter/nf_conntrack_max" => c.conntrack.1 = words.first().and_then(|w| w.parse().ok()),
                "procs" => (c.disk_sleep, c.zombies) = (small(&words, 0), small(&words, 1)),
                _ => c.psi(file, &words),
            }
        }
        c
    }

    fn loadavg(&mut self, words: &[&str]) {
        self.load = [number(words, 0), number(words, 1), number(words, 2)];
    }

    fn stat(&mut self, words: &[&str]) {
        match words.first() {
            Some(&"cpu") => {
                let n = |i: usize| count(words, i + 1);
                self.cpu = Some([n(0) + n(1), n(2) + n(5) + n(6), n(4), n(7), n(3)]);
            }
            Some(&"procs_running") => self.runnable = small(words, 1),
            Some(&"procs_blocked") => self.blocked = small(words, 1),
            _ => {}
        }
    }

    fn meminfo(&mut self, text: &str) {
        let Some((key, value)) = text.split_once(':') else { return };
        let bytes = value.split_whitespace().next().and_then(|v| v.parse::<u64>().ok()).unwrap_or(0) << 10;
        let m = &mut self.memory;
        match key {
            "MemTotal" => m.total = bytes,
            "MemFree" => m.free = bytes,
            "MemAvailable" => m.available = Some(bytes),
            "Buffers" => m.buffers = bytes,
            "Cached" => m.cached = bytes,
            "SReclaimable" => m.reclaimable = bytes,
            "Shmem" => m.shared = bytes,
            "SwapTotal" => m.swap_total = bytes,
            "SwapFree" => m.swap_free = bytes,
            _ => {}
        }
    }

    fn psi(&mut self, file: &str, words: &[&str]) {
        let average = |name: &str| words.iter().find_map(|w| w.strip_prefix(name)).and_then(|v| v.parse::<f64>().ok());
        let p = |c: &mut Self| c.pressure.unwrap_or_default();
        match (file, words.first()) {
            ("/proc/pressure/cpu", Some(&"some")) => self.pressure = average("avg60=").map(|v| Pressure { cpu_some_avg60_percent: v, ..p(self) }),
            ("/proc/pressure/memory", Some(&"full")) => self.pressure = average("avg10=").map(|v| Pressure { memory_full_avg10_percent: v, ..p(self) }),
            ("/proc/pressure/io", Some(&"full")) => self.pressure = average("avg60=").map(|v| Pressure { io_full_avg60_percent: v, ..p(self) }),
            _ => {}
        }
    }

    pub(super) fn conntrack_percent(&self) -> Option<f64> {
        share(self.conntrack.0?, self.conntrack.1?)
    }

    pub(super) fn files_percent(&self) -> Option<f64> {
        let (used, most) = self.files?;
        share(used, most)
    }
}

/// `part` of `whole` in percent; `None` of nothing.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// Growth a second; `None` when the counter went back (reset or wrapped) or no time passed.
pub(super) fn rate(new: u64, old: u64, seconds: f64) -> Option<f64> {
    let grown = new.checked_sub(old)?;
    (seconds > 0.05).then(|| grown as f64 / seconds)
}

/// Shares of the time between two samples.
pub(super) fn cpu_share(new: Option<[u64; 5]>, old: Option<[u64; 5]>) -> Option<CpuShare> {
    let (new, old) = (new?, old?);
    // iowait and idle may step back by a tick on some kernels; a real reset takes the whole sum back.
    let total = new.iter().sum::<u64>().checked_sub(old.iter().sum())?;
    if total == 0 {
        return None;
    }
    let part = |i: usize| new[i].saturating_sub(old[i]) as f64 * 100.0 / total as f64;
    Some(CpuShare { user_percent: part(0), system_percent: part(1), iowait_percent: part(2), steal_percent: part(3), idle_percent: part(4) })
}

pub(super) fn nic_rates(new: &[NicCounters], old: &[NicCounters], seconds: f64) -> Vec<Nic> {
    new.iter()
        .map(|n| {
            let before = old.iter().find(|o| o.name == n.name);
            Nic {
                name: n.name.clone(),
                received_bytes_per_second: before.and_then(|o| rate(n.received, o.received, seconds)),
                sent_bytes_per_second: before.and_then(|o| rate(n.sent, o.sent, seconds)),
                errors_per_second: before.and_then(|o| rate(n.errors, o.errors, seconds)),
            }
        })
        .collect()
}

fn nic(text: &str) -> Option<NicCounters> {
    let (name, numbers) = text.trim_start().rsplit_once(':')?;
    let words: Vec<&str> = numbers.split_whitespace().collect();
    // Errors and drops that hurt: receive errs and fifo, transmit errs and fifo. Plain drops are normal on a bridge port.
    let errors = count(&words, 2) + count(&words, 4) + count(&words, 10) + count(&words, 12);
    (words.len() >= 16).then(|| NicCounters { name: name.to_owned(), received: count(&words, 0), sent: count(&words, 8), errors })
}

fn count(words: &[&str], at: usize) -> u64 {
    words.get(at).and_then(|w| w.parse().ok()).unwrap_or(0)
}

fn small(words: &[&str], at: usize) -> u32 {
    words.get(at).and_then(|w| w.parse().ok()).unwrap_or(0)
}

fn number(words: &[&str], at: usize) -> f64 {
    words.get(at).and_then(|w| w.parse().ok()).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_sample_of_linux_6_and_one_of_3_10() {
        let new = Counters::parse(&lines(include_str!("fixtures/counters-6.18.txt")));
        assert_eq!((new.load, new.runnable, new.uptime), ([0.30, 0.39, 0.51], 8, 3623.87));
        assert_eq!(new.memory.available(), 23_799_264 << 10);
        assert!((new.pressure.unwrap().cpu_some_avg60_percent - 2.88).abs() < 1e-9);
        assert_eq!(new.nics.iter().find(|n| n.name == "eth0").map(|n| n.received), Some(654_763_492));
        assert_eq!((new.files, new.conntrack_percent()), (Some((1187, 2_466_190)), Some(0.0)));
        // No MemAvailable, no pressure, no conntrack.
        let old = Counters::parse(&lines(
            "/proc/meminfo:MemTotal:  1000 kB\n/proc/meminfo:MemFree:  100 kB\n/proc/meminfo:Buffers: 50 kB\n/proc/meminfo:Cached: 300 kB\n/proc/meminfo:Shmem: 40 kB",
        ));
        assert_eq!((old.memory.available(), old.pressure, old.conntrack_percent()), (410 << 10, None, None));
    }

    #[test]
    fn resets_give_nothing_not_negative_numbers() {
        assert_eq!(rate(5, 9, 1.0), None);
        assert_eq!(rate(9, 5, 0.0), None);
        assert_eq!(rate(9, 5, 2.0), Some(2.0));
        assert_eq!(cpu_share(Some([1, 1, 1, 1, 1]), Some([9, 9, 9, 9, 9])), None);
        let share = cpu_share(Some([60, 20, 10, 5, 105]), Some([10, 10, 0, 0, 75])).unwrap();
        assert!((share.user_percent - 47.6).abs() < 0.1 && (share.steal_percent - 4.76).abs() < 0.1);
        let nics = [NicCounters { name: "eth0".into(), received: 5, ..NicCounters::default() }];
        assert_eq!(nic_rates(&nics, &[], 1.0)[0].received_bytes_per_second, None);
    }
}
