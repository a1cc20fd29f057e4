//! What the kernel and the system's files say: `/proc`, `/sys`, `/etc`.

use std::fmt::Write as _;

use crate::base::clock::Moment;
use crate::lab::world::machine::{Machine, Mount};
use crate::lab::world::{World, whole};

/// A host or guest as a machine, by its name.
pub fn machine<'a>(world: &'a World, name: &str) -> Option<&'a Machine> {
    let host = world.hosts.iter().map(|h| &h.machine).find(|m| m.name == name);
    host.or_else(|| world.guests.iter().map(|g| &g.machine).find(|m| m.name == name))
}

/// Seconds since boot.
pub fn uptime(m: &Machine, now: Moment) -> f64 {
    now.since(m.booted_at).as_secs_f64()
}

/// Its own clock, in seconds since the epoch as `date +%s.%N` prints them.
pub fn date(m: &Machine, now: Moment) -> String {
    let own = now.0 + m.clock_ahead_ms;
    format!("{}.{:03}000000", own.div_euclid(1000), own.rem_euclid(1000))
}

fn hundredths(seconds: f64) -> u64 {
    whole(seconds * 100.0)
}

fn cpu_line(m: &Machine) -> String {
    let t = &m.cpu_time;
    let [user, system, idle, iowait, steal] = [t.user, t.system, t.idle, t.iowait, t.steal].map(hundredths);
    format!("cpu  {user} 0 {system} {idle} {iowait} 0 0 {steal} 0 0")
}

fn stat(m: &Machine) -> String {
    let mut out = cpu_line(m) + "\n";
    for core in 0..m.cores {
        let _ = writeln!(out, "cpu{core} {}", cpu_line(m).trim_start_matches("cpu  "));
    }
    let booted = m.booted_at.0.div_euclid(1000);
    let _ = writeln!(out, "btime {booted}\nprocesses 1834021\nprocs_running {}\nprocs_blocked {}", m.running, m.blocked);
    out
}

fn meminfo(m: &Machine) -> String {
    let kib = |bytes: u64| bytes / 1024;
    let (total, available) = (kib(m.memory_bytes), kib(m.available_bytes));
    let swap = kib(m.swap_bytes);
    [
        ("MemTotal", total),
        ("MemFree", available / 3),
        ("MemAvailable", available),
        ("Buffers", 2112),
        ("Cached", available / 2),
        ("SwapTotal", swap),
        ("SwapFree", swap.saturating_sub(kib(m.swap_used_bytes))),
        ("Shmem", 61_440),
        ("SReclaimable", available / 12),
    ]
    .iter()
    .fold(String::new(), |mut out, (name, value)| {
        let _ = writeln!(out, "{:<16}{value:>8} kB", format!("{name}:"));
        out
    })
}

/// The averages of a minute and more are shown as that of ten seconds: the world keeps one.
fn pressure(some: f64, full: Option<f64>) -> String {
    let line = |word: &str, share: f64| {
        let percent = share * 100.0;
        format!("{word} avg10={percent:.2} avg60={percent:.2} avg300={percent:.2} total={}\n", whole(share * 1e9))
    };
    line("some", some) + &full.map_or_else(String::new, |f| line("full", f))
}

fn net_dev(m: &Machine) -> String {
    let mut out = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo: 918273     992    0    0    0     0          0         0   918273     992    0    0    0     0       0          0\n".to_owned();
    for nic in &m.nics {
        let [rx, rp, tx, tp, errors] = [nic.rx_bytes, nic.rx_packets, nic.tx_bytes, nic.tx_packets, nic.errors].map(whole);
        let _ = writeln!(out, "{:>6}: {rx} {rp} {errors}    0    0     0          0         0 {tx} {tp}    0    0    0     0       0          0", nic.name);
    }
    out
}

fn loadavg(m: &Machine) -> String {
    let [a, b, c] = m.load;
    format!("{a:.2} {b:.2} {c:.2} {}/{} 28411\n", m.running, m.processes)
}

