//! The sampler on real shells and real hosts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use libtest_mimic::Trial;
use quarterdeck::base::clock::{Clock, SystemClock};
use quarterdeck::base::redact::Redactor;
use quarterdeck::config::spec::Reach;
use quarterdeck::link::secret::Secrets;
use quarterdeck::link::shell::{LocalShell, Shell};
use quarterdeck::link::ssh::SshPool;
use quarterdeck::link::sudo::SudoShell;
use quarterdeck::model::ask::{Answer, AskKind};
use quarterdeck::model::fact::Row;
use quarterdeck::model::host::{Host, MountProbe, Vitals};
use quarterdeck::model::id::Name;
use quarterdeck::model::limits::Limits;
use quarterdeck::model::source::SourceState;
use quarterdeck::model::verdict::Verdict;
use quarterdeck::port::Asker;
use quarterdeck::source::host::HostSource;

use crate::components::case;
use crate::rig::eventually;
use crate::rig::sshd::{Host as SshHost, Lab, Sudo, User};
use crate::rig::watch::{Behind, Watch};

pub fn tests() -> Vec<Trial> {
    vec![
        case("host::this_machine_as_proc_says", &[], this_machine),
        case("host::dash_bash_and_busybox_say_the_same", &[], shells),
        case("host::a_hung_mount_gets_one_probe_and_nothing_is_left", &[], hung_mount),
        case("host::nothing_is_left_when_the_cockpit_dies", &[], killed),
        case("host::over_ssh_as_root_and_as_nobody_much", &["sshd", "netns"], over_ssh),
        case("host::sudo_shows_more_and_its_refusal_is_said", &["sshd", "netns"], sudo),
        case("host::a_file_system_turned_read_only", &["sshd", "netns"], read_only),
        case("host::a_frozen_host_is_noticed_and_heals", &["sshd", "netns"], frozen),
        case("host::a_killed_host_ends_the_source", &["sshd", "netns"], dead),
    ]
}

const FAST: Duration = Duration::from_secs(1);

