//! `quarterdeck init`: a configuration from what is known already, so that nobody types forty targets by hand.

mod found;
mod inventory;
mod jump;
mod kubeconfig;
mod probe;
mod run;
pub(super) mod ssh_config;
#[cfg(test)]
mod tests;
mod words;
mod write;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use found::Found;
use write::Known;

use super::args::{Global, Init};
use super::load::{Machine, kubeconfigs};
use crate::config::machine::Place;
use crate::config::probe::{FileState, Probe, resolve};

/// Writes the configuration, or prints it for `--output -`; messages go to `say`.
pub fn run(global: &Global, args: &Init, out: &mut dyn Write, say: &mut dyn Write) -> io::Result<u8> {
    let sources = Sources { inventories: &args.inventory, kubeconfigs: kubeconfigs(), machine: &Machine, run: args.probe.then_some(&probe::run) };
    let text = write::write(&gather(&sources, say)?);
    if args.output.as_deref() == Some(Path::new("-")) {
        out.write_all(text.as_bytes())?;
        return Ok(0);
    }
    let target = args.output.clone().or_else(|| Place::find(global.config.clone(), |n| Machine.env(n)).map(|p| p.path().clone()));
    let Some(target) = target else {
        writeln!(say, "there is no home directory to write to; name a file with --output FILE, or print with --output -")?;
        return Ok(1);
    };
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if args.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    match options.open(&target) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            writeln!(say, "wrote {}; look at it, then: quarterdeck config check", target.display())?;
            Ok(0)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            writeln!(say, "{} exists and was left alone; --force replaces it, --output - prints instead", target.display())?;
            Ok(1)
        }
        Err(e) => Err(e),
    }
}

/// Where to look.
struct Sources<'a> {
    inventories: &'a [PathBuf],
    kubeconfigs: Vec<PathBuf>,
    machine: &'a dyn Probe,
    /// How to ask hosts for their guests; `None` asks nobody.
    run: Option<&'a probe::Run>,
}

fn gather(sources: &Sources<'_>, say: &mut dyn Write) -> io::Result<Known> {
    let mut known = Known::default();
    for path in sources.inventories {
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|e| io::Error::new(e.kind(), format!("{file}: {e}")))?;
        match inventory::hosts(&file, &text) {
            Ok(list) => known.hosts.push((file, list.into_iter().map(|h| with_usable_key(h, sources.machine)).collect())),
            Err(why) => writeln!(say, "{file}: {why}; the file was left out")?,
        }
    }
    if let Some(dir) = sources.machine.home().map(|h| h.join(".ssh")) {
        let path = dir.join("config");
        if let Ok(text) = fs::read_to_string(&path) {
            known.hosts.push((path.display().to_string(), ssh_config::hosts(&text, &|pattern| ssh_config::included(&dir, pattern))));
        }
    }
    for path in &sources.kubeconfigs {
        let Ok(text) = fs::read_to_string(path) else { continue };
        // A relative path would be looked for beside the configuration.
        let file = std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string();
        match kubeconfig::contexts(&file, &text) {
            Ok(list) => known.contexts.extend(list),
            Err(why) => writeln!(say, "{why}; the file was left out")?,
        }
    }
    if let Some(run) = sources.run {
        let (guests, failed) = probe::ask(&known.each(), run);
        for line in failed {
            writeln!(say, "{line}")?;
        }
        known.guests = guests;
    }
    Ok(known)
}

/// A key that is not here, or that others can read, would be an error of the configuration; it becomes a remark.
fn with_usable_key(mut host: Found, machine: &dyn Probe) -> Found {
    let Some(key) = host.identity.take() else { return host };
    let here = if key.starts_with("~/") { PathBuf::from(&key) } else { std::path::absolute(&key).unwrap_or_else(|_| PathBuf::from(&key)) };
    let written = here.display().to_string();
    let why = match machine.file(&resolve(machine, Path::new("/"), &written)) {
        FileState::Private => {
            host.identity = Some(written);
            return host;
        }
        FileState::Missing => "does not exist here".to_owned(),
        FileState::Unreadable(why) => format!("cannot be read: {why}"),
        FileState::Shared(_) => format!("can be read by others; after chmod 600 add identity = \"{written}\""),
    };
    host.notes.push(format!("the key {written} {why}"));
    host
}
