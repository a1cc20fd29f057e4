//! Places in a binary log, and how many bytes lie between two of them. Pure.

/// A file of a binary log and a byte in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogPlace {
    pub file: String,
    pub at: u64,
}

impl LogPlace {
    pub fn new(file: impl Into<String>, at: u64) -> Self {
        Self { file: file.into(), at }
    }

    pub fn is_known(&self) -> bool {
        !self.file.is_empty()
    }
}

/// A file that the source still has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    pub name: String,
    pub bytes: u64,
}

/// Bytes from `from` to `to`. Files in between count by the sizes in `files` (`SHOW BINARY LOGS`); `None` where a file is not in it.
/// The reader is read first, so that it can seem ahead of its source by a moment only: that is zero.
pub(super) fn distance(from: &LogPlace, to: &LogPlace, files: &[LogFile]) -> Option<u64> {
    if !from.is_known() || !to.is_known() {
        return None;
    }
    if from.file == to.file {
        return Some(to.at.saturating_sub(from.at));
    }
    let first = files.iter().position(|f| f.name == from.file)?;
    let last = files.iter().position(|f| f.name == to.file)?;
    if first > last {
        return Some(0);
    }
    let between: u64 = files[first..last].iter().map(|f| f.bytes).sum();
    Some((between + to.at).saturating_sub(from.at))
}

/// Is this file older than the oldest that the source still has?
pub(super) fn purged(file: &str, files: &[LogFile]) -> bool {
    match (number(file), files.first().and_then(|f| number(&f.name))) {
        (Some(wanted), Some(oldest)) => wanted < oldest,
        _ => false,
    }
}

/// The number at the end of `mysql-bin.000123`.
fn number(file: &str) -> Option<u64> {
    file.rsplit_once('.')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<LogFile> {
        [("bin.000003", 1000), ("bin.000004", 2000), ("bin.000005", 500)].map(|(n, bytes)| LogFile { name: n.to_owned(), bytes }).to_vec()
    }

    #[test]
    fn distances_within_and_across_files() {
        let at = |f: &str, n| LogPlace::new(f, n);
        assert_eq!(distance(&at("bin.000005", 100), &at("bin.000005", 450), &[]), Some(350));
        assert_eq!(distance(&at("bin.000003", 400), &at("bin.000005", 50), &files()), Some(600 + 2000 + 50));
        assert_eq!(distance(&at("bin.000005", 450), &at("bin.000005", 100), &[]), Some(0));
        assert_eq!(distance(&at("bin.000005", 4), &at("bin.000004", 100), &files()), Some(0));
        assert_eq!(distance(&at("bin.000001", 4), &at("bin.000005", 100), &files()), None);
        assert_eq!(distance(&LogPlace::default(), &at("bin.000005", 100), &files()), None);
    }

    #[test]
    fn a_file_before_the_oldest_is_purged() {
        assert!(purged("bin.000002", &files()));
        assert!(!purged("bin.000003", &files()));
        assert!(!purged("bin.000009", &files()));
        assert!(!purged("", &files()));
    }
}
