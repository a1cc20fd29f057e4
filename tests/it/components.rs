//! Which real parts are here, and what follows for the tests that need them.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use libtest_mimic::{Failed, Trial};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    required: bool,
    version: String,
    install: String,
}

struct Found {
    component: Component,
    /// The version line, or why there is none.
    version: Result<String, String>,
}

static FOUND: LazyLock<BTreeMap<String, Found>> = LazyLock::new(|| {
    let table: BTreeMap<String, Component> = toml::from_str(include_str!("../components.toml")).expect("tests/components.toml");
    table
        .into_iter()
        .map(|(name, component)| {
            let out = Command::new("sh").arg("-c").arg(&component.version).output().expect("sh");
            let line = String::from_utf8_lossy(&out.stdout).lines().next().unwrap_or("").trim().to_owned();
            let version = if out.status.success() && !line.is_empty() { Ok(line) } else { Err(format!("not here; {}", component.install)) };
            (name, Found { component, version })
        })
        .collect()
});

/// What ran against which part, with the version line that the part itself printed.
static SHOWN: Mutex<BTreeMap<String, (usize, String)>> = Mutex::new(BTreeMap::new());
static NOT_SHOWN: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

/// A test that needs `parts` of `components.toml`.
pub fn case(name: &str, parts: &'static [&'static str], body: impl FnOnce() + Send + 'static) -> Trial {
    let missing = parts.iter().find(|part| FOUND.get(**part).unwrap_or_else(|| panic!("{part} is not in tests/components.toml")).version.is_err());
    let Some(part) = missing else {
        return Trial::test(name, move || {
            body();
            let mut shown = SHOWN.lock().expect("no test panics while it holds this");
            for part in parts {
                let version = FOUND[*part].version.clone().unwrap_or_default();
                shown.entry((*part).to_owned()).or_insert((0, version)).0 += 1;
            }
            Ok(())
        });
    };
    let found = &FOUND[*part];
    let why = format!("{part}: {}", found.version.clone().err().unwrap_or_default());
    if found.component.required && std::env::var("CI").is_ok_and(|v| v == "true") {
        return Trial::test(name, move || Err(Failed::from(format!("a required part is missing: {why}"))));
    }
    NOT_SHOWN.lock().expect("single-threaded here").push((name.to_owned(), why));
    Trial::test(name, || Ok(())).with_ignored_flag(true)
}

/// Replaces the version line of a part by what the running server itself said.
pub fn said(part: &str, version: &str) {
    SHOWN.lock().expect("no test panics while it holds this").entry(part.to_owned()).or_default().1 = version.to_owned();
}

/// The closing table. Goes to stderr so that the last lines of stdout stay the runner's own.
pub fn report() {
    eprintln!("\n{:<12} {:>6}  version, as printed by the part itself", "shown", "tests");
    for (part, (tests, version)) in SHOWN.lock().expect("tests are over").iter() {
        eprintln!("{part:<12} {tests:>6}  {version}");
    }
    let hidden = NOT_SHOWN.lock().expect("tests are over");
    if !hidden.is_empty() {
        eprintln!("\nnot shown, and why");
        for (test, why) in hidden.iter() {
            eprintln!("{test}  ({why})");
        }
    }
}
