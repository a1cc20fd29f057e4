//! `quarterdeck init`: a configuration from what is known already, so that nobody types forty targets by hand.

mod found;
mod inventory;
mod kubeconfig;
pub(super) mod ssh_config;
mod write;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::args::{Global, Init};
use super::load::{Machine, kubeconfigs};
use crate::config::machine::Place;
use crate::config::probe::Probe;

/// Writes the configuration, or prints it for `--output -`; messages go to `say`.
pub fn run(global: &Global, args: &Init, out: &mut dyn Write, say: &mut dyn Write) -> io::Result<u8> {
    let text = gather(args, say)?;
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

fn gather(args: &Init, say: &mut dyn Write) -> io::Result<String> {
    let mut hosts = Vec::new();
    for path in &args.inventory {
        let text = fs::read_to_string(path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        match inventory::hosts(&text) {
            Ok(list) => hosts.push((path.display().to_string(), list)),
            Err(why) => writeln!(say, "{}: {why}; the file was left out", path.display())?,
        }
    }
    if let Some(dir) = Machine.home().map(|h| h.join(".ssh")) {
        let path = dir.join("config");
        if let Ok(text) = fs::read_to_string(&path) {
            hosts.push((path.display().to_string(), ssh_config::hosts(&text, &|pattern| ssh_config::included(&dir, pattern))));
        }
    }
    let mut contexts = Vec::new();
    for path in kubeconfigs() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        match kubeconfig::contexts(&path.display().to_string(), &text) {
            Ok(list) => contexts.extend(list),
            Err(why) => writeln!(say, "{why}; the file was left out")?,
        }
    }
    Ok(write::write(&hosts, &contexts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::parse;
    use crate::model::catalog::Catalog;

    #[test]
    fn what_init_writes_passes_the_check() {
        let inventory =
            inventory::hosts("[web]\nweb[08:10] ansible_become=true\ndb1 ansible_host=10.0.0.1\ndb2 ansible_host=10.0.0.2\nodd ansible_host=10.0.0.9\n")
                .unwrap();
        let ssh = ssh_config::hosts("Host db1 \"we\\ird\" kvm-1\n", &|_| Vec::new());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("kube").display().to_string();
        let kube = "apiVersion: v1\ncontexts:\n- name: admin@prod\n  context: {cluster: a, user: b}\n- name: lab\n";
        fs::write(&file, kube).unwrap();
        let contexts = kubeconfig::contexts(&file, kube).unwrap();
        let text = write::write(&[("hosts.ini".to_owned(), inventory), ("~/.ssh/config".to_owned(), ssh)], &contexts);
        let config = parse(Path::new("/c.toml"), &text, &Machine, &Catalog::default());
        assert!(config.diagnostics.is_empty(), "{text}\n{:#?}", config.diagnostics);
        let names: Vec<&str> = config.hosts.iter().map(|h| &*h.name).collect();
        assert_eq!(names, ["web08", "web09", "web10", "db1", "db2", "odd", "we\\ird", "kvm-1"], "{text}");
        assert!(text.contains("web[08-10]") && text.contains("10.0.0.[1-2]") && text.contains("# from hosts.ini"), "{text}");
        assert_eq!(config.clusters.len(), 2);
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("sub/c.toml");
        let (mut out, mut say) = (Vec::new(), Vec::new());
        let mut args = Init { output: Some(target.clone()), inventory: Vec::new(), force: false };
        assert_eq!(run(&Global::default(), &args, &mut out, &mut say).unwrap(), 0);
        fs::write(&target, "mine").unwrap();
        assert_eq!(run(&Global::default(), &args, &mut out, &mut say).unwrap(), 1);
        assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
        args.force = true;
        assert_eq!(run(&Global::default(), &args, &mut out, &mut say).unwrap(), 0);
        assert!(fs::read_to_string(&target).unwrap().starts_with("# Written by"));
    }
}
