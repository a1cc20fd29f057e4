//! `virsh` as libvirt 9.0.0 printed it (`source/host/fixtures`), with the version of the lab's hosts put in its place.

use std::fmt::Write as _;

use crate::lab::world::guest::{Guest, GuestState, Host};
use crate::lab::world::{World, whole};

/// Output, complaint, status.
pub type Said = Result<String, String>;

fn nanoseconds(seconds: f64) -> u64 {
    whole(seconds * 1e9)
}

/// State and reason as libvirt numbers them.
fn codes(state: GuestState) -> (u8, u8) {
    match state {
        GuestState::Running => (1, 1),
        GuestState::Suspended => (3, 1),
        GuestState::PausedIo => (3, 5),
        GuestState::Off => (5, 1),
        GuestState::Crashed => (5, 3),
    }
}

fn word(state: GuestState) -> (&'static str, &'static str) {
    match state {
        GuestState::Running => ("running", "booted"),
        GuestState::Suspended => ("paused", "user"),
        GuestState::PausedIo => ("paused", "I/O error"),
        GuestState::Off => ("shut off", "shutdown"),
        GuestState::Crashed => ("shut off", "crashed"),
    }
}

fn stats(g: &Guest) -> String {
    let (state, reason) = codes(g.state);
    let kib = g.memory_bytes / 1024;
    let mut out = format!("Domain: '{}'\n  state.state={state}\n  state.reason={reason}\n", g.name);
    let busy = nanoseconds(g.vcpu_seconds);
    let _ = writeln!(out, "  cpu.time={busy}\n  cpu.user={}\n  cpu.system={}", busy / 10 * 7, busy / 10 * 3);
    let _ = writeln!(out, "  balloon.current={kib}\n  balloon.maximum={kib}");
    let alive = matches!(g.state, GuestState::Running | GuestState::Suspended | GuestState::PausedIo);
    if alive {
        let m = &g.machine;
        let _ = writeln!(
            out,
            "  balloon.swap_in=0\n  balloon.swap_out=0\n  balloon.available={}\n  balloon.usable={}\n  balloon.rss={}",
            m.memory_bytes / 1024,
            m.available_bytes / 1024,
            kib / 10 * 9
        );
    }
    let _ = writeln!(out, "  vcpu.current={n}\n  vcpu.maximum={n}", n = g.vcpus);
    if alive {
        for n in 0..g.vcpus {
            let each = f64::from(g.vcpus.max(1));
            let _ = writeln!(
                out,
                "  vcpu.{n}.state=1\n  vcpu.{n}.time={}\n  vcpu.{n}.wait=0\n  vcpu.{n}.delay={}",
                nanoseconds(g.vcpu_seconds / each),
                nanoseconds(g.vcpu_delay_seconds / each)
            );
        }
        if let Some(nic) = g.machine.nics.first() {
            let [rx, rp, tx, tp] = [nic.rx_bytes, nic.rx_packets, nic.tx_bytes, nic.tx_packets].map(whole);
            let name = interface(&g.mac);
            let _ = writeln!(
                out,
                "  net.count=1\n  net.0.name={name}\n  net.0.rx.bytes={rx}\n  net.0.rx.pkts={rp}\n  net.0.rx.errs=0\n  net.0.rx.drop=0\n  net.0.tx.bytes={tx}\n  net.0.tx.pkts={tp}\n  net.0.tx.errs=0\n  net.0.tx.drop=0"
            );
        }
    }
    let io = &g.io;
    let _ = write!(out, "  block.count=1\n  block.0.name=vda\n  block.0.path={}\n  block.0.backingIndex=1\n", g.disk_path);
    if alive {
        let _ = writeln!(
            out,
            "  block.0.rd.reqs={}\n  block.0.rd.bytes={}\n  block.0.rd.times={}\n  block.0.wr.reqs={}\n  block.0.wr.bytes={}\n  block.0.wr.times={}\n  block.0.fl.reqs={}\n  block.0.fl.times={}",
            whole(io.read_requests),
            whole(io.read_bytes),
            nanoseconds(io.read_seconds),
            whole(io.write_requests),
            whole(io.write_bytes),
            nanoseconds(io.write_seconds),
            whole(io.flush_requests),
            nanoseconds(io.flush_seconds)
        );
    }
    let _ = writeln!(
        out,
        "  block.0.allocation={}\n  block.0.capacity={}\n  block.0.physical={}",
        g.disk_allocation_bytes, g.disk_capacity_bytes, g.disk_allocation_bytes
    );
    out
}

/// `vnet` and a number of its own.
fn interface(mac: &str) -> String {
    let last = mac.rsplit(':').next().unwrap_or("00");
    format!("vnet{}", u8::from_str_radix(last, 16).unwrap_or(0))
}

