//! The text of a configuration becomes a [`Config`], with a diagnostic for every mistake. One bad entry never costs another.

use std::collections::HashMap;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::jump::{self, Jump};
use super::keymap::Keymap;
use super::probe::Probe;
use super::reader::{Fields, Reader, Span, Value};
use super::refs::{self, Names, Ref, RefKind};
use super::spec::{BrokenEntry, Config, Diagnostic, Environment, GlyphChoice, KeyPreset, LogOwner, ReadOnly, UiConfig};
use super::theme::{self, Themes};
use super::{cluster, host, limits, middleware, schema};
use crate::model::catalog::Catalog;
use crate::model::id::Name;
use crate::model::source::Subject;

/// Reads the whole text. Never fails: what cannot be used is in `broken` and `diagnostics`, in the order of the file.
pub fn parse(file: &Path, text: &str, probe: &dyn Probe, catalog: &Catalog) -> Config {
    let mut r = Reader { file, text, probe, notes: Vec::new() };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let help = "see https://toml.io for how it is written; texts stand in \"quotes\", tables begin with [name] or [[name]]";
        r.error(&error.span().unwrap_or(0..0), format!("this is not TOML: {}", error.message()), help);
    }
    let span = root.span();
    let root = root.into_inner();
    let mut config = Config { path: Some(file.to_owned()), ..Config::default() };
    let mut pass = Pass { config: &mut config, catalog, names: Names::default(), refs: Vec::new(), jumps: Vec::new(), seen: HashMap::new() };
    pass.read(&mut r, &root, span);
    let Reader { mut notes, .. } = r;
    notes.sort_by_key(|n| (n.line, n.column));
    // What many hosts take from [defaults.ssh] is one mistake.
    notes.dedup();
    config.diagnostics = notes;
    config
}

struct Pass<'c> {
    config: &'c mut Config,
    catalog: &'c Catalog,
    names: Names,
    refs: Vec<(Vec<Subject>, Ref)>,
    jumps: Vec<Jump>,
    /// First place of each name, by table.
    seen: HashMap<(&'static str, String), Span>,
}