fn mountinfo(m: &Machine) -> String {
    m.mounts.iter().enumerate().fold(String::new(), |mut out, (n, mount)| {
        let parent = if mount.path == "/" { 1 } else { 27 };
        // An error makes the kernel stop writing to the file system; the mount's own flag stays.
        let state = if mount.read_only { "ro" } else { "rw" };
        let device = if mount.kind.starts_with("nfs") { format!("0:{}", 45 + n) } else { format!("253:{}", 1 + n * 16) };
        let _ = writeln!(
            out,
            "{} {parent} {device} / {} rw,relatime shared:{} - {} {} {state},attr2,inode64,noquota",
            27 + n,
            mount.path,
            n + 1,
            mount.kind,
            mount.device
        );
        out
    })
}

/// What `mount id` of [`mountinfo`] is.
pub fn mount_id(at: usize) -> usize {
    27 + at
}

fn proc_mounts(m: &Machine) -> String {
    m.mounts.iter().fold(String::new(), |mut out, mount| {
        let _ = writeln!(out, "{} {} {} {},relatime 0 0", mount.device, mount.path, mount.kind, if mount.read_only { "ro" } else { "rw" });
        out
    })
}

fn fstab(m: &Machine) -> String {
    m.mounts.iter().fold(String::new(), |mut out, mount| {
        let _ = writeln!(out, "{} {} {} defaults{} 0 0", mount.device, mount.path, mount.kind, if mount.kind.starts_with("nfs") { ",_netdev" } else { "" });
        out
    })
}

/// The bridge's neighbours: on a host its guests, in a guest its gateway.
fn arp(world: &World, m: &Machine) -> String {
    let mut out = "IP address       HW type     Flags       HW address            Mask     Device\n".to_owned();
    let guests = world.guests.iter().filter(|g| g.host == m.name && g.is_running());
    for guest in guests {
        let _ = writeln!(out, "{:<16} 0x1         0x2         {}     *        br0", guest.machine.address, guest.mac);
    }
    let _ = writeln!(out, "{:<16} 0x1         0x2         3c:ec:ef:10:00:01     *        {}", "10.20.0.1", m.nics.first().map_or("eth0", |n| n.name.as_str()));
    out
}

fn os_release(m: &Machine) -> String {
    let (name, rest) = m.os.split_once(" 7").unwrap_or((&m.os, ""));
    format!("NAME=\"{name}\"\nVERSION=\"7{rest}\"\nID=\"centos\"\nVERSION_ID=\"7\"\nPRETTY_NAME=\"{}\"\n", m.os)
}

/// The content of a system file; `None` where there is none.
pub fn file(world: &World, m: &Machine, path: &str) -> Option<String> {
    let p = &m.pressure;
    Some(match path {
        "/proc/loadavg" => loadavg(m),
        "/proc/stat" => stat(m),
        "/proc/meminfo" => meminfo(m),
        "/proc/uptime" => format!("{:.2} {:.2}\n", uptime(m, world.now), m.cpu_time.idle),
        "/proc/vmstat" => "pswpin 0\npswpout 0\n".to_owned(),
        "/proc/net/dev" => net_dev(m),
        "/proc/net/arp" => arp(world, m),
        "/proc/mounts" | "/etc/mtab" | "/proc/self/mounts" => proc_mounts(m),
        "/proc/self/mountinfo" => mountinfo(m),
        "/proc/swaps" if m.swap_bytes > 0 => format!(
            "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n/dev/dm-1                               partition\t{}\t{}\t-2\n",
            m.swap_bytes / 1024,
            m.swap_used_bytes / 1024
        ),
        "/proc/swaps" => "Filename\t\t\t\tType\t\tSize\tUsed\tPriority\n".to_owned(),
        "/proc/pressure/cpu" => pressure(p.cpu_some, None),
        "/proc/pressure/memory" => pressure(p.memory_some, Some(p.memory_full)),
        "/proc/pressure/io" => pressure(p.io_some, Some(p.io_full)),
        "/proc/sys/fs/file-nr" => "9824\t0\t1632064\n".to_owned(),
        "/proc/sys/net/netfilter/nf_conntrack_count" => format!("{}\n", m.conntrack),
        "/proc/sys/net/netfilter/nf_conntrack_max" => format!("{}\n", m.conntrack_max),
        "/proc/sys/net/ipv4/ip_forward" | "/proc/sys/net/bridge/bridge-nf-call-iptables" => "1\n".to_owned(),
        "/proc/sys/vm/max_map_count" => "262144\n".to_owned(),
        "/proc/sys/kernel/hostname" | "/etc/hostname" => format!("{}\n", m.name),
        "/proc/sys/kernel/osrelease" => format!("{}\n", m.kernel),
        "/proc/version" => format!("Linux version {} (mockbuild@Build64R7)\n", m.kernel),
        "/proc/sys/kernel/random/boot_id" => format!("{}\n", m.boot_id),
        "/etc/machine-id" => format!("{}\n", m.machine_id),
        "/sys/class/dmi/id/product_uuid" => format!("{}\n", m.uuid),
        "/etc/fstab" => fstab(m),
        "/etc/os-release" => os_release(m),
        "/etc/redhat-release" | "/etc/centos-release" => "CentOS Linux release 7.8.2003 (Core)\n".to_owned(),
        "/etc/hosts" => hosts(world),
        "/etc/passwd" => "root:x:0:0:root:/root:/bin/bash\n".to_owned(),
        "/proc/cpuinfo" => (0..m.cores).fold(String::new(), |mut out, n| {
            let _ = writeln!(out, "processor\t: {n}\nmodel name\t: Intel(R) Xeon(R) Gold 5218R CPU @ 2.10GHz\n");
            out
        }),
        _ => {
            let nic = path.strip_prefix("/sys/class/net/")?.strip_suffix("/address")?;
            format!("{}\n", m.nics.iter().find(|n| n.name == nic)?.mac)
        }
    })
}

