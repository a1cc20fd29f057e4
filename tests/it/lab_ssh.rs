//! The embedded cluster over SSH: OpenSSH's own client, and what the cockpit makes of the same machines.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::lab::world::guest::GuestState;
use quarterdeck::lab::world::machine::Reach;
use serde_json::Value;

use crate::components::case;
use crate::rig::eventually;
use crate::rig::lab::LabRig;

pub fn tests() -> Vec<Trial> {
    vec![
        case("lab::ssh::openssh_runs_commands_and_forwards", &["sshd", "curl"], openssh),
        case("lab::ssh::a_log_is_followed", &["sshd"], followed),
        case("lab::the_cockpit_sees_hosts_guests_and_containers", &[], picture),
        case("lab::faults_of_machines_are_seen_over_ssh", &[], faults),
    ]
}

fn ssh(lab: &LabRig, host: &str, line: &str) -> Output {
    Command::new("ssh").args(["-F", lab.access("SSH_CONFIG"), "-o", "BatchMode=yes", host, line]).stdin(Stdio::null()).output().expect("ssh")
}

fn said(out: &Output) -> String {
    assert!(out.status.success(), "{out:?}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn openssh() {
    let lab = LabRig::start();
    assert_eq!(said(&ssh(&lab, "kvm-2", "hostname; cat /etc/machine-id | wc -c")), "kvm-2\n33\n");
    let list = said(&ssh(&lab, "kvm-1", "LC_ALL=C virsh -r -c qemu:///system list --all --name"));
    assert!(list.contains("k8s-m-1") && list.contains("db-1") && !list.contains("db-2"), "{list}");
    assert!(said(&ssh(&lab, "kvm-1", "virsh dumpxml db-1")).contains("<mac address='52:54:00:"));
    assert!(said(&ssh(&lab, "kvm-4", "docker ps -a | awk '{print $NF}'")).contains("harbor-core"));
    assert!(said(&ssh(&lab, "db-2", "df -hT /var/lib/mysql && uptime")).contains("load average"));
    assert!(said(&ssh(&lab, "k8s-m-1", "journalctl -u kubelet -n 3 --no-pager")).lines().count() == 3);
    let out = ssh(&lab, "kvm-1", "echo before; nosuch 2>&1; exit 7");
    assert_eq!((out.status.code(), String::from_utf8_lossy(&out.stdout).as_ref()), (Some(7), "before\nsh: nosuch: command not found\n"));
    // A script and its input, as a playbook's step sends them.
    let script = "X=1; cat > /etc/my.d; [ $X = 1 ] \n";
    let loader = format!("exec env 'QUARTERDECK_STEP=a;' sh -c 'eval \"$(dd bs=1 count={} 2>/dev/null)\"'", script.len());
    let mut child =
        Command::new("ssh").args(["-F", lab.access("SSH_CONFIG"), "db-1", &loader]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("ssh");
    std::io::Write::write_all(&mut child.stdin.take().expect("stdin"), format!("{script}port=3307\n").as_bytes()).expect("write");
    assert!(child.wait().expect("ssh").success());
    assert_eq!(said(&ssh(&lab, "db-1", "cat /etc/my.d")), "port=3307\n");
    assert!(!ssh(&lab, "db-2", "cat /etc/my.d").status.success(), "each machine has a disk of its own");
    let wrong = Command::new("ssh")
        .args(["-F", lab.access("SSH_CONFIG"), "-o", "BatchMode=yes", "-o", "PubkeyAuthentication=no", "kvm-1", "true"])
        .output()
        .expect("ssh");
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("Permission denied"), "{wrong:?}");
    // Through a host to a server that only the world's addresses name: its greeting comes back.
    let out = Command::new("timeout")
        .args(["5", "ssh", "-F", lab.access("SSH_CONFIG"), "-W", "10.20.0.41:3306", "kvm-4"])
        .stdin(Stdio::null())
        .output()
        .expect("ssh");
    assert!(String::from_utf8_lossy(&out.stdout).contains("caching_sha2_password"), "{out:?}");
    assert!(!ssh(&lab, "kvm-4", "true").stderr.contains(&b'@'), "no complaint about the host key");
    assert_eq!(std::fs::metadata(lab.path().join("id_ed25519")).map(|m| std::os::unix::fs::PermissionsExt::mode(&m.permissions()) & 0o777).ok(), Some(0o600));
}

fn followed() {
    let lab = LabRig::start();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut child = Command::new("ssh")
        .args(["-F", lab.access("SSH_CONFIG"), "kvm-1", "tail -n 5 -F /var/log/messages"])
        .stdin(Stdio::null())
        .stdout(file.reopen().expect("reopen"))
        .spawn()
        .expect("ssh");
    let read = || std::fs::read_to_string(file.path()).unwrap_or_default();
    eventually("the last lines", Duration::from_secs(30), || (read().lines().count() >= 5).then_some(()));
    lab.with(|w| {
        let now = w.now;
        w.machine("kvm-1").expect("kvm-1").say(now, 3, "EXT4-fs error (device sdb1): test of the tail");
    });
    eventually("the new line", Duration::from_secs(30), || read().contains("test of the tail").then_some(()));
    let _ = child.kill();
    let _ = child.wait();
}

/// `status --json` of the lab, from the built binary and nothing but the configuration that the lab wrote.
pub fn status(lab: &LabRig) -> Value {
    let config = lab.path().join("config.toml");
    if !config.exists() {
        std::fs::write(&config, &lab.config).expect("write");
    }
    let out = Command::new(env!("CARGO_BIN_EXE_quarterdeck"))
        .args(["status", "--json", "--timeout", "30", "--config"])
        .arg(&config)
        .env("XDG_STATE_HOME", lab.path().join("state"))
        .env("HOME", lab.path())
        .output()
        .expect("quarterdeck");
    let text = String::from_utf8_lossy(&out.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text} {}", String::from_utf8_lossy(&out.stderr)))
}

pub fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().expect("a list").iter().find(|e| e["name"] == name).unwrap_or_else(|| panic!("{name} in {list:#}"))
}

