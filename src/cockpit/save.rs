//! Texts that become files. Nothing of anybody's is overwritten: a second save needs a second name.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};

use crate::model::effect::LargeText;
use crate::model::fact::Notice;

/// A text that is held as one.
pub(super) fn whole(text: String) -> LargeText {
    LargeText::new(move |out: &mut dyn Write| out.write_all(text.as_bytes()).map(|()| text.lines().count() as u64))
}

/// Where a path that a person typed leads.
pub(super) fn place(path: &str) -> String {
    let home = std::env::var("HOME").unwrap_or_default();
    path.strip_prefix("~/").map_or_else(|| path.to_owned(), |rest| format!("{home}/{rest}"))
}

/// Writes `text` to a new file; says what became of it.
pub(super) fn write(path: &str, text: &LargeText) -> Notice {
    let file = place(path);
    let written = || -> io::Result<u64> {
        let mut out = BufWriter::with_capacity(1 << 16, OpenOptions::new().write(true).create_new(true).open(&file)?);
        let lines = text.write_to(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(lines)
    };
    said(&file, written())
}

pub(super) fn said(file: &str, written: io::Result<u64>) -> Notice {
    match written {
        Ok(lines) => Notice { good: true, text: format!("{lines} lines saved to {file}") },
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            Notice { good: false, text: format!("{file} exists and was left alone; save under another name") }
        }
        Err(e) => Notice { good: false, text: format!("cannot save to {file}: {e}; give a path in a folder you may write to") },
    }
}
