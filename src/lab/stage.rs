//! Where servers say how they are reached: a folder that only we may read, the cockpit's configuration, and a list for people.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Lab, Server};

/// Every server of the lab, in the order in which they are started.
pub const SERVERS: &[Server] = &[
    super::kube::serve,
    super::ssh::start,
    super::mysql::start,
    super::redis::start,
    super::rabbitmq::start,
    super::elasticsearch::start,
    super::nacos::start,
];

/// What the servers have said.
#[derive(Debug)]
pub struct Stage {
    dir: PathBuf,
    config: String,
    access: String,
}

impl Stage {
    /// `dir` exists and has mode 0700.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), config: String::new(), access: String::new() }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file that only we may read (mode 0600) and returns its path.
    ///
    /// # Errors
    /// It exists, or cannot be written.
    pub fn file(&self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.dir.join(name);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(content)?;
        Ok(path)
    }

    /// Adds TOML to the cockpit's configuration.
    pub fn config(&mut self, toml: &str) {
        self.config.push_str(toml.trim_end());
        self.config.push_str("\n\n");
    }

    /// A line for other tools: the name of a setting and its value, as a shell takes it.
    pub fn access(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.access, "{name}='{value}'");
    }

    /// The whole configuration.
    pub fn configuration(&self) -> &str {
        &self.config
    }

    /// All lines of [`Stage::access`].
    pub fn accesses(&self) -> &str {
        &self.access
    }
}

/// Starts every server.
///
/// # Errors
/// The first that a server gives.
pub async fn serve(lab: &Arc<Lab>, stage: &mut Stage) -> io::Result<()> {
    for server in SERVERS {
        server(lab, stage).await?;
    }
    Ok(())
}