/// The codes of an entry's reasons.
pub fn codes(entry: &Value) -> Vec<String> {
    entry["reasons"].as_array().expect("reasons").iter().map(|r| r["code"].as_str().unwrap_or("").to_owned()).collect()
}

fn picture() {
    let lab = LabRig::start();
    let all = status(&lab);
    let hosts = all["hosts"].as_array().expect("hosts");
    assert_eq!(hosts.len(), 8, "{hosts:#?}");
    for host in hosts {
        assert_eq!(host["freshness"]["state"], "live", "{host:#}");
        assert_eq!(host["verdict"], "ok", "{host:#}");
    }
    assert_eq!(all["vms"].as_array().expect("vms").len(), 15);
    let vm = named(&all["vms"], "db-1");
    assert_eq!((&vm["verdict"], &vm["state"]), (&Value::from("ok"), &Value::from("running")), "{vm:#}");
    let sick =
        all["problems"].as_array().expect("problems").iter().filter(|p| ["host", "vm"].contains(&p["floor"].as_str().unwrap_or_default())).collect::<Vec<_>>();
    assert!(sick.is_empty(), "{sick:#?}");
}

fn faults() {
    let lab = LabRig::start();
    lab.with(|w| {
        w.machine("kvm-1").and_then(|m| m.mount("/")).expect("a root").fill(0.97);
        w.machine("kvm-2").expect("kvm-2").clock_ahead_ms = 5_000;
        w.machine("kvm-3").and_then(|m| m.mount("/mnt/nfs")).expect("nfs").is_hung = true;
        w.machine("db-1").expect("db-1").failed_units.push("mysqld.service".into());
        w.machine("db-2").expect("db-2").reach = Reach::Silent;
        w.machine("db-3").expect("db-3").reach = Reach::Refusing;
        w.guest("k8s-w-4").expect("k8s-w-4").state = GuestState::PausedIo;
    });
    let all = status(&lab);
    for (host, code) in [("kvm-1", "host.disk"), ("kvm-2", "host.clock"), ("db-1", "host.units")] {
        let host = named(&all["hosts"], host);
        assert!(codes(host).iter().any(|c| c.starts_with(code)), "{code}: {host:#}");
        assert_ne!(host["verdict"], "ok");
    }
    for host in ["db-2", "db-3"] {
        assert_ne!(named(&all["hosts"], host)["freshness"]["state"], "live");
    }
    let vm = named(&all["vms"], "k8s-w-4");
    assert_eq!(vm["verdict"], "crit", "{vm:#}");
}
