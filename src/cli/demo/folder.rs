//! The folder of one demo. A lock in it says whether its process lives: the kernel lets go of the lock also after `kill -9`, and
//! the next demo clears away what is left.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab;

const PREFIX: &str = "quarterdeck-demo-";
/// Under this name until its lock is held.
const UNBORN: &str = "quarterdeck-unborn-";
/// One that is not locked by then will never be.
const BIRTH: Duration = Duration::from_mins(1);

/// Removed when dropped.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

fn parent() -> PathBuf {
    std::env::temp_dir()
}

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        let suffix = lab::random(6)?;
        let unborn = parent().join(format!("{UNBORN}{suffix}"));
        let path = parent().join(format!("{PREFIX}{suffix}"));
        fs::DirBuilder::new().mode(0o700).create(&unborn)?;
        let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(unborn.join("lock"))?;
        lock.lock()?;
        fs::rename(&unborn, &path)?;
        Ok(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next demo.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what demos left that did not end by themselves.
pub(super) fn sweep() {
    sweep_in(&parent());
}

fn sweep_in(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let name = name.to_string_lossy();
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if !meta.is_dir() || !is_ours(&meta) {
            continue;
        }
        let is_dead = if name.starts_with(PREFIX) {
            File::open(path.join("lock")).map_or(true, |lock| lock.try_lock().is_ok())
        } else {
            name.starts_with(UNBORN) && meta.modified().ok().and_then(|at| at.elapsed().ok()).is_some_and(|age| age > BIRTH)
        };
        if is_dead {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// Folders of other people are theirs.
fn is_ours(meta: &fs::Metadata) -> bool {
    // Whoever owns our process in /proc; elsewhere whoever owns the home.
    let own = fs::metadata("/proc/self").or_else(|_| fs::metadata(std::env::var_os("HOME").unwrap_or_default()));
    own.is_ok_and(|own| own.uid() == meta.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_stays_and_what_is_dead_goes() {
        let parent = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            let lock = File::create(path.join("lock")).unwrap();
            (path, lock)
        };
        let (living, lock) = make("quarterdeck-demo-1");
        lock.lock().unwrap();
        let (dead, _) = make("quarterdeck-demo-2");
        let (unborn, _) = make("quarterdeck-unborn-3");
        let (other, _) = make("somebody-else");
        sweep_in(parent.path());
        assert!(living.exists() && !dead.exists() && unborn.exists() && other.exists());
    }
}
