//! The one folder this program writes to without being asked.

use std::env;
use std::path::PathBuf;

/// `$XDG_STATE_HOME/quarterdeck`; `None` when there is no home to put it in.
pub fn folder() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|h| h.join(".local/state")))?;
    Some(state.join("quarterdeck"))
}