impl Pass<'_> {
    fn read<'t>(&mut self, r: &mut Reader<'_>, root: &'t DeTable<'t>, span: Span) {
        // Behind a broken header the keys of its table seem to stand at the top; the header is the mistake.
        let whole = r.notes.is_empty();
        for name in root.keys().filter(|k| whole && !schema::ROOT.contains(&k.get_ref().as_ref())) {
            let wrong = name.get_ref().as_ref();
            r.error(&name.span(), format!("there is no table `{wrong}`"), crate::base::suggest::help(wrong, schema::ROOT.iter().copied(), "the tables are"));
        }
        let f = Fields { table: root, span, what: "the file" };
        self.config.ui = ui(r, &f);
        if let Some(value) = root.get("limits") {
            match value.get_ref().as_table() {
                Some(table) => self.config.limits = limits::read(r, table),
                None => r.wrong_type("limits", value, "a table"),
            }
        }
        let login = defaults(r, &f);
        for (at, value) in entries(r, root, "host").into_iter().enumerate() {
            self.host(r, value, at, &login);
        }
        for (at, value) in entries(r, root, "cluster").into_iter().enumerate() {
            self.cluster(r, value, at);
        }
        for (at, value) in entries(r, root, "middleware").into_iter().enumerate() {
            self.middleware(r, value, at);
        }
        for value in entries(r, root, "environment") {
            self.environment(r, value);
        }
        for (owners, reference) in std::mem::take(&mut self.refs) {
            let before = r.errors();
            refs::check(r, &self.names, &reference);
            if let Some(why) = r.error_after(before) {
                for subject in owners {
                    self.config.broken.push(BrokenEntry { subject, why: why.clone() });
                }
            }
        }
        for (name, before) in jump::circles(r, &self.jumps) {
            if let Some(why) = r.error_after(before) {
                self.config.broken.push(BrokenEntry { subject: Subject::Host(name.as_str().into()), why });
            }
        }
        self.drop_broken();
    }

    /// Tells a name that is there already, and gives what was told.
    fn second(&mut self, r: &mut Reader<'_>, table: &'static str, name: &str, span: &Span) -> Option<Diagnostic> {
        let Some(first) = self.seen.get(&(table, name.to_owned())) else {
            self.seen.insert((table, name.to_owned()), span.clone());
            return None;
        };
        let (before, line) = (r.errors(), r.line(first));
        r.error(span, format!("a second {table} is named `{name}`; the first is at line {line}"), "give one of the two another name");
        r.error_after(before)
    }

    fn host(&mut self, r: &mut Reader<'_>, value: &Value<'_>, at: usize, login: &host::Login) {
        let before = r.errors();
        let entry = host::read(r, value, login);
        let own_error = r.error_after(before);
        let mut subjects = Vec::new();
        let mut again = Vec::new();
        for (name, span) in &entry.names {
            self.names.hosts.push(name.clone());
            match self.second(r, "host", name, span) {
                // The first of two hosts of one name stays in use; the second has a row of its own that says why it is not.
                Some(why) => {
                    again.push(name.clone());
                    let subject = Subject::Host(placed(name, r.line(span)));
                    self.config.broken.push(BrokenEntry { subject, why });
                }
                None => subjects.push(Subject::Host(name.as_str().into())),
            }
        }
        self.names.groups.extend(entry.hosts.iter().flat_map(|h| h.groups.iter().map(ToString::to_string)));
        if entry.names.is_empty() {
            subjects.push(Subject::Host(nameless("host", at, r.line(&value.span()))));
        }
        if let Some(why) = own_error {
            self.config.broken.extend(subjects.into_iter().map(|subject| BrokenEntry { subject, why: why.clone() }));
            return;
        }
        self.refs.extend(entry.refs.into_iter().map(|reference| (subjects.clone(), reference)));
        self.jumps.extend(entry.jumps.into_iter().filter(|j| !again.contains(&j.from)));
        self.config.logs.extend(entry.logs.into_iter().filter(|l| !matches!(&l.owner, LogOwner::Host(name) if again.iter().any(|n| **n == **name))));
        self.config.hosts.extend(entry.hosts.into_iter().filter(|h| !again.iter().any(|n| **n == *h.name)));
    }

    fn cluster(&mut self, r: &mut Reader<'_>, value: &Value<'_>, at: usize) {
        let before = r.errors();
        let entry = cluster::read(r, value);
        let (name, why) = self.one(r, "cluster", entry.name.as_ref(), (value, at), before);
        self.names.clusters.extend(entry.name.map(|(n, _)| n));
        let subject = Subject::Cluster(name);
        if let Some(why) = why {
            self.config.broken.push(BrokenEntry { subject, why });
            return;
        }
        self.refs.extend(entry.refs.into_iter().map(|reference| (vec![subject.clone()], reference)));
        self.config.clusters.extend(entry.cluster);
    }

    fn middleware(&mut self, r: &mut Reader<'_>, value: &Value<'_>, at: usize) {
        let before = r.errors();
        let entry = middleware::read(r, value, self.catalog);
        let (name, why) = self.one(r, "middleware", entry.name.as_ref(), (value, at), before);
        self.names.middleware.extend(entry.name.map(|(n, _)| n));
        let subject = Subject::Middleware { kind: entry.kind.as_str().into(), name };
        if let Some(why) = why {
            self.config.broken.push(BrokenEntry { subject, why });
            return;
        }
        self.refs.extend(entry.refs.into_iter().map(|reference| (vec![subject.clone()], reference)));
        self.config.middleware.extend(entry.spec);
        self.config.logs.extend(entry.logs);
    }

    /// The name that the row of an entry has, and what is wrong with the entry: its own first error, or that its name is taken.
    fn one(
        &mut self,
        r: &mut Reader<'_>,
        table: &'static str,
        name: Option<&(String, Span)>,
        entry: (&Value<'_>, usize),
        before: usize,
    ) -> (Name, Option<Diagnostic>) {
        let Some((name, span)) = name else { return (nameless(table, entry.1, r.line(&entry.0.span())), r.error_after(before)) };
        match self.second(r, table, name, span) {
            Some(_) => (placed(name, r.line(span)), r.error_after(before)),
            None => (name.as_str().into(), r.error_after(before)),
        }
    }

    fn environment(&mut self, r: &mut Reader<'_>, value: &Value<'_>) {
        let Some(f) = r.fields("environment", value, "[[environment]]", schema::ENVIRONMENT) else { return };
        let name = r.required(&f, "name");
        if let Some((name, span)) = &name {
            self.second(r, "environment", name, span);
        }
        let mut list = |r: &mut Reader<'_>, key: &str, kind: Option<RefKind>| -> Vec<Name> {
            let items = r.strings(&f, key).unwrap_or_default();
            if let Some(kind) = kind {
                self.refs.extend(items.iter().map(|(name, span)| (Vec::new(), Ref { kind: kind.clone(), name: name.clone(), span: span.clone() })));
            }
            items.into_iter().map(|(name, _)| name.into()).collect()
        };
        let environment = Environment {
            clusters: list(r, "clusters", Some(RefKind::Cluster)),
            groups: list(r, "groups", Some(RefKind::Group)),
            middleware: list(r, "middleware", Some(RefKind::Middleware)),
            namespaces: list(r, "namespaces", None),
            color: color(r, &f),
            read_only: r.choice(&f, "read_only", &[("default", ReadOnly::Default), ("locked", ReadOnly::Locked)]).unwrap_or_default(),
            name: name.map(|(n, _)| n).unwrap_or_default().into(),
        };
        self.config.environments.push(environment);
    }

    fn drop_broken(&mut self) {
        let broken: Vec<Subject> = self.config.broken.iter().map(|b| b.subject.clone()).collect();
        self.config.hosts.retain(|h| !broken.contains(&Subject::Host(h.name.clone())));
        self.config.clusters.retain(|c| !broken.contains(&Subject::Cluster(c.name.clone())));
        self.config.middleware.retain(|m| !broken.contains(&Subject::Middleware { kind: m.kind.clone(), name: m.name.clone() }));
        let mut once = Vec::new();
        self.config.broken.retain(|b| {
            let new = !once.contains(&b.subject);
            once.push(b.subject.clone());
            new
        });
    }
}

