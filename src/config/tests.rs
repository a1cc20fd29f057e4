use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parse::parse;
use super::probe::{FileState, Probe};
use super::spec::{Config, Escalation, HostSpec, Reach, Severity, Via};
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
    fn ssh_knows(&self, config: &Path, name: &str) -> Option<bool> {
        (config != Path::new("/missing_config")).then_some(name == "alias")
    }
}

fn read(text: &str) -> Config {
    parse(Path::new("c.toml"), text, &Fair, &Catalog { middleware: vec!["mysql", "redis", "rabbitmq", "elasticsearch"], ..Catalog::default() })
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
        let found = format!("{}in use: {}\nbroken: {}\n", told(&config), used.join(" "), broken.join(", "));
        let expected = std::fs::read_to_string(path.with_extension("txt")).unwrap_or_default();
        if found != expected {
            let _ = writeln!(wrong, "--- {}\nexpected\n{expected}\nfound\n{found}", path.display());
        }
        assert!(config.diagnostics.iter().all(|d| d.line > 0 && d.column > 0 && !d.help.is_empty()), "{}", path.display());
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Nothing is told, nothing is lost: what `config show` prints reads back as the same.
#[test]
fn what_is_right_passes_and_is_shown_whole() {
    let files = data("valid");
    assert!(files.len() >= 5, "{}", files.len());
    for path in files {
        shown_whole(&std::fs::read_to_string(&path).unwrap(), &path.display().to_string());
    }
    shown_whole(include_str!("../../config.example.toml"), "config.example.toml");
}

fn shown_whole(text: &str, name: &str) {
    let config = read(text);
    assert_eq!(told(&config), "", "{name}");
    assert!(config.broken.is_empty(), "{name}");
    let shown = show::config(&config);
    let again = read(&shown);
    assert_eq!(told(&again), "", "{name}\n{shown}");
    assert_eq!(show::config(&again), shown, "{name}");
    // Every key of every table comes back, each in a table of its kind.
    let (written, shown) = (keys(text), keys(&shown));
    for (table, keys) in written.iter().filter(|(table, _)| **table != "[defaults.ssh]" && **table != "[defaults]") {
        // What all hosts share, each host has.
        for key in keys.iter().filter(|k| *k != "defaults") {
            assert!(shown.get(table).is_some_and(|s| s.contains(key)), "{name}: {table} {key}");
        }
    }
}

/// Which keys a text uses, by the table's name in [`schema::ALL`].
fn keys(text: &str) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut out = BTreeMap::new();
    gather("the file", &text.parse::<toml::Table>().unwrap(), &mut out);
    out
}

fn gather(name: &'static str, table: &toml::Table, out: &mut BTreeMap<&'static str, BTreeSet<String>>) {
    for (key, value) in table {
        out.entry(name).or_default().insert(key.clone());
        let below = match (name, key.as_str()) {
            ("the file", "ui") => "[ui]",
            ("the file", "defaults") => "[defaults]",
            ("[defaults]", "ssh") => "[defaults.ssh]",
            ("the file", "host") => "[[host]]",
            ("the file", "cluster") => "[[cluster]]",
            ("[[cluster]]", "kubeconfig") => "kubeconfig",
            ("the file", "environment") => "[[environment]]",
            ("the file", "middleware") => "[[middleware]]",
            ("[[middleware]]", "tls") => "tls",
            ("[[middleware]]", "amqp") => "amqp",
            ("[[middleware]]", "sentinel") => "sentinel",
            (_, "logs") => "a log",
            (_, "password" | "passphrase" | "become_password" | "api_key") => "a secret",
            _ => continue,
        };
        for table in value.as_table().into_iter().chain(value.as_array().into_iter().flatten().filter_map(toml::Value::as_table)) {
            gather(below, table, out);
        }
    }
}

#[test]
fn the_example_shows_exactly_the_keys_that_the_parser_knows() {
    let text = include_str!("../../config.example.toml");
    let shown = keys(text);
    for (table, known) in schema::ALL {
        let known: BTreeSet<String> = known.iter().map(|k| (*k).to_owned()).collect();
        let found = shown.get(table).cloned().unwrap_or_default();
        assert_eq!(found, known, "{table}");
    }
    let limits = text.parse::<toml::Table>().unwrap().remove("limits").unwrap();
    assert_eq!(paths(&limits), paths(&toml::Value::try_from(Limits::default()).unwrap()));
    assert_eq!(read(text).limits, Limits::default());
}

/// `host.load_per_core.warn` ...
fn paths(value: &toml::Value) -> Vec<String> {
    let Some(table) = value.as_table() else { return vec![String::new()] };
    table.iter().flat_map(|(key, below)| paths(below).into_iter().map(move |path| format!("{key}.{path}"))).collect()
}

/// A key that the lists name and the parser never looks at would be taken silently whatever it says.
#[test]
fn the_parser_looks_at_every_key_of_its_lists() {
    let within = |table: &str, entry: &str| match table {
        "the file" => format!("{entry}\n"),
        "kubeconfig" => format!("[[cluster]]\nname = \"x\"\nkubeconfig = {{ {entry} }}\n"),
        "tls" | "amqp" | "sentinel" => format!("[[middleware]]\nname = \"x\"\n{table} = {{ {entry} }}\n"),
        "a log" => format!("[[host]]\nname = \"x\"\nlogs = [{{ {entry} }}]\n"),
        "a secret" => format!("[[host]]\nname = \"x\"\npassword = {{ {entry} }}\n"),
        header => format!("{header}\n{entry}\n"),
    };
    for (table, keys) in schema::ALL {
        for key in *keys {
            let text = within(table, &format!("{key} = 1979-05-27"));
            let config = read(&text);
            let told = told(&config);
            assert!(
                config.diagnostics.iter().any(|d| d.message.contains(&format!("`{key}` is")) && !d.message.contains("has no key")),
                "{table} {key}\n{told}"
            );
        }
    }
}

#[test]
fn a_bastion_does_not_go_through_itself() {
    let file = data("valid").into_iter().find(|p| p.ends_with("jumps.toml")).unwrap();
    let config = read(&std::fs::read_to_string(&file).unwrap());
    let way = |h: &HostSpec| match &h.reach {
        Reach::Local => format!("{}: local", h.name),
        Reach::Ssh(ssh) => format!("{}: {}", h.name, ssh.jump.join(", ")),
    };
    let ways: Vec<String> = config.hosts.iter().map(way).collect();
    assert_eq!(ways.join("\n") + "\n", std::fs::read_to_string(file.with_extension("txt")).unwrap());
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
