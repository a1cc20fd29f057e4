//! Real hosts to log in to: each has a network namespace, a process list, a file tree (a writable copy of this machine's,
//! in memory) and an sshd of its own.
//!
//! ```ignore
//! let lab = Lab::new();
//! let host = lab.host("web1").user(User::new("ops").password("pw-1").sudo(Sudo::Free)).option("MaxSessions 1").start();
//! host.address();               // 10.x.y.z, reachable from the test's own namespace
//! lab.key();                    // a private key that every user of every host accepts
//! lab.known_hosts();            // a known_hosts file with the keys of all hosts started so far
//! host.spec();                  // a `HostSpec` that logs in as the first user (or root) with that key
//! host.run("touch /etc/x");     // as root inside the host, without SSH
//! host.freeze(); host.thaw();   // SIGSTOP and SIGCONT of every process of it
//! host.cut(); host.heal();      // its network cable
//! host.kill(); host.boot();     // power off, power on: a fresh file tree, the same host key
//! host.attempts("Failed password");
//! ```
//! Hosts on [`Net::Inner`] cannot be reached from the test itself, only from a host on [`Net::Both`]: that is the bastion.
//! Whatever was started ends with its guard; a `Lab` must outlive its hosts.
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    clippy::needless_raw_string_hashes,
    clippy::duration_suboptimal_units,
    dead_code,
    reason = "a rig that other tests build on"
)]

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use quarterdeck::config::spec::{Escalation, HostSpec, Reach, SshSpec};

use super::eventually;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Runs a command line and panics with its output when it fails.
#[track_caller]
pub fn sh(line: &str) -> String {
    let out = Command::new("sh").arg("-c").arg(line).stdin(Stdio::null()).output().expect("sh");
    assert!(out.status.success(), "{line}\n{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn quietly(line: &str) {
    let _ = Command::new("sh").arg("-c").arg(line).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// A network of hosts. The test itself is on its outer half.
pub struct Lab {
    dir: tempfile::TempDir,
    tag: String,
    /// `10.a.b`; the outer half is .0/25, the inner .128/25.
    net: String,
    hosts: RefCell<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    Outer,
    Inner,
    /// A bastion: one leg in each.
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sudo {
    No,
    Free,
    WithPassword,
}

#[derive(Clone, Debug)]
pub struct User {
    name: String,
    password: Option<String>,
    sudo: Sudo,
    /// Accepts the lab's key.
    key: bool,
}

impl User {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), password: None, sudo: Sudo::No, key: true }
    }
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }
    pub fn sudo(mut self, sudo: Sudo) -> Self {
        self.sudo = sudo;
        self
    }
    /// Does not accept the lab's key.
    pub fn without_key(mut self) -> Self {
        self.key = false;
        self
    }
}

impl Lab {
    pub fn new() -> Self {
        let pid = std::process::id();
        let count = NEXT.fetch_add(1, Ordering::SeqCst);
        let tag = format!("q{pid:x}{}", char::from(b'a' + u8::try_from(count % 26).expect("small")));
        let taken = sh("ip -4 -o addr show; ip -4 route show");
        let net = (0..4000)
            .map(|i| (pid.wrapping_mul(31) + count * 977 + i * 7919) % 25_600)
            .map(|n| format!("10.{}.{}", 100 + n / 256, n % 256))
            .find(|net| !taken.contains(&format!("{net}.")))
            .expect("a free 10.x.y.0/24");
        let dir = tempfile::Builder::new().prefix("qd-ssh-").tempdir().expect("tempdir");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let lab = Self { dir, tag, net, hosts: RefCell::new(0) };
        let (tag, net) = (&lab.tag, &lab.net);
        sh(&format!(
            "ip link add {tag}o type bridge && ip addr add {net}.1/25 dev {tag}o && ip link set {tag}o up && ip link add {tag}i type bridge && ip link set {tag}i up"
        ));
        sh(&format!("ssh-keygen -q -t ed25519 -N '' -C lab -f {}", lab.key().display()));
        fs::write(lab.known_hosts(), "").expect("known_hosts");
        lab
    }

    /// Where tests may put their own files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
    /// The test's own address in the outer half.
    pub fn gateway(&self) -> String {
        format!("{}.1", self.net)
    }
    pub fn key(&self) -> PathBuf {
        self.dir.path().join("id_ed25519")
    }
    pub fn known_hosts(&self) -> PathBuf {
        self.dir.path().join("known_hosts")
    }

    pub fn host(&self, name: &str) -> HostBuilder<'_> {
        HostBuilder {
            lab: self,
            name: name.to_owned(),
            net: Net::Outer,
            users: Vec::new(),
            options: Vec::new(),
            setup: String::new(),
            cgroups: Cgroups::Shared,
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        quietly(&format!("ip link del {0}o; ip link del {0}i", self.tag));
    }
}

