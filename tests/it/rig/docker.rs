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

/// The libraries of the Redis server, its loader among them.
fn libraries() -> Vec<String> {
    let text = super::sshd::sh("ldd /usr/bin/redis-server");
    text.split_whitespace().filter(|w| w.starts_with('/')).map(ToOwned::to_owned).collect()
}

/// A folder with the Redis server, its libraries, and its loader as `ld.so`.
pub fn carried(to: &std::path::Path) {
    fs::create_dir_all(to).expect("a folder");
    fs::copy("/usr/bin/redis-server", to.join("redis-server")).expect("redis-server");
    for library in libraries() {
        let name = library.rsplit('/').next().expect("a name");
        let name = if name.starts_with("ld-linux") { "ld.so" } else { name };
        fs::copy(&library, to.join(name)).expect("a library");
    }
}

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
            .args([
                "-H",
                &format!("unix://{d}/sock"),
                "-H",
                &format!("unix://{}", Self::shared(dir.path())),
                "--iptables=false",
                "--bridge=none",
                "--storage-driver=overlay2",
            ])
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

    /// `redis:bare` has the server and its libraries only, `redis:shell` also a busybox.
    pub fn redis_images(&self) {
        let root = self.dir.path().join("redis");
        let bin = root.join("usr/bin");
        fs::create_dir_all(&bin).expect("bin");
        fs::copy("/usr/bin/redis-server", bin.join("redis-server")).expect("redis-server");
        for library in libraries() {
            let to = root.join(library.trim_start_matches('/'));
            fs::create_dir_all(to.parent().expect("a folder")).expect("lib");
            fs::copy(&library, to).expect("a library");
        }
        let tar = self.dir.path().join("redis.tar").display().to_string();
        let pack = |tag: &str| {
            super::sshd::sh(&format!("tar -C {} -cf {tar} .", root.display()));
            self.run(&format!("import {tar} redis:{tag}"));
        };
        pack("bare");
        fs::copy("/usr/bin/busybox", bin.join("busybox")).expect("busybox");
        for tool in ["sh", "nc", "sleep"] {
            std::os::unix::fs::symlink("busybox", bin.join(tool)).expect("a link");
        }
        pack("shell");
    }

    /// What `status --json` says where this dockerd is the one.
    pub fn status(&self, home: &std::path::Path) -> serde_json::Value {
        let mut command = Command::new(super::terminal::binary());
        command.args(["status", "--json", "--timeout", "20"]).env_clear().envs(super::terminal::environment(home));
        command.env("DOCKER_HOST", self.host()).env("PATH", format!("/usr/bin:{}", std::env::var("PATH").unwrap_or_default()));
        let out = command.output().expect("it runs");
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)))
    }

    /// A socket that machines of other mount namespaces see as well.
    fn shared(dir: &std::path::Path) -> String {
        format!("/dev/shm/{}.sock", dir.file_name().expect("a name").to_string_lossy())
    }

    pub fn shared_host(&self) -> String {
        format!("unix://{}", Self::shared(self.dir.path()))
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

    /// What a command in a container printed; `None` while it fails.
    pub fn exec(&self, container: &str, words: &[&str]) -> Option<String> {
        let out = Command::new(CLIENT).args(["-H", &self.host(), "exec", container]).args(words).stdin(Stdio::null()).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
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
        // Their bridges would outlive the daemon.
        let _ = self.try_run("network prune -f");
        self.signal("TERM");
        let shared = Self::shared(self.dir.path());
        for _ in 0..100 {
            if matches!(self.daemon.try_wait(), Ok(Some(_))) {
                let _ = fs::remove_file(&shared);
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = fs::remove_file(&shared);
    }
}
