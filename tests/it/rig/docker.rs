//! A real dockerd of its own: own data, own socket, no bridge and no firewall rules.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck::link::shell::Shell;

use super::watch::Behind;

/// Debian's client; another one may stand before it on PATH.
const CLIENT: &str = "/usr/bin/docker";

pub struct Docker {
    dir: tempfile::TempDir,
    daemon: Child,
}

impl Docker {
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("qd-dock-").tempdir().expect("tempdir");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let d = dir.path().display().to_string();
        let log = fs::File::create(dir.path().join("out")).expect("log");
        let mut command = Command::new("dockerd");
        command
            .args(["--data-root", &format!("{d}/data"), "--exec-root", &format!("{d}/exec"), "-p", &format!("{d}/pid")])
            .args(["-H", &format!("unix://{d}/sock"), "--iptables=false", "--bridge=none", "--storage-driver=overlay2"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("log"))
            .stderr(log);
        let daemon = command.spawn().expect("dockerd");
        let docker = Self { dir, daemon };
        super::eventually("dockerd answers", Duration::from_secs(40), || docker.try_run("version").ok());
        docker.run(&format!("import {} bb:1", docker.image()));
        docker
    }

    /// A root file system of one static busybox.
    fn image(&self) -> String {
        let root = self.dir.path().join("root");
        fs::create_dir_all(root.join("bin")).expect("bin");
        fs::copy("/usr/bin/busybox", root.join("bin/busybox")).expect("busybox");
        for tool in ["sh", "sleep", "true", "false", "test", "cat", "dd"] {
            let _ = std::os::unix::fs::symlink("busybox", root.join("bin").join(tool));
        }
        let tar = self.dir.path().join("bb.tar").display().to_string();
        super::sshd::sh(&format!("tar -C {} -cf {tar} .", root.display()));
        tar
    }

    pub fn host(&self) -> String {
        format!("unix://{}/sock", self.dir.path().display())
    }

    fn try_run(&self, command: &str) -> Result<String, String> {
        let line = format!("{CLIENT} -H {} {command}", self.host());
        let out = Command::new("sh").arg("-c").arg(line).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        if out.status.success() { Ok(text(&out.stdout).trim().to_owned()) } else { Err(text(&out.stderr)) }
    }

    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        self.try_run(command).unwrap_or_else(|e| panic!("docker {command}: {e}"))
    }

    /// A shell of a host where this dockerd is the one.
    pub fn shell(&self) -> Arc<dyn Shell> {
        Behind::plain(self.environment())
    }

    /// The same as an account without any rights.
    pub fn nobody(&self) -> Arc<dyn Shell> {
        Behind::quoted(format!("{} exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c", self.environment()))
    }

    fn environment(&self) -> String {
        format!("export DOCKER_HOST={} PATH=/usr/bin:$PATH;", self.host())
    }

    pub fn signal(&self, signal: &str) {
        let _ = Command::new("kill").args([format!("-{signal}"), self.daemon.id().to_string()]).status();
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.signal("CONT");
        let _ = self.try_run("ps -aq").map(|ids| self.try_run(&format!("rm -f {}", ids.replace('\n', " "))));
        self.signal("TERM");
        for _ in 0..100 {
            if matches!(self.daemon.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
