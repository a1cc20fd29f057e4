//! `quarterdeck config check | show | paths`.

use std::io::{self, Write};
use std::path::PathBuf;

use super::load::{kubeconfigs, themes_folder};
use crate::config::show;
use crate::config::spec::{Config, Reach, Severity};

/// Prints every diagnostic to `out`; 0 when none is an error, else 1.
pub fn check(config: &Config, out: &mut dyn Write) -> io::Result<u8> {
    for d in &config.diagnostics {
        writeln!(out, "{}", show::diagnostic(d))?;
    }
    let errors = config.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = config.diagnostics.len() - errors;
    let file = config.path.as_ref().map_or_else(|| "no configuration file: the defaults".to_owned(), |p| p.display().to_string());
    let (hosts, clusters, middleware) = (config.hosts.len(), config.clusters.len(), config.middleware.len());
    writeln!(out, "{file}: {errors} errors, {warnings} warnings; in use: {hosts} hosts, {clusters} clusters, {middleware} middleware")?;
    Ok(u8::from(errors > 0))
}

pub fn print(config: &Config, out: &mut dyn Write) -> io::Result<u8> {
    out.write_all(show::config(config).as_bytes())?;
    Ok(0)
}

/// Every file that this configuration makes the program read or write.
pub fn paths(config: &Config, out: &mut dyn Write) -> io::Result<u8> {
    match &config.path {
        Some(path) => writeln!(out, "configuration  {}", path.display())?,
        None => writeln!(out, "configuration  none: the defaults")?,
    }
    for path in kubeconfigs() {
        writeln!(out, "kubeconfig     {}", path.display())?;
    }
    if let Some(themes) = themes_folder(config).filter(|f| f.is_dir()) {
        writeln!(out, "themes         {}", themes.display())?;
    }
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for host in &config.hosts {
        let Reach::Ssh(ssh) = &host.reach else { continue };
        let files = ssh.config_file.iter().map(|p| ("ssh config", p)).chain(ssh.known_hosts.iter().map(|p| ("known hosts", p)));
        for (what, path) in files.chain(ssh.identities.iter().map(|p| ("identity", p))) {
            if !seen.iter().any(|(_, p)| p == path) {
                seen.push((what, path.clone()));
            }
        }
    }
    for (what, path) in seen {
        writeln!(out, "{what:<14} {}", path.display())?;
    }
    if let Some(state) = &config.state {
        writeln!(out, "state          {} (log/, runs/, acts.jsonl, dumps/, layout.toml)", state.display())?;
    }
    Ok(0)
}
