//! Servers that run on a Java machine, from the jars that `tests/lab/java.sh` fetched; and a bare HTTP client for what a test does to them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the jars of `name` are.
pub fn fetched(name: &str) -> PathBuf {
    let lab = std::env::var_os("QUARTERDECK_TEST_LAB").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lab"), PathBuf::from);
    lab.join(name)
}

pub struct Java {
    child: Option<Child>,
    arguments: Vec<String>,
    out: PathBuf,
}

impl Java {
    /// `main` with the jars of `name`; its output goes to the file `out`. Not started yet.
    pub fn new(name: &str, main: &str, out: PathBuf, properties: &[String], arguments: &[String]) -> Self {
        let at = fetched(name);
        let mut all: Vec<String> =
            ["-Xms64m", "-Xmx200m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true"].map(Into::into).to_vec();
        all.extend(["--add-opens=java.base/java.io=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED", "-Dlog4j2.disable.jmx=true"].map(Into::into));
        all.extend(properties.iter().cloned());
        all.extend(["-cp".into(), format!("{0}/classes:{0}/lib/*", at.display()), main.into()]);
        all.extend(arguments.iter().cloned());
        Self { child: None, arguments: all, out }
    }

    pub fn up(&mut self) {
        let out = std::fs::File::create(&self.out).unwrap();
        let err = out.try_clone().unwrap();
        // A folder of its own: some write logs to where they are started.
        let home = self.out.parent().unwrap();
        let child = Command::new("java").args(&self.arguments).current_dir(home).stdin(Stdio::null()).stdout(out).stderr(err).spawn().expect("java");
        self.child = Some(child);
    }

    /// Has it ended by itself?
    pub fn ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|c| c.try_wait().is_ok_and(|s| s.is_some()))
    }

    /// The end of what it printed.
    pub fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.out).unwrap_or_default();
        text[text.len().saturating_sub(3000)..].to_owned()
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("running").id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
    pub fn freeze(&self) {
        self.signal("-STOP");
    }
    pub fn thaw(&self) {
        self.signal("-CONT");
    }
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One request, one connection: status and body; `None` where nobody answers within five seconds.
pub fn request(address: &str, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut line = TcpStream::connect(address).ok()?;
    line.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let length = body.len();
    write!(line, "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").ok()?;
    let mut text = Vec::new();
    line.read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
