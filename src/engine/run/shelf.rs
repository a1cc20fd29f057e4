//! Where playbooks are found: a file, or a name in the folders that hold some.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::stage::Beside;
use crate::config::spec::Config;
use crate::model::catalog::Catalog;
use crate::playbook::library;
use crate::playbook::parse::{Parsed, parse};
use crate::port::action::Files;

/// A playbook and the files beside it.
pub struct Found {
    pub parsed: Parsed,
    pub files: Arc<dyn Files>,
    /// Is it one of those in this program?
    pub carried: bool,
}

/// The files that are carried in this program.
struct Carried;

impl Files for Carried {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match library::file(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            // A path of this machine that somebody gave as a value.
            None => std::fs::read(path).map_err(|e| format!("cannot read {path}: {e}")),
        }
    }
}

impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found").field("parsed", &self.parsed).finish_non_exhaustive()
    }
}

/// The folders that playbooks are looked for in by name.
pub fn folders(config: &Config) -> Vec<PathBuf> {
    let beside = config.path.as_ref().and_then(|p| p.parent()).map(|p| p.join("playbooks"));
    beside.into_iter().chain([PathBuf::from("playbooks")]).collect()
}

/// The names of all playbooks: those in this program, then those in the folders.
pub fn names(config: &Config) -> Vec<String> {
    let files = folders(config).into_iter().flat_map(|f| std::fs::read_dir(f).into_iter().flatten().flatten());
    let mut names: Vec<String> = files.filter_map(|e| e.file_name().to_str().and_then(|n| n.strip_suffix(".yaml")).map(ToOwned::to_owned)).collect();
    names.sort_unstable();
    names.dedup();
    let mut all: Vec<String> = library::books().map(|(name, _)| name.to_owned()).collect();
    names.retain(|name| !all.contains(name));
    all.append(&mut names);
    all
}

/// How [`open`] finds the playbook of a journal again: a file was written down with its whole path, one of this program without.
pub fn meant(file: &str) -> &str {
    if file.contains('/') { file } else { file.trim_end_matches(".yaml") }
}

/// Reads a playbook by path or by name.
///
/// # Errors
/// There is none of that name, or its file cannot be read.
pub fn open(config: &Config, catalog: &Catalog, name: &str) -> Result<Found, String> {
    // A bare name is a playbook's, whatever stands beside one by that name.
    let is_path = name.contains('/') || Path::new(name).extension().is_some_and(|e| e == "yaml" || e == "yml");
    let mut tried = if is_path { vec![PathBuf::from(name)] } else { Vec::new() };
    if !name.contains('/') {
        tried.extend(folders(config).iter().map(|f| f.join(format!("{}.yaml", name.trim_end_matches(".yaml")))));
    }
    let Some(path) = tried.iter().find(|p| p.is_file()) else {
        if let Some(text) = library::book(name) {
            let texts = |file: &str| library::file(file).map(ToOwned::to_owned).ok_or_else(|| "it is not carried in this program".to_owned());
            let file = format!("{}.yaml", name.trim_end_matches(".yaml"));
            return Ok(Found { parsed: parse(&file, text, catalog, &texts), files: Arc::new(Carried), carried: true });
        }
        let places: Vec<String> = tried.iter().map(|p| p.display().to_string()).collect();
        return Err(format!("there is no playbook {name}; looked at {}", places.join(", ")));
    };
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
    let beside = folder.clone();
    let parsed = parse(&whole.display().to_string(), &text, catalog, &move |file: &str| std::fs::read_to_string(beside.join(file)).map_err(|e| e.to_string()));
    Ok(Found { parsed, files: Arc::new(Beside(folder)), carried: false })
}