fn xml(g: &Guest) -> String {
    let kib = g.memory_bytes / 1024;
    format!(
        "<domain type='kvm'{id}>\n  <name>{name}</name>\n  <uuid>{uuid}</uuid>\n  <memory unit='KiB'>{kib}</memory>\n  <currentMemory unit='KiB'>{kib}</currentMemory>\n  <vcpu placement='static'>{vcpus}</vcpu>\n  <os>\n    <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>\n    <boot dev='hd'/>\n  </os>\n  <cpu mode='host-passthrough' check='none'/>\n  <clock offset='utc'/>\n  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n  <on_crash>restart</on_crash>\n  <devices>\n    <emulator>/usr/libexec/qemu-kvm</emulator>\n    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2' cache='none'/>\n      <source file='{disk}'/>\n      <target dev='vda' bus='virtio'/>\n    </disk>\n    <interface type='bridge'>\n      <mac address='{mac}'/>\n      <source bridge='br0'/>\n      <target dev='{nic}'/>\n      <model type='virtio'/>\n    </interface>\n    <memballoon model='virtio'/>\n  </devices>\n</domain>\n\n",
        id = if g.is_running() { " id='3'" } else { "" },
        name = g.name,
        uuid = g.machine.uuid,
        vcpus = g.vcpus,
        disk = g.disk_path,
        mac = g.mac,
        nic = interface(&g.mac),
    )
}

fn gib(bytes: u64) -> String {
    const GIB: f64 = 1_073_741_824.0;
    let gib = bytes as f64 / GIB;
    if gib >= 1024.0 { format!("{:.2} TiB", gib / 1024.0) } else { format!("{gib:.2} GiB") }
}

fn pools(host: &Host) -> String {
    let mut out = " Name     State     Autostart   Persistent   Capacity     Allocation   Available\n----------------------------------------------------------------------------------\n".to_owned();
    for pool in &host.pools {
        let state = if pool.is_active { "running" } else { "inactive" };
        let free = pool.capacity_bytes.saturating_sub(pool.allocation_bytes);
        let sizes = if pool.is_active { [gib(pool.capacity_bytes), gib(pool.allocation_bytes), gib(free)] } else { ["-", "-", "-"].map(str::to_owned) };
        let _ = writeln!(out, " {:<8} {state:<9} yes         yes          {:<12} {:<12} {}", pool.name, sizes[0], sizes[1], sizes[2]);
    }
    out + "\n"
}

fn list(guests: &[&Guest], options: &[&str]) -> String {
    let has = |o: &str| options.contains(&o);
    let all = has("--all");
    let off = has("--inactive");
    let shown = guests.iter().filter(|g| {
        let running = !matches!(g.state, GuestState::Off | GuestState::Crashed);
        (all || running != off) && (!has("--autostart") || g.autostart)
    });
    if has("--uuid") || has("--name") {
        let mut out = shown.map(|g| if has("--uuid") { g.machine.uuid.clone() } else { g.name.clone() }).collect::<Vec<_>>().join("\n");
        out.push_str("\n\n");
        return out;
    }
    let mut out = " Id   Name       State\n---------------------------\n".to_owned();
    for (n, g) in shown.enumerate() {
        let id = if g.is_running() { (n + 1).to_string() } else { "-".to_owned() };
        let _ = writeln!(out, " {id:<4} {:<10} {}", g.name, word(g.state).0);
    }
    out + "\n"
}

fn info(g: &Guest) -> String {
    let id = if g.is_running() { "3" } else { "-" };
    format!(
        "Id:             {id}\nName:           {}\nUUID:           {}\nOS Type:        hvm\nState:          {}\nCPU(s):         {}\nCPU time:       {:.1}s\nMax memory:     {kib} KiB\nUsed memory:    {kib} KiB\nPersistent:     yes\nAutostart:      {}\nManaged save:   no\nSecurity model: none\nSecurity DOI:   0\n\n",
        g.name,
        g.machine.uuid,
        word(g.state).0,
        g.vcpus,
        g.vcpu_seconds,
        if g.autostart { "enable" } else { "disable" },
        kib = g.memory_bytes / 1024,
    )
}

