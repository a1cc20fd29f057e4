//! What the parser may ask about the machine. The real answers are given by `cli`; tests give their own.

use std::path::{Path, PathBuf};

/// A file as the running user finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    Missing,
    /// It is there and cannot be read; the system's words.
    Unreadable(String),
    /// Readable, and by its owner alone.
    Private,
    /// Readable also by group or others; the permission bits.
    Shared(u32),
}

pub trait Probe {
    fn env(&self, name: &str) -> Option<String>;
    fn file(&self, path: &Path) -> FileState;
    fn home(&self) -> Option<PathBuf>;
    /// Does this configuration of OpenSSH say anything about a host of this name? `None` where it cannot be read.
    fn ssh_knows(&self, config: &Path, name: &str) -> Option<bool>;
    /// The names of the themes that lie beside this configuration.
    fn own_themes(&self, _config: &Path) -> Vec<String> {
        Vec::new()
    }
}

/// `~/x` below the home directory, a relative path below `base` (the directory of the configuration).
pub fn resolve(probe: &dyn Probe, base: &Path, text: &str) -> PathBuf {
    match (text.strip_prefix("~/"), probe.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(text),
    }
}