/// The entries of `[[name]]`; a single table is taken for a list of one mistake less.
fn entries<'t>(r: &mut Reader<'_>, root: &'t DeTable<'t>, name: &str) -> Vec<&'t Value<'t>> {
    let Some(value) = root.get(name) else { return Vec::new() };
    if let DeValue::Array(list) = value.get_ref() {
        return list.iter().collect();
    }
    r.error(&value.span(), format!("`{name}` is one table, expected a list of them"), format!("begin each with [[{name}]], in double brackets"));
    Vec::new()
}

/// What an entry is called that shares its name with an earlier one.
fn placed(name: &str, line: usize) -> Name {
    format!("{name} (line {line})").as_str().into()
}

fn nameless(table: &str, at: usize, line: usize) -> Name {
    format!("{table} #{} (line {line})", at + 1).as_str().into()
}

fn theme(r: &mut Reader<'_>, f: &Fields<'_>) -> String {
    let Some((name, span)) = r.string(f, "theme") else { return String::new() };
    let themes = Themes::default();
    let own = r.probe.own_themes(r.file);
    let known = || themes.names().chain(own.iter().map(String::as_str));
    if known().any(|known| known == name) {
        return name;
    }
    r.error(&span, format!("there is no theme `{name}`"), crate::base::suggest::help(&name, known(), "the themes are"));
    String::new()
}

fn color(r: &mut Reader<'_>, f: &Fields<'_>) -> String {
    let Some((name, span)) = r.string(f, "color") else { return String::new() };
    if theme::colour(&name).is_some() {
        return name;
    }
    let help = crate::base::suggest::help(&name, theme::ANSI.into_iter(), "the colours are");
    r.error(&span, format!("there is no colour `{name}`"), format!("{help} (or write #rrggbb)"));
    String::new()
}

fn defaults(r: &mut Reader<'_>, root: &Fields<'_>) -> host::Login {
    let Some(f) = root.table.get("defaults").and_then(|v| r.fields("defaults", v, "[defaults]", schema::DEFAULTS)) else { return host::Login::default() };
    match f.table.get("ssh").and_then(|v| r.fields("ssh", v, "[defaults.ssh]", schema::SSH)) {
        Some(ssh) => host::login(r, &ssh),
        None => host::Login::default(),
    }
}

fn ui(r: &mut Reader<'_>, root: &Fields<'_>) -> UiConfig {
    let mut ui = UiConfig::default();
    if let Some(f) = root.table.get("ui").and_then(|v| r.fields("ui", v, "[ui]", schema::UI)) {
        ui.theme = theme(r, &f);
        r.choice(&f, "lang", &[("auto", "auto"), ("en", "en"), ("zh-CN", "zh-CN")]).unwrap_or("auto").clone_into(&mut ui.lang);
        ui.keys = r.choice(&f, "keys", &[("default", KeyPreset::Default), ("k9s", KeyPreset::K9s)]).unwrap_or_default();
        ui.glyphs =
            r.choice(&f, "glyphs", &[("auto", GlyphChoice::Auto), ("unicode", GlyphChoice::Unicode), ("ascii", GlyphChoice::Ascii)]).unwrap_or_default();
        ui.mouse = r.boolean(&f, "mouse").unwrap_or(false);
    }
    let Some(value) = root.table.get("keys") else { return ui };
    let Some(table) = value.get_ref().as_table() else {
        r.wrong_type("keys", value, "a table of command = [\"key\"]");
        return ui;
    };
    let f = Fields { table, span: value.span(), what: "[keys]" };
    let mut spans: HashMap<(String, String), Span> = HashMap::new();
    // In the order of the file, so that of two that clash the first one stays.
    let mut names: Vec<_> = table.keys().collect();
    names.sort_by_key(|k| k.span().start);
    for key in names {
        let name = key.get_ref().to_string();
        spans.insert((name.clone(), String::new()), key.span());
        let keys = r.strings(&f, &name).unwrap_or_default();
        spans.extend(keys.iter().map(|(k, s)| ((name.clone(), k.clone()), s.clone())));
        ui.bindings.push((name, keys.into_iter().map(|(k, _)| k).collect()));
    }
    for clash in Keymap::check(ui.keys, &ui.bindings).1 {
        let span = spans.get(&(clash.command, clash.key)).cloned().unwrap_or(f.span.clone());
        r.error(&span, clash.message, clash.help);
    }
    ui
}