/// One command of virsh, in words.
pub fn command(world: &mut World, host: &str, words: &[&str]) -> Said {
    let (name, rest) = words.split_first().unwrap_or((&"help", &[]));
    let now = world.now;
    let guests: Vec<&Guest> = world.guests.iter().filter(|g| g.host == host).collect();
    let target = rest.iter().find(|w| !w.starts_with("--"));
    let found = || {
        let wanted = target.copied().unwrap_or("");
        let hit = guests.iter().find(|g| g.name == wanted || g.machine.uuid == wanted);
        hit.copied().ok_or_else(|| format!("error: failed to get domain '{wanted}'\n"))
    };
    match *name {
        "uri" => Ok("qemu:///system\n\n".to_owned()),
        "version" => Ok("Compiled against library: libvirt 9.0.0\nUsing library: libvirt 9.0.0\nUsing API: QEMU 9.0.0\nRunning hypervisor: QEMU 7.2.0\n\n".to_owned()),
        "echo" => Ok(format!("{}\n", rest.join(" "))),
        "list" => Ok(list(&guests, rest)),
        "domstats" => Ok(guests.iter().filter(|g| target.is_none_or(|t| *t == g.name || *t == g.machine.uuid)).map(|g| stats(g) + "\n").collect()),
        "dumpxml" => found().map(xml),
        "domstate" => found().map(|g| if rest.contains(&"--reason") { format!("{} ({})\n\n", word(g.state).0, word(g.state).1) } else { format!("{}\n\n", word(g.state).0) }),
        "dominfo" => found().map(info),
        "domblklist" => found().map(|g| format!(" Type   Device   Target   Source\n----------------------------------------------------------\n file   disk     vda      {}\n\n", g.disk_path)),
        "domiflist" => found().map(|g| format!(" Interface   Type     Source   Model    MAC\n----------------------------------------------------------\n {:<11} bridge   br0      virtio   {}\n\n", interface(&g.mac), g.mac)),
        "domifaddr" => found().map(|g| format!(" Name       MAC address          Protocol     Address\n-------------------------------------------------------------------------------\n {:<10} {}    ipv4         {}/24\n\n", interface(&g.mac), g.mac, g.machine.address)),
        "snapshot-list" => found().map(|_| " Name   Creation Time   State\n-------------------------------\n\n".to_owned()),
        "pool-list" => {
            let host = world.hosts.iter().find(|h| h.machine.name == host);
            Ok(host.map(pools).unwrap_or_default())
        }
        "net-list" => Ok(" Name      State    Autostart   Persistent\n--------------------------------------------\n default   active   yes         yes\n\n".to_owned()),
        "nodeinfo" => {
            let m = world.hosts.iter().find(|h| h.machine.name == host).map(|h| &h.machine);
            let (cores, kib) = m.map_or((1, 0), |m| (m.cores, m.memory_bytes / 1024));
            Ok(format!("CPU model:           x86_64\nCPU(s):              {cores}\nCPU frequency:       2100 MHz\nCPU socket(s):       2\nCore(s) per socket:  {}\nThread(s) per core:  2\nNUMA cell(s):        1\nMemory size:         {kib} KiB\n\n", cores / 4))
        }
        "start" | "resume" | "suspend" | "destroy" | "shutdown" | "reboot" | "autostart" => {
            let chosen = found()?.name.clone();
            act(world, &chosen, name, rest, now)
        }
        other => Err(format!("error: unknown command: '{other}'\n")),
    }
}

fn act(world: &mut World, name: &str, what: &str, options: &[&str], now: crate::base::clock::Moment) -> Said {
    let Some(guest) = world.guest(name) else { return Err(format!("error: failed to get domain '{name}'\n")) };
    let refuse = |text: &str| Err(format!("error: Failed to {what} domain '{name}'\nerror: Requested operation is not valid: {text}\n"));
    let running = !matches!(guest.state, GuestState::Off | GuestState::Crashed);
    let said = match (what, running) {
        ("autostart", _) => {
            guest.autostart = !options.contains(&"--disable");
            if guest.autostart { "marked as autostarted" } else { "unmarked as autostarted" }
        }
        ("start", true) => return refuse("domain is already running"),
        ("start", false) => {
            guest.state = GuestState::Running;
            guest.machine.booted_at = now;
            "started"
        }
        (_, false) => return refuse("domain is not running"),
        ("resume", true) => {
            guest.state = GuestState::Running;
            "resumed"
        }
        ("suspend", true) => {
            guest.state = GuestState::Suspended;
            "suspended"
        }
        ("destroy", true) => {
            guest.state = GuestState::Off;
            "destroyed"
        }
        ("reboot", true) => {
            guest.machine.booted_at = now;
            return Ok(format!("Domain '{name}' is being rebooted\n\n"));
        }
        _ => {
            guest.state = GuestState::Off;
            return Ok(format!("Domain '{name}' is being shutdown\n\n"));
        }
    };
    Ok(format!("Domain '{name}' {said}\n\n"))
}

/// `virsh [-r] [-c URI] COMMAND...`, or one argument with commands between semicolons.
pub fn run(world: &mut World, host: &str, arguments: &[String]) -> (String, String, u32) {
    let mut words: Vec<&str> = Vec::new();
    let mut read_only = false;
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "-r" | "--readonly" => read_only = true,
            "-q" | "--quiet" => {}
            "-c" | "--connect" => {
                rest.next();
            }
            _ => {
                words.push(argument);
                words.extend(rest.by_ref());
            }
        }
    }
    let lines: Vec<String> =
        if let [one] = words.as_slice() { one.split(';').map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect() } else { vec![words.join("\u{1}")] };
    let mut out = String::new();
    for line in lines {
        let split = if line.contains('\u{1}') { '\u{1}' } else { ' ' };
        let words: Vec<&str> = line.split(split).map(|w| w.trim_matches(['\'', '"'])).filter(|w| !w.is_empty()).collect();
        let changes = matches!(words.first().copied(), Some("start" | "resume" | "suspend" | "destroy" | "shutdown" | "reboot" | "autostart"));
        if read_only && changes {
            return (out, "error: operation forbidden: read only access prevents it\n".to_owned(), 1);
        }
        match command(world, host, &words) {
            Ok(text) => out.push_str(&text),
            Err(text) => return (out, text, 1),
        }
    }
    (out, String::new(), 0)
}
