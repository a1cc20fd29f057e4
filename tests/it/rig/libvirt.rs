//! A real libvirtd of its own: its own mount namespace with its own /run/libvirt, /etc/libvirt and /var/lib/libvirt, so that
//! `qemu:///system` inside means this one.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck::link::shell::{Shell, quote};

use super::sshd::sh;
use super::watch::Behind;

const CONFIG: &str = "security_driver = \"none\"\nuser = \"root\"\ngroup = \"root\"\ncgroup_controllers = [ ]\nnamespaces = [ ]\nremember_owner = 0\n";

/// Folders that are this libvirt's own.
const OWN: [(&str, &str); 4] = [("etc", "/etc/libvirt"), ("lib", "/var/lib/libvirt"), ("log", "/var/log/libvirt"), ("cache", "/var/cache/libvirt")];

pub struct Libvirt {
    dir: tempfile::TempDir,
    keeper: Child,
}

impl Libvirt {
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("qd-virt-").tempdir().expect("tempdir");
        let d = dir.path().display().to_string();
        let mut script = format!("set -e\nmount --make-rprivate /\nmkdir -p {d}/run\n");
        for (own, place) in OWN {
            script += &format!("mkdir -p {d}/{own} {place}\n");
            if own == "etc" {
                script += &format!("cp -a {place}/. {d}/etc/\ncp {d}/qemu.conf {d}/etc/qemu.conf\nrm -f {d}/etc/qemu/networks/autostart/*\n");
            }
            script += &format!("mount --bind {d}/{own} {place}\n");
        }
        script += &format!(
            "mkdir -p /run/libvirt\nmount -t tmpfs tmpfs /run/libvirt\nvirtlogd -d -p {d}/virtlogd.pid\nlibvirtd -d -p {d}/libvirtd.pid\nwhile :; do sleep 5; done\n"
        );
        fs::write(dir.path().join("qemu.conf"), CONFIG).expect("qemu.conf");
        fs::write(dir.path().join("init.sh"), script).expect("init.sh");
        let log = fs::File::create(dir.path().join("out")).expect("log");
        // Its first process must reap: libvirt waits for the qemus that it probes with to be gone, zombies are not.
        // The pid namespace ends everything in it with its first process: libvirtd, its guests, whatever a test left hanging.
        let keeper = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh"])
            .arg(dir.path().join("init.sh"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log)
            .spawn()
            .expect("unshare");
        let libvirt = Self { dir, keeper };
        // `version` comes only after the capabilities of every qemu were probed, which takes seconds in a fresh cache.
        super::eventually("libvirtd answers", Duration::from_secs(60), || libvirt.try_virsh("version").ok());
        libvirt
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The process inside that the namespaces belong to: `unshare`'s child.
    fn inside(&self) -> Option<String> {
        let pid = self.keeper.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_whitespace().next().map(str::to_owned)
    }

    fn enter(&self) -> String {
        format!("nsenter -t {} -m -p", self.inside().expect("libvirt's namespace"))
    }

    fn try_virsh(&self, command: &str) -> Result<String, String> {
        let pid = self.inside().ok_or("not up yet")?;
        let line = format!("nsenter -t {pid} -m -p virsh -c qemu:///system {command}");
        let out = Command::new("sh").arg("-c").arg(line).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    }

    #[track_caller]
    pub fn virsh(&self, command: &str) -> String {
        self.try_virsh(command).unwrap_or_else(|e| panic!("virsh {command}: {e}"))
    }

    /// A guest that needs nothing but its BIOS: defined, not started.
    pub fn define(&self, name: &str, uuid: &str, mac: &str) {
        let disk = self.dir().join(format!("disk of {name}.img"));
        fs::File::create(&disk).and_then(|f| f.set_len(16 << 20)).expect("disk");
        let xml = format!(
            "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>32</memory><vcpu>2</vcpu>\
             <os><type arch='x86_64' machine='pc'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>\
             <disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>\
             <interface type='user'><mac address='{mac}'/><model type='virtio'/></interface><memballoon model='virtio'/></devices></domain>",
            disk.display()
        );
        let file = self.dir().join(format!("{uuid}.xml"));
        fs::write(&file, xml).expect("xml");
        self.virsh(&format!("define {}", file.display()));
    }

    /// A shell in the place where this libvirt is the system's.
    pub fn shell(&self) -> Arc<dyn Shell> {
        Behind::quoted(format!("exec {} sh -c", self.enter()))
    }

    /// The same as an account without any rights.
    pub fn nobody(&self) -> Arc<dyn Shell> {
        Behind::quoted(format!("exec {} setpriv --reuid 65534 --regid 65534 --clear-groups sh -c", self.enter()))
    }

    /// Sends `signal` to libvirtd.
    pub fn signal(&self, signal: &str) {
        sh(&format!("{} sh -c 'kill -{signal} $(cat {}/libvirtd.pid)'", self.enter(), self.dir().display()));
    }

    /// Kills a guest's qemu as the kernel would.
    pub fn kill_guest(&self, name: &str) {
        let inner = format!("kill -9 $(cat {})", quote(&format!("/run/libvirt/qemu/{name}.pid")));
        sh(&format!("{} sh -c {}", self.enter(), quote(&inner)));
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        if let Some(pid) = self.inside() {
            // The first process of the namespace: everything in it ends with it.
            let _ = Command::new("kill").args(["-9", &pid]).status();
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
