//! What was found, as a configuration that passes `config check`.

use std::fmt::Write as _;

use super::found::{Context, Found};

/// Hosts by where they came from, and contexts. A name that two places know is written once.
pub fn write(hosts: &[(String, Vec<Found>)], contexts: &[Context]) -> String {
    let mut out = String::from("# Written by `quarterdeck init`. Every key is explained in config.example.toml; `quarterdeck config check` tells mistakes.\n");
    let mut seen: Vec<&str> = Vec::new();
    for (from, list) in hosts {
        let new: Vec<&Found> = list.iter().filter(|h| !seen.contains(&h.name.as_str())).collect();
        seen.extend(new.iter().map(|h| h.name.as_str()));
        if !new.is_empty() {
            let _ = writeln!(out, "\n# from {}", one_line(from));
        }
        let mut at = 0;
        while at < new.len() {
            let run = run(&new[at..]);
            host(&mut out, &new[at..at + run]);
            at += run;
        }
    }
    let mut names: Vec<String> = Vec::new();
    for context in contexts {
        let count = names.iter().filter(|n| **n == context.name).count();
        names.push(context.name.clone());
        let name = if count == 0 { context.name.clone() } else { format!("{}-{}", context.name, count + 1) };
        let _ = writeln!(
            out,
            "\n# from {}\n[[cluster]]\nname = {}\nkubeconfig = {}\ncontext = {}",
            one_line(&context.file),
            quote(&name),
            quote(&context.file),
            quote(&context.name)
        );
    }
    out
}

/// How many of the first hosts count up by one in name (and address) and are alike in all else.
fn run(hosts: &[&Found]) -> usize {
    let Some(first) = hosts.first() else { return 0 };
    let mut length = 1;
    while let Some(next) = hosts.get(length) {
        let step = u64::try_from(length).unwrap_or(0);
        let alike = Found { name: first.name.clone(), address: first.address.clone(), ..(*next).clone() } == **first;
        let counts =
            follows(&first.name, &next.name, step) && (first.address.is_empty() && next.address.is_empty() || follows(&first.address, &next.address, step));
        if !(alike && counts) {
            break;
        }
        length += 1;
    }
    length
}

/// The text before the digits at its end, and the digits.
fn split(text: &str) -> Option<(&str, &str)> {
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &text[stem.len()..];
    (!digits.is_empty() && digits.len() < 9).then_some((stem, digits))
}

fn follows(first: &str, next: &str, step: u64) -> bool {
    let (Some((stem, from)), Some((other, to))) = (split(first), split(next)) else { return false };
    let padded = !from.starts_with('0') || from.len() == to.len();
    let plain = from.starts_with('0') || !to.starts_with('0');
    stem == other && padded && plain && from.parse::<u64>().ok().map(|n| n + step) == to.parse().ok()
}

fn range(texts: (&str, &str)) -> String {
    match (split(texts.0), split(texts.1)) {
        (Some((stem, from)), Some((_, to))) => format!("{stem}[{from}-{to}]"),
        _ => texts.0.to_owned(),
    }
}

fn host(out: &mut String, run: &[&Found]) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    let pattern = |a: &str, b: &str| if run.len() > 1 { range((a, b)) } else { a.to_owned() };
    let _ = writeln!(out, "[[host]]\nname = {}", quote(&pattern(&first.name, &last.name)));
    if !first.address.is_empty() {
        let _ = writeln!(out, "address = {}", quote(&pattern(&first.address, &last.address)));
    }
    for (key, value) in [("user", &first.user), ("identity", &first.identity), ("jump", &first.jump)] {
        if let Some(value) = value {
            let _ = writeln!(out, "{key} = {}", quote(value));
        }
    }
    if let Some(port) = first.port {
        let _ = writeln!(out, "port = {port}");
    }
    if first.sudo {
        out.push_str("become = \"sudo\"\n");
    }
    if !first.groups.is_empty() {
        let groups: Vec<String> = first.groups.iter().map(|g| quote(g)).collect();
        let _ = writeln!(out, "groups = [{}]", groups.join(", "));
    }
}

fn quote(text: &str) -> String {
    toml::Value::String(one_line(text)).to_string()
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
