//! The kubelet of the cluster that tests stand on, where it runs beside the API server that `QUARTERDECK_TEST_APISERVER_PID`
//! names: started anew with another configuration, and cut off from its API server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{apiserver, eventually};

/// Its pid file, beside the API server's.
fn pid_file() -> Option<PathBuf> {
    let file = PathBuf::from(std::env::var("QUARTERDECK_TEST_APISERVER_PID").ok()?).with_file_name("kubelet.pid");
    let pid = fs::read_to_string(&file).ok()?;
    Path::new("/proc").join(pid.trim()).exists().then_some(file)
}

/// Can tests start it anew?
pub fn is_here() -> bool {
    pid_file().is_some()
}

/// A program in the network of the API server.
fn beside(program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &apiserver::pid(), "-n", "--", program]);
    command
}

/// The kubelet with a configuration of a test's own. Pods and their logs live on; the first configuration comes back at the end.
pub struct Kubelet {
    file: PathBuf,
    folder: PathBuf,
    line: Vec<String>,
    /// Keeps the changed configuration.
    changed: tempfile::TempDir,
    started: Vec<Child>,
}

impl Kubelet {
    /// `change`: a line of the configuration in place of the one with the same key.
    pub fn with(change: &str) -> Self {
        let file = pid_file().expect("asked for only where it is");
        let pid = fs::read_to_string(&file).expect("readable");
        let process = Path::new("/proc").join(pid.trim());
        let line = fs::read(process.join("cmdline")).expect("it runs on this machine");
        let line: Vec<String> = line.split(|b| *b == 0).filter(|w| !w.is_empty()).map(|w| String::from_utf8_lossy(w).into_owned()).collect();
        let folder = fs::read_link(process.join("cwd")).expect("its folder");
        let mut kubelet = Self { file, folder, line, changed: tempfile::tempdir().expect("a folder"), started: Vec::new() };
        let own = kubelet.own_configuration();
        let key = change.split(':').next().expect("a key");
        let text = fs::read_to_string(&own).expect("its configuration");
        let kept = text.lines().filter(|l| l.split(':').next() != Some(key));
        let text: String = kept.chain([change]).flat_map(|l| [l, "\n"]).collect();
        let path = kubelet.changed.path().join("kubelet.yaml");
        fs::write(&path, text).expect("written");
        kubelet.replace(&path);
        kubelet
    }

    fn own_configuration(&self) -> PathBuf {
        let at = self.line.iter().position(|w| w == "--config").expect("its configuration is on its command line");
        self.folder.join(&self.line[at + 1])
    }

    /// Ends the one that runs and starts it with this configuration.
    fn replace(&mut self, configuration: &Path) {
        let pid = fs::read_to_string(&self.file).expect("readable");
        let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        eventually("the kubelet is gone", Duration::from_secs(20), || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            (stat.is_empty() || stat.contains(") Z ")).then_some(())
        });
        let mut line = self.line.clone();
        let at = line.iter().position(|w| w == "--config").expect("looked up before");
        line[at + 1] = configuration.display().to_string();
        // Its own log goes on where it was, so that a later reader finds all of it.
        let log = fs::OpenOptions::new().create(true).append(true).open(self.file.with_file_name("kubelet.log")).expect("its log");
        let mut command = beside("setsid");
        command.args(&line).current_dir(&self.folder).stdin(Stdio::null()).stdout(log.try_clone().expect("its log")).stderr(log);
        let child = command.spawn().expect("the kubelet");
        fs::write(&self.file, child.id().to_string()).expect("its pid file");
        self.started.push(child);
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        let own = self.own_configuration();
        self.replace(&own);
        // Those that were replaced; the last one outlives the test.
        self.started.pop();
        for mut gone in self.started.drain(..) {
            let _ = gone.wait();
        }
    }
}

/// No packet passes between the API server and the kubelet until this is dropped.
pub struct NodeCut(String);

impl NodeCut {
    pub fn now() -> Self {
        let table = format!("qd_cut_{}", std::process::id());
        let rules = format!(
            "add table inet {table}\nadd chain inet {table} out {{ type filter hook output priority 0; }}\n\
             add rule inet {table} out tcp dport 10250 drop\nadd rule inet {table} out tcp sport 10250 drop\n"
        );
        let path = std::env::temp_dir().join(&table);
        fs::write(&path, rules).expect("written");
        let done = beside("nft").arg("-f").arg(&path).status().expect("nft");
        let _ = fs::remove_file(&path);
        assert!(done.success(), "the rules of the cut were refused");
        Self(table)
    }
}

impl Drop for NodeCut {
    fn drop(&mut self) {
        let _ = beside("nft").args(["delete", "table", "inet", &self.0]).status();
    }
}
