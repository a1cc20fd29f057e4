use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parse::parse;
use super::probe::{FileState, Probe};
use super::spec::{Config, Escalation, Reach, Severity, Via};
use super::{schema, show};
use crate::model::catalog::Catalog;
use crate::model::limits::Limits;
use crate::model::source::Subject;

/// A machine where all is there but what is called missing, shared or locked.
struct Fair;

impl Probe for Fair {
    fn env(&self, name: &str) -> Option<String> {
        (!name.starts_with("MISSING")).then(|| "x".to_owned())
    }
    fn file(&self, path: &Path) -> FileState {
        match path.file_name().and_then(|n| n.to_str()).unwrap_or_default() {
            n if n.starts_with("missing") => FileState::Missing,
            n if n.starts_with("shared") => FileState::Shared(0o100_644),
            n if n.starts_with("locked") => FileState::Unreadable("permission denied".to_owned()),
            _ => FileState::Private,
        }
    }
    fn home(&self) -> Option<PathBuf> {
        Some("/home/li".into())
    }
}

fn read(text: &str) -> Config {
    parse(Path::new("c.toml"), text, &Fair, &Catalog { middleware: vec!["mysql", "redis", "rabbitmq", "elasticsearch"] })
}

fn told(config: &Config) -> String {
    config.diagnostics.iter().map(|d| show::diagnostic(d) + "\n").collect()
}

fn data(folder: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

/// Beside each `x.toml` stands `x.txt`: what is told, word for word. Lines `in use:` and `broken:` close it.
#[test]
fn every_mistake_is_told_with_its_place_and_a_way_out() {
    let files = data("invalid");
    assert!(files.len() >= 10, "{}", files.len());
    let mut wrong = String::new();
    for path in files {
        let config = read(&std::fs::read_to_string(&path).unwrap());
        let broken: Vec<&str> = config.broken.iter().map(|b| &**b.subject.name()).collect();
        let used: Vec<&str> = config.hosts.iter().map(|h| &*h.name).chain(config.clusters.iter().map(|c| &*c.name)).collect();
        let found = format!("{}in use: {}\nbroken: {}\n", told(&config), used.join(" "), broken.join(" "));
        let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        if found != expected {
            wrong += &format!("--- {}\nexpected\n{expected}\nfound\n{found}\n", path.display());
        }
        assert!(config.diagnostics.iter().all(|d| d.line > 0 && d.column > 0 && !d.help.is_empty()), "{}", path.display());
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_example_is_faultless_and_shows_every_key() {
    let text = include_str!("../../config.example.toml");
    let config = read(text);
    assert_eq!(told(&config), "");
    assert!(config.broken.is_empty());
    let shown = |key: &str| text.lines().any(|l| l.split('#').next().is_some_and(|l| l.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|w| w == key)));
    for (table, keys) in schema::ALL {
        for key in *keys {
            assert!(shown(key), "{table}: {key}");
        }
    }
    for (part, limits) in toml::Table::try_from(Limits::default()).unwrap() {
        for key in limits.as_table().unwrap().keys() {
            assert!(shown(key), "limits.{part}.{key}");
        }
    }
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn hosts_expand_in_step_and_take_the_defaults() {
    let config = read(include_str!("../../config.example.toml"));
    let names: Vec<&str> = config.hosts.iter().map(|h| &*h.name).collect();
    assert_eq!(names, ["bastion", "kvm-1", "kvm-2", "kvm-3", "kvm-4", "here"]);
    let Reach::Ssh(ssh) = &config.hosts[3].reach else { panic!("over SSH") };
    assert_eq!((ssh.address.as_str(), ssh.user.as_deref(), ssh.jump.as_slice()), ("10.0.0.3", Some("root"), &["bastion".to_owned()][..]));
    assert_eq!(ssh.identities, [PathBuf::from("/home/li/.ssh/id_ed25519")]);
    assert!(matches!(config.hosts[3].escalation, Escalation::Sudo { password: Some(_) }));
    let Reach::Ssh(bastion) = &config.hosts[0].reach else { panic!("over SSH") };
    assert_eq!((bastion.config_file.as_ref(), config.hosts[0].every), (None, Duration::from_secs(10)));
    assert!(matches!(config.hosts[5].reach, Reach::Local));
    let via = Via::KubeObject { cluster: "main".into(), namespace: "pro".into(), kind: "statefulset".into(), name: "redis".into() };
    assert_eq!(config.middleware[2].via, Some(via));
}

#[test]
fn a_plain_secret_is_warned_about_and_hidden() {
    let config = read("[[host]]\nname = \"a\"\npassword = \"hunter2\"\n");
    assert_eq!(config.hosts.len(), 1);
    assert_eq!(config.diagnostics[0].severity, Severity::Warning);
    let all = show::config(&config) + &told(&config) + &format!("{config:?}");
    assert!(!all.contains("hunter2") && all.contains("password = \"***\""), "{all}");
}

#[test]
fn limits_change_one_by_one() {
    let config = read("[limits.host]\ndisk_used_percent = { warn = 70, crit = 80.5 }\n");
    assert_eq!((config.limits.host.disk_used_percent.warn, config.limits.host.disk_used_percent.crit), (70.0, 80.5));
    assert_eq!(config.limits.pod, Limits::default().pod);
}

#[test]
fn a_machine_without_a_file_has_itself_and_its_context() {
    let config = Config::default_for_machine("box", Some("prod"));
    assert!(matches!(config.hosts[0].reach, Reach::Local));
    assert_eq!((&*config.hosts[0].name, &*config.clusters[0].name), ("box", "prod"));
    assert_eq!(Subject::Host("box".into()).name(), &config.hosts[0].name);
}
