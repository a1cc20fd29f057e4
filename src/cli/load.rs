//! Finds and reads the configuration; the one place where its questions meet the real machine.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::args::Global;
use super::init::ssh_config;
use super::state;
use crate::config::machine::Place;
use crate::config::parse::parse;
use crate::config::probe::{FileState, Probe};
use crate::config::spec::{Config, Diagnostic, MiddlewareSpec, Severity};
use crate::model::catalog::Catalog;

/// The real machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Probe for Machine {
    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> FileState {
        match fs::File::open(path).and_then(|f| f.metadata()) {
            Ok(meta) if meta.is_dir() => FileState::Unreadable("it is a directory".to_owned()),
            Ok(meta) if meta.permissions().mode() & 0o077 != 0 => FileState::Shared(meta.permissions().mode()),
            Ok(_) => FileState::Private,
            Err(e) if e.kind() == ErrorKind::NotFound => FileState::Missing,
            Err(e) => FileState::Unreadable(e.to_string()),
        }
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::var_os("HOME").filter(|h| !h.is_empty()).map(PathBuf::from)
    }

    fn own_themes(&self, config: &Path) -> Vec<String> {
        let folder = config.parent().map(|p| p.join("themes"));
        folder.map(|f| theme_files(&f).into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
    }

    fn ssh_knows(&self, config: &Path, name: &str) -> Option<bool> {
        let text = fs::read_to_string(config).ok()?;
        let dir = self.home().map(|h| h.join(".ssh")).unwrap_or_default();
        Some(ssh_config::knows(&text, name, &|pattern| ssh_config::included(&dir, pattern)))
    }
}

/// The configuration with the flags laid over it. A file that somebody named and that is not there is a diagnostic.
pub fn load(global: &Global, catalog: &Catalog) -> Config {
    let place = Place::find(global.config.clone(), |name| Machine.env(name));
    let mut config = match place.map(|p| (fs::read_to_string(p.path()), p)) {
        Some((Ok(text), place)) => {
            let path = std::path::absolute(place.path()).unwrap_or_else(|_| place.path().clone());
            parse(&path, &text, &Machine, catalog)
        }
        Some((Err(e), Place::Usual(_))) if e.kind() == ErrorKind::NotFound => bare(global),
        None => bare(global),
        Some((Err(e), place)) => unread(place.path(), &e),
    };
    overlay(&mut config, global);
    add_themes(&mut config);
    config.state = state::folder();
    config
}

fn unread(path: &Path, error: &std::io::Error) -> Config {
    let why = Diagnostic {
        severity: Severity::Error,
        file: path.to_owned(),
        line: 0,
        column: 0,
        message: format!("the configuration cannot be read: {error}"),
        help: "correct the path that --config or QUARTERDECK_CONFIG gives, or its permissions".to_owned(),
    };
    Config { path: Some(path.to_owned()), diagnostics: vec![why], ..Config::default() }
}

fn bare(global: &Global) -> Config {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = if name.trim().is_empty() { "localhost" } else { name.trim() };
    let there = kubeconfigs().iter().any(|p| p.is_file());
    let cluster = there.then(|| global.context.clone().unwrap_or_else(|| "current".to_owned()));
    let mut config = Config::default_for_machine(name, cluster.as_deref());
    for cluster in &mut config.clusters {
        cluster.context.clone_from(&global.context);
    }
    config.middleware.extend(STANDARD_PORTS.iter().filter_map(|(kind, port)| answering(kind, *port)));
    config
}

/// Where this machine's middleware listens when nobody changed it.
const STANDARD_PORTS: &[(&str, u16)] = &[("mysql", 3306), ("redis", 6379), ("rabbitmq", 15672), ("elasticsearch", 9200), ("nacos", 8848)];

/// What answers on a standard port of this machine, with no account: a password is never guessed, so what asks for one says so in
/// its row.
fn answering(kind: &str, port: u16) -> Option<MiddlewareSpec> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok()?;
    Some(MiddlewareSpec {
        kind: kind.into(),
        name: "local".into(),
        members: vec![address.to_string()],
        via: None,
        user: None,
        password: None,
        api_key: None,
        tls: None,
        amqp: None,
        sentinel: None,
        address_map: Vec::new(),
        settings: Vec::new(),
        every: Duration::from_secs(5),
    })
}

/// The files that kubectl would merge.
pub fn kubeconfigs() -> Vec<PathBuf> {
    match std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()) {
        Some(list) => std::env::split_paths(&list).filter(|p| !p.as_os_str().is_empty()).collect(),
        None => Machine.home().map(|h| h.join(".kube/config")).into_iter().collect(),
    }
}

/// Where a person's own themes are: beside the configuration, also when that has not been written yet.
pub fn themes_folder(config: &Config) -> Option<PathBuf> {
    let file = config.path.clone().or_else(|| Place::find(None, |name| Machine.env(name)).map(|p| p.path().clone()))?;
    Some(file.parent()?.join("themes"))
}

/// The themes in a folder: name and file.
fn theme_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    files.sort();
    files.into_iter().filter_map(|file| Some((file.file_stem()?.to_str()?.to_owned(), file))).collect()
}

/// A theme with a mistake is told, and cannot be chosen; the others can.
fn add_themes(config: &mut Config) {
    let Some(folder) = themes_folder(config) else { return };
    let files = theme_files(&folder);
    for (name, file) in &files {
        match fs::read_to_string(file) {
            Ok(text) => config.themes.add(name, text),
            Err(e) => config.diagnostics.push(theme_mistake(file, format!("the theme cannot be read: {e}"))),
        }
    }
    // After all are known: one may inherit another.
    for (name, file) in files {
        if let Err(e) = config.themes.get(&name) {
            config.diagnostics.push(theme_mistake(&file, e.to_string()));
        }
    }
}

fn theme_mistake(file: &Path, message: String) -> Diagnostic {
    let help = "correct it as themes/harbor.toml of the source shows, or choose another with [ui] theme".to_owned();
    Diagnostic { severity: Severity::Error, file: file.to_owned(), line: 0, column: 0, message, help }
}

fn overlay(config: &mut Config, global: &Global) {
    if let Some(theme) = &global.theme {
        config.ui.theme.clone_from(theme);
    }
    if let Some(lang) = &global.lang {
        config.ui.lang.clone_from(lang);
    }
    if let Some(context) = &global.context {
        config.clusters.retain(|c| *c.name == **context || c.context.as_deref() == Some(context));
    }
    if !global.namespace.is_empty() {
        for cluster in &mut config.clusters {
            cluster.namespaces = global.namespace.iter().map(|n| n.as_str().into()).collect();
        }
    }
}
