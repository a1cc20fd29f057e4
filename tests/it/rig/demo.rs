//! The demo as a person has it: the built binary in a process of its own, and what it printed of how to reach it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::terminal::{binary, environment};

pub struct Demo {
    pub child: Child,
    pub home: tempfile::TempDir,
    pub access: BTreeMap<String, String>,
}

/// The binary under test in the world of `home`.
pub fn ours(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.env_clear().envs(environment(home)).env("TMPDIR", home).args(args).current_dir(home).stdin(Stdio::null());
    command
}

impl Demo {
    pub fn start(args: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let args: Vec<&str> = ["demo", "--print-access"].iter().chain(args).copied().collect();
        let mut child = ours(home.path(), &args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the demo starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let mut access = BTreeMap::new();
        // The last that it prints.
        while !access.contains_key("NACOS_PASSWORD") {
            let line = lines.next().expect("it says how it is reached").expect("text");
            let (name, value) = line.split_once('=').expect("NAME='value'");
            access.insert(name.to_owned(), value.trim_matches('\'').to_owned());
        }
        Self { child, home, access }
    }

    #[track_caller]
    pub fn access(&self, name: &str) -> &str {
        self.access.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", self.access.keys()))
    }

    /// The port of an address that was printed.
    #[track_caller]
    pub fn port(&self, name: &str) -> &str {
        self.access(name).rsplit_once(':').expect("host:port").1
    }

    pub fn kubectl(&self, args: &[&str]) -> Output {
        let mut command = Command::new("kubectl");
        command.env_clear().envs(environment(self.home.path())).env("KUBECONFIG", self.access("KUBECONFIG")).args(args).stdin(Stdio::null());
        command.output().expect("kubectl runs")
    }

    #[track_caller]
    pub fn said(&self, args: &[&str]) -> String {
        let output = self.kubectl(args);
        assert!(output.status.success(), "kubectl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What another process says of it.
    pub fn status(&self) -> Value {
        self.status_of(self.access("QUARTERDECK_CONFIG"))
    }

    /// The same by another configuration.
    pub fn status_of(&self, config: &str) -> Value {
        let output = ours(self.home.path(), &["status", "--json", "--timeout", "30", "--config", config]).output().expect("status runs");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Another process of ours with the demo's configuration; `secrets` answer what a playbook asks.
    pub fn ours(&self, args: &[&str], secrets: &[(&str, &str)]) -> Output {
        let mut command = ours(self.home.path(), args);
        command.args(["--config", self.access("QUARTERDECK_CONFIG")]);
        command.envs(secrets.iter().map(|(name, value)| (format!("QUARTERDECK_VAR_{name}"), *value)));
        command.output().expect("it runs")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // As a person ends it, so that it can clear up; by force when it does not.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        for _ in 0..100 {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