fn source(shell: Arc<dyn Shell>) -> HostSource {
    HostSource::new("here".into(), "local".into(), Vec::new(), FAST, shell).libvirt("test:///default")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn vitals(host: &Option<Host>) -> Vitals {
    host.clone().expect("a host").vitals.expect("vitals")
}

fn this_machine() {
    let watch = Watch::start(source(Arc::new(LocalShell)));
    let first = watch.until("a first sample", Duration::from_secs(10), |h| h.host.clone());
    assert_eq!(first.vitals.as_ref().expect("vitals").cpu, None, "a rate needs two samples");
    let heard = watch.complete();
    let host = heard.host.clone().expect("host");
    let v = vitals(&heard.host);
    assert_eq!(host.identity.hostname, read("/proc/sys/kernel/hostname"));
    assert_eq!(host.identity.kernel, read("/proc/sys/kernel/osrelease"));
    assert_eq!(host.identity.cores as usize, std::thread::available_parallelism().expect("cores").get());
    assert_eq!(host.identity.boot_id.expect("boot id").to_string(), read("/proc/sys/kernel/random/boot_id"));
    assert!(read("/etc/os-release").contains(&host.identity.os), "{}", host.identity.os);
    let uptime: f64 = read("/proc/uptime").split(' ').next().expect("uptime").parse().expect("number");
    assert!((uptime - v.uptime_seconds as f64).abs() < 5.0);
    let total: u64 = read("/proc/meminfo").lines().next().expect("MemTotal").split_whitespace().nth(1).expect("kB").parse().expect("number");
    assert_eq!(v.memory_total_bytes, total * 1024);
    assert!(v.memory_available_bytes > 0 && v.memory_available_bytes <= v.memory_total_bytes);
    let cpu = v.cpu.expect("a second sample");
    let sum = cpu.user_percent + cpu.system_percent + cpu.iowait_percent + cpu.steal_percent + cpu.idle_percent;
    assert!((sum - 100.0).abs() < 0.5, "{cpu:?}");
    assert!(v.clock_skew_seconds.expect("skew").abs() < 0.2, "a machine agrees with itself: {:?}", v.clock_skew_seconds);
    let root = v.mounts.iter().find(|m| m.path == "/").expect("a root");
    let MountProbe::Answered { total_bytes, used_percent, .. } = root.probe else { panic!("{root:?}") };
    let df = crate::rig::sshd::sh("df -kP / | tail -1");
    let words: Vec<&str> = df.split_whitespace().collect();
    assert_eq!(total_bytes >> 10, words[1].parse::<u64>().expect("size"));
    assert!((used_percent - words[4].trim_end_matches('%').parse::<f64>().expect("percent")).abs() < 2.0, "{used_percent} {df}");
    // Others come and go meanwhile, with the networks of other tests: those that were there from the start have rates.
    let known: Vec<&str> = first.vitals.iter().flat_map(|v| &v.nics).map(|n| n.name.as_str()).collect();
    let old: Vec<_> = v.nics.iter().filter(|n| known.contains(&n.name.as_str())).collect();
    assert!(!old.is_empty() && old.iter().all(|n| n.received_bytes_per_second.is_some()), "{:?}", v.nics);
    assert_eq!(v.pressure.is_some(), Path::new("/proc/pressure/cpu").exists());
    assert_eq!(v.failed_units.is_some(), Path::new("/run/systemd/system").exists());
    assert_eq!(heard.state, SourceState::Live);
    watch.stop();
}

/// A folder that stands first on PATH.
fn path_with(programs: &[(&str, &str)]) -> (tempfile::TempDir, String) {
    let dir = tempfile::Builder::new().prefix("qd-path-").tempdir().expect("tempdir");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    for (name, text) in programs {
        let file = dir.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n").replace("%DIR%", &dir.path().display().to_string())).expect("program");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let path = format!("PATH={}:$PATH; export PATH;", dir.path().display());
    (dir, path)
}

fn shells() {
    for (name, sh) in [("dash", "/usr/bin/dash"), ("bash", "/bin/bash"), ("busybox", "/usr/bin/busybox")] {
        assert!(Path::new(sh).exists(), "{name} is not here");
        let (dir, path) = path_with(&[]);
        symlink(sh, dir.path().join("sh")).expect("sh");
        if name == "busybox" {
            // All of its tools, not only its shell.
            for tool in ["grep", "sed", "stat", "date", "dmesg", "tail", "cat", "mktemp", "tr", "timeout", "ip", "df", "rm"] {
                symlink(sh, dir.path().join(tool)).expect("tool");
            }
        }
        let watch = Watch::start(source(Behind::plain(path)));
        let heard = watch.complete();
        let v = vitals(&heard.host);
        let host = heard.host.expect("host");
        assert_eq!(host.identity.hostname, read("/proc/sys/kernel/hostname"), "{name}");
        assert!(v.cpu.is_some() && v.memory_available_bytes > 0, "{name}: {v:?}");
        assert!(
            matches!(v.mounts.iter().find(|m| m.path == "/").map(|m| m.probe), Some(MountProbe::Answered { total_bytes, .. }) if total_bytes > 0),
            "{name}: {v:?}"
        );
        assert!(v.clock_skew_seconds.expect("skew").abs() < 1.0, "{name}: {:?}", v.clock_skew_seconds);
        assert!(heard.vms.contains_key("test"), "{name}: {:?}", heard.vms);
        assert!(!host.denied.iter().any(|d| &*d.fact == "dmesg"), "{name}: {:?}", host.denied);
    }
}

fn alive(pid: &str) -> bool {
    // A zombie is dead: it waits for its parent to look.
    read(&format!("/proc/{}/stat", pid.trim())).rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

const COUNTING_MKTEMP: (&str, &str) = ("mktemp", "n=$(/usr/bin/mktemp \"$@\") || exit; echo \"$n\" >>%DIR%/folders; echo \"$n\"");

fn folders(dir: &Path) -> Vec<String> {
    fs::read_to_string(dir.join("folders")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn hung_mount() {
    let stat = "case \"$*\" in *%b*) echo $$ >>%DIR%/probes; exec sleep 1000;; esac; exec /usr/bin/stat \"$@\"";
    let (dir, path) = path_with(&[("stat", stat), COUNTING_MKTEMP]);
    let watch = Watch::start(source(Behind::plain(path)));
    watch.until("the mount is called hung", Duration::from_secs(20), |h| {
        let mounts = h.host.as_ref()?.vitals.as_ref()?.mounts.clone();
        mounts.iter().all(|m| matches!(m.probe, MountProbe::Hung { for_seconds } if for_seconds >= 5)).then_some(())
    });
    let heard = watch.heard();
    assert!(heard.frames >= 5, "the sampler goes on beside it: {}", heard.frames);
    let probes: Vec<String> = read(&dir.path().join("probes").display().to_string()).lines().map(str::to_owned).collect();
    assert_eq!(probes.len(), vitals(&heard.host).mounts.len(), "one probe a mount, however many ticks passed");
    assert!(probes.iter().all(|p| alive(p)), "the probes hang");
    let folders = folders(dir.path());
    assert!(folders.len() == 1 && Path::new(&folders[0]).exists(), "{folders:?}");
    watch.stop();
    eventually("the probes end with the sampler", Duration::from_secs(5), || (!probes.iter().any(|p| alive(p))).then_some(()));
    eventually("its folder goes", Duration::from_secs(5), || (!Path::new(&folders[0]).exists()).then_some(()));
}

/// The run is dropped without a word, as a panic or a SIGKILL of the cockpit does it.
fn killed() {
    let (dir, path) = path_with(&[COUNTING_MKTEMP]);
    let watch = Watch::start(source(Behind::plain(path)));
    watch.until("a frame", Duration::from_secs(10), |h| h.host.clone());
    let folder = folders(dir.path()).remove(0);
    assert!(Path::new(&folder).exists());
    drop(watch);
    eventually("its folder goes", Duration::from_secs(5), || (!Path::new(&folder).exists()).then_some(()));
}

fn pool(host: &SshHost, user: &str) -> (SshPool, Secrets) {
    let mut spec = host.spec();
    if let Reach::Ssh(ssh) = &mut spec.reach {
        ssh.user = Some(user.to_owned());
    }
    let secrets = Secrets::new(Arc::new(Nobody), Redactor::default());
    (SshPool::new(&[spec], secrets.clone()), secrets)
}

/// The sampler's own channel on a host of the rig.
fn ssh(host: &SshHost, user: &str) -> Arc<dyn Shell> {
    pool(host, user).0.sampler(host.name(), None)
}

/// The same with root's rights, where sudo gives them without a password.
fn sudoer(host: &SshHost, user: &str) -> Arc<dyn Shell> {
    let (pool, secrets) = pool(host, user);
    Arc::new(SudoShell::new(pool.sampler(host.name(), None), host.name(), None, secrets))
}

struct Nobody;

impl Asker for Nobody {
    fn ask(&self, _: AskKind, _: Name, _: String) -> BoxFuture<'_, Option<Answer>> {
        Box::pin(async { None })
    }
}

fn denied(host: &Option<Host>) -> Vec<String> {
    host.iter().flat_map(|h| &h.denied).map(|d| d.fact.to_string()).collect()
}

fn over_ssh() {
    let lab = Lab::new();
    let host = lab.host("kvm-1").user(User::new("ops")).start();
    let root = Watch::start(source(ssh(&host, "root"))).complete();
    assert_eq!(root.host.as_ref().expect("host").identity.hostname, "kvm-1");
    assert!(root.host.as_ref().expect("host").identity.addresses.contains(&host.address().to_owned()));
    assert!(!denied(&root.host).contains(&"dmesg".to_owned()), "{:?}", root.denied);
    assert!(vitals(&root.host).clock_skew_seconds.expect("skew").abs() < 0.5);
    let ops = Watch::start(source(ssh(&host, "ops"))).complete();
    let v = vitals(&ops.host);
    assert!(v.cpu.is_some() && v.memory_total_bytes > 0 && !v.mounts.is_empty(), "an ordinary account sees what it may");
    if read("/proc/sys/kernel/dmesg_restrict") == "1" {
        assert!(denied(&ops.host).contains(&"dmesg".to_owned()), "{:?}", ops.denied);
        assert!(ops.denied.iter().any(|d| d.need.contains("sudo")));
    }
    assert_eq!(ops.host.expect("host").identity.product_uuid, None);
}

fn sudo() {
    let lab = Lab::new();
    let host = lab.host("kvm-2").user(User::new("ops").sudo(Sudo::Free)).user(User::new("dev")).start();
    let lifted = Watch::start(source(ssh(&host, "ops")).privileged(sudoer(&host, "ops"))).complete();
    let all = lifted.host.as_ref().map(|h| h.denied.clone());
    assert_eq!(denied(&lifted.host), Vec::<String>::new(), "sudo sees everything: {all:?}");
    let refused = Watch::start(source(ssh(&host, "dev")).privileged(sudoer(&host, "dev"))).complete();
    assert!(denied(&refused.host).contains(&"sudo".to_owned()), "{:?}", refused.host);
    assert!(vitals(&refused.host).cpu.is_some(), "and the rest of the row lives on");
}

/// A file system whose kernel has turned it read-only, as it does after an error of the disk.
fn read_only() {
    let lab = Lab::new();
    let host = lab.host("db-1").start();
    host.run("truncate -s 16M /srv/disk && mkfs.ext4 -q /srv/disk && mkdir -p /srv/数据 && mount -o loop /srv/disk /srv/数据");
    let watch = Watch::start(source(ssh(&host, "root")));
    let mount = |h: &Option<Host>| h.as_ref()?.vitals.as_ref()?.mounts.iter().find(|m| m.path == "/srv/数据").cloned();
    let before = watch.until("the mount", Duration::from_secs(20), |h| mount(&h.host).filter(|m| matches!(m.probe, MountProbe::Answered { .. })));
    assert!(!before.read_only);
    host.run("mount -o remount,ro /srv/数据");
    watch.until("it is read-only", Duration::from_secs(30), |h| mount(&h.host).filter(|m| m.read_only));
    let judged = watch.heard().host.expect("host").judge(SystemClock::default().now(), &Limits::default());
    assert!(judged.verdict == Verdict::Crit && judged.reasons.iter().any(|r| r.code == "host.disk.read-only"), "{judged:?}");
    watch.stop();
    host.run("umount /srv/数据");
}

fn frozen() {
    let lab = Lab::new();
    let host = lab.host("kvm-3").start();
    let watch = Watch::start(source(ssh(&host, "root")));
    watch.complete();
    host.freeze();
    let start = std::time::Instant::now();
    let state = watch.until("the freeze is noticed", Duration::from_secs(10), |h| (h.state != SourceState::Live).then_some(h.state));
    // Three intervals of a second, and a little for the machine that runs this.
    assert!(state == SourceState::Stale && start.elapsed() < Duration::from_millis(3900), "{state:?} after {:?}", start.elapsed());
    assert!(watch.heard().error.contains("no answer from here"), "{}", watch.heard().error);
    host.thaw();
    watch.until("it heals by itself", Duration::from_secs(10), |h| (h.state == SourceState::Live && h.end.is_none()).then_some(()));
}

fn dead() {
    let lab = Lab::new();
    let mut host = lab.host("kvm-4").start();
    let watch = Watch::start(source(ssh(&host, "root")));
    watch.until("a frame", Duration::from_secs(10), |h| h.host.clone());
    host.kill();
    let end = watch.until("the source hands back", Duration::from_secs(15), |h| h.end.clone());
    assert_eq!(end.map_err(|e| e.state), Err(SourceState::Unreachable));
}
