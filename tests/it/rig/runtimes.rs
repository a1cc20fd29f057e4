//! Container runtimes beside dockerd: podman with a storage of its own, and a containerd of its own that `crictl` speaks to.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck::link::shell::Shell;
use serde_json::json;
use tempfile::TempDir;

use super::sshd::sh;
use super::watch::Behind;

/// The name of the one image: a root file system of one static busybox.
const IMAGE: &str = "docker.io/library/bb:1";

fn folder(prefix: &str) -> TempDir {
    tempfile::Builder::new().prefix(prefix).tempdir().expect("tempdir")
}

/// The image as `docker save` writes one; both runtimes read that.
fn archive(dir: &Path) -> String {
    let root = dir.join("root");
    fs::create_dir_all(root.join("bin")).expect("bin");
    fs::copy("/usr/bin/busybox", root.join("bin/busybox")).expect("busybox");
    for tool in ["sh", "sleep", "true"] {
        let _ = std::os::unix::fs::symlink("busybox", root.join("bin").join(tool));
    }
    let layer = dir.join("layer.tar");
    sh(&format!("tar -C {} -cf {} .", root.display(), layer.display()));
    let digest = ring::digest::digest(&ring::digest::SHA256, &fs::read(&layer).expect("layer"));
    let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let config = json!({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/bin/sleep"], "Cmd": ["100000"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{hex}")]}});
    fs::write(dir.join("config.json"), config.to_string()).expect("config");
    let manifest = json!([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]);
    fs::write(dir.join("manifest.json"), manifest.to_string()).expect("manifest");
    let tar = dir.join("image.tar");
    sh(&format!("tar -C {} -cf {} config.json manifest.json layer.tar", dir.display(), tar.display()));
    tar.display().to_string()
}

pub struct Podman {
    dir: TempDir,
}

impl Podman {
    pub fn start() -> Self {
        let dir = folder("qd-podman-");
        let d = dir.path().display();
        fs::write(dir.path().join("storage.conf"), format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{d}/graph\"\nrunroot = \"{d}/run\"\n"))
            .expect("storage");
        // No systemd and no cgroup v2 of its own are asked of the machine; the limits of its root may be lower than podman's wish.
        let engine = "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\n\
                      [containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n";
        fs::write(dir.path().join("containers.conf"), engine).expect("engine");
        fs::write(dir.path().join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("policy");
        let image = archive(dir.path());
        let podman = Self { dir };
        podman.run(&format!("load --signature-policy {}/policy.json -i {image}", podman.dir.path().display()));
        podman
    }

    fn environment(&self) -> String {
        let d = self.dir.path().display();
        format!("export CONTAINERS_STORAGE_CONF={d}/storage.conf CONTAINERS_CONF={d}/containers.conf;")
    }

    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        sh(&format!("{} podman {command}", self.environment())).trim().to_owned()
    }

    /// A container that runs this script.
    pub fn script(&self, flags: &str, script: &str) {
        self.run(&format!("run -d --network none --entrypoint '[\"/bin/sh\",\"-c\"]' {flags} {IMAGE} '{script}'"));
    }

    /// A shell of a host where this podman is the one.
    pub fn shell(&self) -> Arc<dyn Shell> {
        Behind::plain(self.environment())
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let line = format!("{} podman rm -fa -t 0", self.environment());
        let _ = Command::new("sh").args(["-c", &line]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        // Its layers stay mounted below the folder otherwise.
        let _ = Command::new("sh").args(["-c", &format!("umount -q {}/graph", self.dir.path().display())]).status();
    }
}

pub struct Cri {
    dir: TempDir,
    daemon: Child,
}

impl Cri {
    pub fn start() -> Self {
        let dir = folder("qd-cri-");
        let d = dir.path().display().to_string();
        let config = format!(
            "version = 2\nroot = \"{d}/root\"\nstate = \"{d}/state\"\n[grpc]\naddress = \"{d}/sock\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{IMAGE}\"\nrestrict_oom_score_adj = true\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".cni]\nconf_dir = \"{d}/cni\"\n"
        );
        fs::write(dir.path().join("config.toml"), config).expect("config");
        fs::create_dir_all(dir.path().join("logs")).expect("logs");
        let log = fs::File::create(dir.path().join("out")).expect("log");
        let mut command = Command::new("containerd");
        command.args(["-c", &format!("{d}/config.toml")]).stdin(Stdio::null()).stdout(log.try_clone().expect("log")).stderr(log);
        let daemon = command.spawn().expect("containerd");
        let image = archive(&dir.path().join("."));
        let cri = Self { dir, daemon };
        super::eventually("containerd answers", Duration::from_secs(40), || cri.try_run("version").ok());
        sh(&format!("ctr -a {d}/sock -n k8s.io images import {image}"));
        cri
    }

    fn environment(&self) -> String {
        let d = self.dir.path().display();
        format!("export CONTAINER_RUNTIME_ENDPOINT=unix://{d}/sock IMAGE_SERVICE_ENDPOINT=unix://{d}/sock;")
    }

    fn try_run(&self, command: &str) -> Result<String, String> {
        let line = format!("{} crictl {command}", self.environment());
        let out = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        let text = |b: &[u8]| String::from_utf8_lossy(b).trim().to_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    }

    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        self.try_run(command).unwrap_or_else(|e| panic!("crictl {command}: {e}"))
    }

    /// A pod in the host's network, as static pods are; gives its id. No CNI is needed.
    pub fn pod(&self, name: &str) -> String {
        let pod = json!({"metadata": {"name": name, "namespace": "kube-system", "uid": name, "attempt": 0}, "log_directory": format!("{}/logs", self.dir.path().display()),
            "linux": {"security_context": {"namespace_options": {"network": 2}}}});
        self.write("pod.json", &pod);
        self.run(&format!("runp {}/pod.json", self.dir.path().display()))
    }

    /// A container with the labels that the kubelet gives; `attempt` is which life of it this is.
    pub fn container(&self, pod: &str, of: &str, name: &str, attempt: u32, script: &str) -> String {
        let container = json!({"metadata": {"name": name, "attempt": attempt}, "image": {"image": IMAGE}, "command": ["/bin/sh", "-c", script],
            "labels": {"io.kubernetes.pod.name": of, "io.kubernetes.container.name": name}, "log_path": format!("{name}-{attempt}.log"), "linux": {}});
        self.write("container.json", &container);
        let d = self.dir.path().display();
        let id = self.run(&format!("create {pod} {d}/container.json {d}/pod.json"));
        self.run(&format!("start {id}"));
        id
    }

    fn write(&self, name: &str, value: &serde_json::Value) {
        fs::write(self.dir.path().join(name), value.to_string()).expect("a file");
    }

    pub fn shell(&self) -> Arc<dyn Shell> {
        Behind::plain(self.environment())
    }
}

impl Drop for Cri {
    fn drop(&mut self) {
        let _ = self.try_run("rmp -fa");
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        let _ = self.daemon.wait();
    }
}