pub struct HostBuilder<'a> {
    lab: &'a Lab,
    name: String,
    net: Net,
    users: Vec<User>,
    options: Vec<String>,
    setup: String,
    cgroups: Cgroups,
}

/// Whether a host that runs containers has a tree of cgroups of its own: two kubelets in one tree end each other's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cgroups {
    Shared,
    Own,
}

/// Moves the shell into groups of its own, which become the roots of what the host sees, and goes on as its arguments say.
const OWN_CGROUPS: &str = r#"
set -e
name=$1; shift
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/$name; echo $$ >/sys/fs/cgroup/$name/cgroup.procs
else
  for group in /sys/fs/cgroup/*/cgroup.procs; do
    own=${group%/*}/$name; mkdir -p $own
    for f in cpuset.cpus cpuset.mems; do [ ! -e $own/$f ] || cat ${group%/*}/$f >$own/$f; done
    echo $$ >$own/cgroup.procs
  done
fi
exec unshare --cgroup "$@"
"#;

/// The same tree, seen from inside.
const SEEN_CGROUPS: &str = r#"
if [ -e /old/sys/fs/cgroup/cgroup.controllers ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; else
  mount -t tmpfs tmpfs /sys/fs/cgroup
  for c in cpu cpuacct cpuset memory devices freezer blkio pids; do mkdir /sys/fs/cgroup/$c; mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c; done
  mkdir /sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
fi
"#;

impl HostBuilder<'_> {
    pub fn net(mut self, net: Net) -> Self {
        self.net = net;
        self
    }
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }
    /// A line of sshd_config; it stands before the rig's own and so wins.
    pub fn option(mut self, line: &str) -> Self {
        self.options.push(line.to_owned());
        self
    }
    /// With cgroups of its own, for a kubelet.
    pub fn cgroups(mut self) -> Self {
        self.cgroups = Cgroups::Own;
        self
    }
    /// Shell lines run as root inside before sshd starts.
    pub fn setup(mut self, lines: &str) -> Self {
        self.setup.push_str(lines);
        self.setup.push('\n');
        self
    }

    pub fn start(self) -> Host {
        let number = {
            let mut hosts = self.lab.hosts.borrow_mut();
            *hosts += 1;
            *hosts
        };
        let dir = self.lab.dir.path().join(format!("h{number}"));
        fs::create_dir(&dir).expect("host dir");
        sh(&format!("ssh-keygen -q -t ed25519 -N '' -C host -f {}/host_key", dir.display()));
        let outer = format!("{}.{}", self.lab.net, 10 + number);
        let inner = format!("{}.{}", self.lab.net, 138 + number);
        let mut host = Host {
            known_hosts: self.lab.known_hosts(),
            key: self.lab.key(),
            ns: format!("{}h{number}", self.lab.tag),
            legs: match self.net {
                Net::Outer => vec![('o', outer.clone())],
                Net::Inner => vec![('i', inner.clone())],
                Net::Both => vec![('o', outer.clone()), ('i', inner)],
            },
            address: if self.net == Net::Inner { format!("{}.{}", self.lab.net, 138 + number) } else { outer },
            gateway: format!("{}.1", self.lab.net),
            tag: self.lab.tag.clone(),
            number,
            name: self.name,
            users: self.users,
            options: self.options,
            setup: self.setup,
            cgroups: self.cgroups,
            dir,
            child: None,
        };
        host.wire();
        host.trust();
        host.boot();
        host
    }
}

pub struct Host {
    name: String,
    ns: String,
    tag: String,
    number: u8,
    legs: Vec<(char, String)>,
    address: String,
    gateway: String,
    users: Vec<User>,
    options: Vec<String>,
    setup: String,
    cgroups: Cgroups,
    dir: PathBuf,
    known_hosts: PathBuf,
    key: PathBuf,
    child: Option<Child>,
}

/// A host has a `/tmp` of its own: servers that were fetched into a checkout which lies there are brought in.
fn servers_under_tmp() -> String {
    let from = super::java::fetched("");
    if !from.starts_with("/tmp") || !from.is_dir() {
        return String::new();
    }
    format!("mkdir -p .{0}\nmount --bind {0} .{0}\n", from.display())
}

impl Host {
    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How the configuration would describe it: logs in as the first user, else as root, with the lab's key.
    pub fn spec(&self) -> HostSpec {
        HostSpec {
            name: self.name.as_str().into(),
            reach: Reach::Ssh(Box::new(SshSpec {
                address: self.address.clone(),
                port: None,
                user: Some(self.users.first().map_or("root", |u| u.name.as_str()).to_owned()),
                identities: vec![self.key.clone()],
                jump: Vec::new(),
                password: None,
                passphrase: None,
                config_file: None,
                known_hosts: vec![self.known_hosts.clone()],
            })),
            groups: vec!["lab".into()],
            escalation: Escalation::None,
            every: Duration::from_secs(1),
        }
    }

    fn veth(&self, leg: char) -> String {
        format!("{}v{}{leg}", self.tag, self.number)
    }

    fn wire(&self) {
        let ns = &self.ns;
        sh(&format!("ip netns add {ns} && ip -n {ns} link set lo up"));
        for (n, (leg, address)) in self.legs.iter().enumerate() {
            let veth = self.veth(*leg);
            sh(&format!(
                "ip link add {veth} type veth peer name eth{n} netns {ns} && ip link set {veth} master {}{leg} up && ip -n {ns} addr add {address}/25 dev eth{n} && ip -n {ns} link set eth{n} up",
                self.tag
            ));
        }
        if self.legs[0].0 == 'o' {
            sh(&format!("ip -n {ns} route add default via {}", self.gateway));
        }
    }

    /// Adds the host's key to the lab's known_hosts.
    fn trust(&self) {
        let key = fs::read_to_string(self.dir.join("host_key.pub")).expect("host key");
        let mut known = fs::read_to_string(&self.known_hosts).unwrap_or_default();
        for (_, address) in &self.legs {
            known.push_str(&format!("{address} {key}"));
        }
        fs::write(&self.known_hosts, known).expect("known_hosts");
    }

    fn config(&self) -> String {
        let mut text = self.options.join("\n");
        text.push_str(
            "\nHostKey /lab/host_key\nPidFile none\nUsePAM yes\nPermitRootLogin yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes\nStrictModes no\nLogLevel VERBOSE\nUseDNS no\nMaxStartups 100\nSubsystem sftp internal-sftp\n",
        );
        text
    }

    fn init(&self) -> String {
        let lab_key = fs::read_to_string(self.key.with_extension("pub")).expect("lab key");
        let mut users = format!("mkdir -p /root/.ssh\nchmod 700 /root /root/.ssh\necho '{}' >/root/.ssh/authorized_keys\n", lab_key.trim());
        for User { name, password, sudo, key } in &self.users {
            users.push_str(&format!("useradd -m -s /bin/bash {name}\n"));
            if let Some(password) = password {
                users.push_str(&format!("echo '{name}:{password}' | chpasswd\n"));
            }
            if *key {
                users.push_str(&format!(
                    "mkdir -p /home/{name}/.ssh; echo '{}' >/home/{name}/.ssh/authorized_keys; chown -R {name}: /home/{name}\n",
                    lab_key.trim()
                ));
            }
            match sudo {
                Sudo::No => {}
                Sudo::Free => users.push_str(&format!("echo '{name} ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/{name}\n")),
                Sudo::WithPassword => users.push_str(&format!("echo '{name} ALL=(ALL) ALL' >/etc/sudoers.d/{name}\n")),
            }
        }
        format!(
            r#"set -e
hostname {name}
mount --make-rprivate /
mkdir -p {dir}/o
mount -t tmpfs -o mode=755 tmpfs {dir}/o
cd {dir}/o
mkdir up wk root
mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=wk root
cd root
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t sysfs sysfs sys
# podman's storage cannot lie on an overlay.
mkdir -p var/lib/containers
mount -t tmpfs tmpfs var/lib/containers
mkdir -p run/sshd run/lock old lab
mount --bind {dir} lab
{servers}pivot_root . old
mount -t proc proc /proc
{cgroups}umount -l /old
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo {name} >/etc/hostname
printf '127.0.0.1 localhost {name}\n' >/etc/hosts
: >/etc/resolv.conf
rm -f /etc/sudoers.d/*
printf 'auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_unix.so\n' | tee /etc/pam.d/sshd >/etc/pam.d/sudo
{users}
{setup}
exec /usr/sbin/sshd -D -f /lab/sshd_config -E /lab/sshd.log
"#,
            name = self.name,
            dir = self.dir.display(),
            cgroups = if self.cgroups == Cgroups::Own { SEEN_CGROUPS } else { "" },
            servers = servers_under_tmp(),
            setup = self.setup,
        )
    }

    /// Starts it, with a fresh file tree, and waits until its sshd listens.
    pub fn boot(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        fs::write(self.dir.join("sshd_config"), self.config()).expect("sshd_config");
        fs::write(self.dir.join("init.sh"), self.init()).expect("init.sh");
        let errors = fs::File::create(self.dir.join("init.log")).expect("init.log");
        let mut command = match self.cgroups {
            Cgroups::Shared => Command::new("ip"),
            // `ip netns exec` hides the cgroups.
            Cgroups::Own => Command::new("nsenter"),
        };
        match self.cgroups {
            Cgroups::Shared => command.args(["netns", "exec", &self.ns, "unshare"]),
            Cgroups::Own => command.arg(format!("--net=/run/netns/{}", self.ns)).args(["sh", "-c", OWN_CGROUPS, "sh", &self.ns]),
        };
        let child = command
            .args(["--uts", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "sh"])
            .arg(self.dir.join("init.sh"))
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .stdout(errors.try_clone().expect("init.log"))
            .stderr(errors)
            .process_group(0)
            .spawn()
            .expect("ip netns exec");
        self.child = Some(child);
        let start = std::time::Instant::now();
        while !self.listening() {
            let ended = self.child.as_mut().is_some_and(|c| c.try_wait().is_ok_and(|s| s.is_some()));
            let said = || format!("{}{}", fs::read_to_string(self.dir.join("init.log")).unwrap_or_default(), self.log());
            assert!(!ended, "host {} ended: {}", self.name, said());
            assert!(start.elapsed() < Duration::from_secs(60), "host {} does not listen: {}", self.name, said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Without connecting: a connection would stand in the log.
    fn listening(&self) -> bool {
        let line = format!("ip netns exec {} ss -Hltn", self.ns);
        Command::new("sh").arg("-c").arg(line).output().is_ok_and(|o| o.stdout.starts_with(b"LISTEN"))
    }

    /// The process that is number 1 inside.
    fn first_process(&self) -> Option<u32> {
        let parent = self.child.as_ref()?.id();
        fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?.split_whitespace().next()?.parse().ok()
    }

    /// Runs a line as root inside and gives what it printed.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        let pid = self.first_process().expect("the host runs").to_string();
        let out = Command::new("nsenter").args(["-t", &pid, "-m", "-u", "-i", "-n", "-p", "sh", "-c", line]).stdin(Stdio::null()).output().expect("nsenter");
        assert!(out.status.success(), "{}: {line}\n{}{}", self.name, String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Every process inside, as this machine numbers them.
    fn processes(&self) -> Vec<u32> {
        let Some(first) = self.first_process() else { return Vec::new() };
        let Ok(space) = fs::read_link(format!("/proc/{first}/ns/pid")) else { return Vec::new() };
        let all = fs::read_dir("/proc").expect("/proc").filter_map(|e| e.ok()?.file_name().to_str()?.parse::<u32>().ok());
        all.filter(|pid| fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|s| s == space)).collect()
    }

    fn signal(&self, signal: &str) {
        for pid in self.processes() {
            quietly(&format!("kill -{signal} {pid}"));
        }
    }

    /// Stops every process of it: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.signal("STOP");
    }
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Pulls its cable: packets vanish.
    pub fn cut(&self) {
        for (leg, _) in &self.legs {
            sh(&format!("ip link set {} down", self.veth(*leg)));
        }
    }
    pub fn heal(&self) {
        for (leg, _) in &self.legs {
            sh(&format!("ip link set {} up", self.veth(*leg)));
        }
    }

    /// Power off; its address refuses connections from now on.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pids = self.first_process();
            let _ = child.kill();
            let _ = child.wait();
            if let Some(first) = pids {
                eventually("the host's processes end", Duration::from_secs(10), || (!Path::new(&format!("/proc/{first}")).exists()).then_some(()));
            }
        }
    }

    /// A new host key, unknown to the lab's known_hosts, and a restart of the host.
    pub fn change_key(&mut self) {
        self.kill();
        sh(&format!("rm {0}/host_key {0}/host_key.pub && ssh-keygen -q -t ed25519 -N '' -C new -f {0}/host_key", self.dir.display()));
        self.boot();
    }

    pub fn public_key(&self) -> String {
        fs::read_to_string(self.dir.join("host_key.pub")).expect("host key").trim().to_owned()
    }

    /// What its sshd logged, VERBOSE.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("sshd.log")).unwrap_or_default()
    }

    /// Lines of the log that contain `what`: `Failed password`, `Accepted publickey`, `Connection from`.
    pub fn attempts(&self, what: &str) -> usize {
        self.log().lines().filter(|l| l.contains(what)).count()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.thaw();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let veths: String = self.legs.iter().map(|(leg, _)| format!("; ip link del {}", self.veth(*leg))).collect();
        quietly(&format!("ip netns del {}{veths}", self.ns));
        if self.cgroups == Cgroups::Own {
            let gone = || {
                sh(&format!(
                    "find /sys/fs/cgroup -maxdepth 2 -name {0} | xargs -r -I D find D -depth -type d -exec rmdir {{}} + 2>/dev/null; find /sys/fs/cgroup -maxdepth 2 -name {0} | wc -l",
                    self.ns
                ))
            };
            // What is still ending in them holds them for a moment.
            let start = std::time::Instant::now();
            while gone().trim() != "0" && start.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}
