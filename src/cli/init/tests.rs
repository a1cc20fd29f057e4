use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::parse::parse;
use crate::config::show;
use crate::config::spec::{Config, Reach};
use crate::model::catalog::Catalog;

/// This machine with another home.
struct At(PathBuf);

impl Probe for At {
    fn env(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, path: &Path) -> FileState {
        Machine.file(path)
    }
    fn home(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }
    fn ssh_knows(&self, config: &Path, name: &str) -> Option<bool> {
        Some(ssh_config::knows(&fs::read_to_string(config).ok()?, name, &|_| Vec::new()))
    }
}

/// The fixtures, in a folder of their own where keys can have their modes.
fn home() -> (tempfile::TempDir, At) {
    let dir = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/init");
    fs::create_dir(dir.path().join(".ssh")).unwrap();
    for (file, to) in [("hosts.ini", "hosts.ini"), ("hosts.yaml", "hosts.yaml"), ("ssh_config", ".ssh/config"), ("kubeconfig", "kubeconfig")] {
        fs::copy(from.join(file), dir.path().join(to)).unwrap();
    }
    for (key, mode) in [("ops", 0o600), ("shared", 0o644)] {
        let path = dir.path().join(".ssh").join(key);
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    let at = At(dir.path().to_owned());
    (dir, at)
}

fn virsh(words: &[String]) -> Result<String, String> {
    match words.iter().map(String::as_str).find(|w| ["kvm-1", "kvm-2", "10.0.1.1"].contains(w)) {
        Some("kvm-1") => Ok("web-1\nweb-2\nodd [x]\n数据\n\"quoted\"\n\n".to_owned()),
        Some("kvm-2") => Err("Permission denied (publickey).".to_owned()),
        None if words[0] == "virsh" => Ok("tiny\n".to_owned()),
        _ => Err("sh: virsh: not found".to_owned()),
    }
}

fn checked(text: &str, at: &At) -> Config {
    let config = parse(&at.0.join("c.toml"), text, at, &Catalog::default());
    let told: Vec<String> = config.diagnostics.iter().map(show::diagnostic).collect();
    assert!(told.is_empty(), "{text}\n{}", told.join("\n"));
    config
}

fn golden(name: &str, inventories: &[&str], run: Option<&probe::Run>) -> (Config, String) {
    let (dir, at) = home();
    let inventories: Vec<PathBuf> = inventories.iter().map(|f| dir.path().join(f)).collect();
    let sources = Sources { inventories: &inventories, kubeconfigs: vec![dir.path().join("kubeconfig"), dir.path().join("none")], machine: &at, run };
    let mut said = Vec::new();
    let text = write::write(&gather(&sources, &mut said).unwrap());
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/init").join(name);
    let found = text.replace(&dir.path().display().to_string(), "/home/li");
    assert_eq!(found, fs::read_to_string(&expected).unwrap(), "{name}");
    // The suggestions too hold when they are put in force.
    let all: String = text.lines().map(|l| l.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(l).to_owned() + "\n").collect();
    checked(&all, &at);
    (checked(&text, &at), String::from_utf8(said).unwrap())
}

#[test]
fn an_inventory_in_ini_becomes_a_configuration() {
    let (config, said) = golden("from-ini.toml", &["hosts.ini"], None);
    assert_eq!(said, "");
    let host = config.hosts.iter().find(|h| &*h.name == "db-b").unwrap();
    let Reach::Ssh(ssh) = &host.reach else { panic!("over SSH") };
    assert_eq!((ssh.jump.as_slice(), ssh.user.as_deref()), (&["li@203.0.113.7:2222".to_owned()][..], Some("root")));
}

#[test]
fn an_inventory_in_yaml_becomes_a_configuration() {
    let (config, said) = golden("from-yaml.toml", &["hosts.yaml"], None);
    assert_eq!(said, "");
    assert!(config.hosts.iter().any(|h| h.groups.iter().any(|g| &**g == "storage")));
}

#[test]
fn guests_become_suggestions() {
    let (config, said) = golden("with-guests.toml", &[], Some(&virsh));
    assert_eq!(said, "kvm-2: Permission denied (publickey).\n");
    assert!(!config.hosts.iter().any(|h| h.name.starts_with("web-")));
}

#[test]
fn an_inventory_that_cannot_be_read_is_named() {
    let (dir, at) = home();
    fs::write(dir.path().join("bad.yaml"), "- hosts: all\n").unwrap();
    let bad = [dir.path().join("bad.yaml")];
    let mut said = Vec::new();
    gather(&Sources { inventories: &bad, kubeconfigs: Vec::new(), machine: &at, run: None }, &mut said).unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("bad.yaml") && said.contains("left out"), "{said}");
    let gone = [dir.path().join("gone.ini")];
    let error = gather(&Sources { inventories: &gone, kubeconfigs: Vec::new(), machine: &at, run: None }, &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("gone.ini"), "{error}");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("sub/c.toml");
    let (mut out, mut say) = (Vec::new(), Vec::new());
    let mut args = Init { output: Some(target.clone()), ..Init::default() };
    assert_eq!(super::run(&Global::default(), &args, &mut out, &mut say).unwrap(), 0);
    fs::write(&target, "mine").unwrap();
    assert_eq!(super::run(&Global::default(), &args, &mut out, &mut say).unwrap(), 1);
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
    args.force = true;
    assert_eq!(super::run(&Global::default(), &args, &mut out, &mut say).unwrap(), 0);
    assert!(fs::read_to_string(&target).unwrap().starts_with("# Written by"));
}