fn hosts(world: &World) -> String {
    let machines = world.hosts.iter().map(|h| &h.machine).chain(world.guests.iter().map(|g| &g.machine));
    machines.fold("127.0.0.1   localhost localhost.localdomain\n::1         localhost\n".to_owned(), |mut out, m| {
        let _ = writeln!(out, "{} {}", m.address, m.name);
        out
    })
}

/// `stat -f -c '%b %f %a %S %c %d'`
pub fn space(mount: &Mount) -> String {
    const BLOCK: u64 = 4096;
    let blocks = mount.size_bytes / BLOCK;
    let free = mount.size_bytes.saturating_sub(mount.used_bytes) / BLOCK;
    format!("{blocks} {free} {free} {BLOCK} {} {}", mount.inodes, mount.inodes.saturating_sub(mount.inodes_used))
}

/// `df`: with `-P`, `-k`, `-h`, `-T`, `-i`.
pub fn df(m: &Machine, flags: &str, wanted: &[&str]) -> String {
    let has = |flag| flags.contains(flag);
    let mut out = match (has('i'), has('T'), has('h')) {
        (true, ..) => "Filesystem      Inodes   IUsed   IFree IUse% Mounted on\n".to_owned(),
        (_, true, true) => "Filesystem     Type      Size  Used Avail Use% Mounted on\n".to_owned(),
        (_, true, false) => "Filesystem     Type     1024-blocks       Used  Available Capacity Mounted on\n".to_owned(),
        (_, false, true) => "Filesystem      Size  Used Avail Use% Mounted on\n".to_owned(),
        _ => "Filesystem     1024-blocks       Used  Available Capacity Mounted on\n".to_owned(),
    };
    let on = |path: &str| m.mounts.iter().filter(|x| path.starts_with(&x.path)).max_by_key(|x| x.path.len()).map(|x| x.path.clone());
    let chosen: Vec<String> = wanted.iter().filter_map(|p| on(p)).collect();
    for mount in m.mounts.iter().filter(|x| chosen.is_empty() || chosen.contains(&x.path)) {
        let (all, used) = if has('i') { (mount.inodes, mount.inodes_used) } else { (mount.size_bytes, mount.used_bytes) };
        let free = all.saturating_sub(used);
        let percent = (used * 100).div_ceil(all.max(1));
        let show = |n: u64| match (has('i'), has('h')) {
            (true, _) => n.to_string(),
            (_, true) => crate::base::text::bytes(n),
            _ => (n / 1024).to_string(),
        };
        let kind = if has('T') { format!("{:<8} ", mount.kind) } else { String::new() };
        let _ = writeln!(out, "{:<14} {kind}{:>11} {:>10} {:>10} {:>4}% {}", mount.device, show(all), show(used), show(free), percent, mount.path);
    }
    out
}

/// `dmesg -r`: `<3>[ 9990.500000] text`.
pub fn dmesg(m: &Machine) -> Vec<(u8, String)> {
    m.kernel_log.iter().map(|(at, level, text)| (*level, format!("[{:>12.6}] {text}", at.since(m.booted_at).as_secs_f64()))).collect()
}
