//! Who may use whom. The table is the design; a module that reaches up, or sideways, fails here.
#![allow(clippy::pedantic, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

/// Module -> the modules it may use. `lib.rs`, `main.rs` and the module itself are not listed.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("model", &["base"]),
    ("store", &["base", "model"]),
    ("config", &["base", "model"]),
    ("playbook", &["base", "model"]),
    ("triage", &["base", "model", "store"]),
    ("port", &["base", "model"]),
    ("link", &["base", "model", "config", "port"]),
    ("source", &["base", "model", "config", "port", "link"]),
    ("action", &["base", "model", "config", "port", "link"]),
    ("engine", &["base", "model", "store", "config", "playbook", "port", "link", "source", "action"]),
    ("ui", &["base", "model", "store", "config", "playbook", "triage", "port"]),
    ("cockpit", &["base", "model", "store", "config", "playbook", "triage", "port", "engine", "ui"]),
    ("headless", &["base", "model", "store", "config", "playbook", "triage", "port", "engine"]),
    ("lab", &["base"]),
    ("cli", &["base", "model", "store", "config", "playbook", "triage", "port", "link", "source", "action", "engine", "ui", "cockpit", "headless", "lab"]),
];

/// Crates that a pure module must not name.
const PURE: &[&str] = &["model", "store", "config", "playbook", "triage"];
const IMPURE_CRATES: &[&str] = &["tokio", "ratatui", "crossterm", "kube", "russh"];

const MOST_LINES: usize = 600;

fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn sources() -> Vec<(String, PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    paths
        .into_iter()
        .map(|path| {
            let first = path.strip_prefix(&src).expect("below src").components().next().expect("a name");
            let module = first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("utf-8");
            (module, path, text)
        })
        .collect()
}

/// The names right behind `prefix`, each taken as an identifier; `crate::{a, b}` gives both.
fn named_after(text: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        let rest = &text[at + prefix.len()..];
        let ident = |s: &str| s.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (i, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    _ if start && !c.is_whitespace() => {
                        found.push(ident(&list[i..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.push(ident(rest));
        }
    }
    found
}

fn code(text: &str) -> String {
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn modules_use_lower_floors_only() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if module == "lib" || module == "main" {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(m, _)| *m == module) else {
            wrong.push(format!("{}: module `{module}` has no floor; give it one in tests/floors.rs and src/lib.rs", path.display()));
            continue;
        };
        for used in named_after(&code(&text), "crate::") {
            if used != module && MAY_USE.iter().any(|(m, _)| *m == used) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} must not use {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_modules_name_no_runtime_and_no_terminal() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if PURE.contains(&module.as_str()) {
            for krate in IMPURE_CRATES {
                if code(&text).contains(&format!("{krate}::")) {
                    wrong.push(format!("{}: {module} is pure and must not use {krate}", path.display()));
                }
            }
        }
        if module == "ui" && ["tokio::net", "kube::", "russh::"].iter().any(|k| code(&text).contains(k)) {
            wrong.push(format!("{}: ui cannot reach a socket", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_clock_is_read_in_one_place() {
    for (_, path, text) in sources() {
        if path.ends_with("base/clock.rs") {
            continue;
        }
        for call in ["Instant::now()", "SystemTime::now()", "Timestamp::now()", "Zoned::now()"] {
            assert!(!code(&text).contains(call), "{}: {call} belongs in base/clock.rs", path.display());
        }
    }
}

/// Every literal between `open` and the next quote.
fn literals<'a>(text: &'a str, open: &str) -> Vec<&'a str> {
    text.match_indices(open).filter_map(|(at, _)| text[at + open.len()..].trim_start().strip_prefix('"')?.split('"').next()).collect()
}

/// What middleware says has words in every language: reasons, numbers, details.
#[test]
fn what_middleware_says_has_words() {
    let tables: Vec<(&str, toml::Table)> = ["en", "zh-CN"]
        .into_iter()
        .map(|name| {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("locales/{name}.toml"));
            (name, fs::read_to_string(file).expect("a locale").parse().expect("TOML"))
        })
        .collect();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if module != "source" || !path.to_string_lossy().contains("middleware") || path.ends_with("poll_tests.rs") {
            continue;
        }
        let text = code(&text);
        let mut used: Vec<(&str, &str)> = Vec::new();
        for open in ["Reason::crit(", "Reason::warn(", "Reason::unknown(", "Reason::note("] {
            used.extend(literals(&text, open).into_iter().map(|key| ("reason", key)));
        }
        used.extend(literals(&text, ".metric(").into_iter().map(|key| ("metric", key)));
        used.extend(literals(&text, "Metric { key: ").into_iter().map(|key| ("metric", key)));
        used.extend(literals(&text, ".detail(").into_iter().map(|key| ("detail", key)));
        used.extend(literals(&text, "Detail { key: ").into_iter().map(|key| ("detail", key)));
        for (table, key) in used {
            for (name, words) in &tables {
                if words.get(table).and_then(|t| t.get(key)).is_none() {
                    wrong.push(format!("{}: `{key}` has no words in [{table}] of {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_small() {
    for (_, path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines, at most {MOST_LINES}; split it by what it is about", path.display());
    }
}
