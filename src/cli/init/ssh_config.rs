//! `~/.ssh/config`: its hosts by name. Patterns and `Match` name none; what they say is read by OpenSSH itself at connect time.

use std::fs;
use std::path::{Path, PathBuf};

use super::found::Found;

/// How deep `Include` may go; OpenSSH's own limit is the same.
const DEEPEST: usize = 16;

/// The hosts of a configuration. `include` gives the texts of the files that an `Include` pattern means.
pub(super) fn hosts(text: &str, include: &dyn Fn(&str) -> Vec<String>) -> Vec<Found> {
    let mut out = Vec::new();
    walk(text, include, 0, &mut out);
    let mut seen = Vec::new();
    out.retain(|h: &Found| {
        let new = !seen.contains(&h.name);
        seen.push(h.name.clone());
        new
    });
    out
}

/// Does a `Host` or `Match host` line of this configuration name this host? `Host *` names nobody.
pub(crate) fn knows(text: &str, name: &str, include: &dyn Fn(&str) -> Vec<String>) -> bool {
    knows_at(text, name, include, 0)
}

fn knows_at(text: &str, name: &str, include: &dyn Fn(&str) -> Vec<String>, depth: usize) -> bool {
    lines(text).any(|(key, value)| match key.as_str() {
        "include" if depth < DEEPEST => {
            value.split_whitespace().any(|pattern| include(pattern.trim_matches('"')).iter().any(|text| knows_at(text, name, include, depth + 1)))
        }
        "host" => value.split_whitespace().any(|p| named(p.trim_matches('"'), name)),
        "match" => {
            let words: Vec<&str> = value.split_whitespace().collect();
            let hosts = words.windows(2).filter(|w| matches!(w[0].to_ascii_lowercase().as_str(), "host" | "originalhost"));
            hosts.flat_map(|w| w[1].trim_matches('"').split(',')).any(|p| named(p, name))
        }
        _ => false,
    })
}

fn named(pattern: &str, name: &str) -> bool {
    !pattern.starts_with('!') && !pattern.chars().all(|c| c == '*') && fits(pattern, name)
}

/// The patterns of OpenSSH: `*` is any text, `?` one character.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.chars().next() {
        None => name.is_empty(),
        Some('*') => {
            let rest = pattern.trim_start_matches('*');
            name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| fits(rest, &name[at..]))
        }
        Some(first) => name.chars().next().is_some_and(|c| (first == '?' || c == first) && fits(&pattern[first.len_utf8()..], &name[c.len_utf8()..])),
    }
}

/// Keywords in small letters, with what follows them.
fn lines(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.lines().map(str::trim).filter(|l| !l.starts_with('#')).filter_map(|line| {
        let (key, value) = line.split_once(|c: char| c.is_whitespace() || c == '=')?;
        Some((key.to_ascii_lowercase(), value.trim_start_matches(|c: char| c.is_whitespace() || c == '=')))
    })
}

/// The files of an `Include`: relative ones below `~/.ssh`, `*` within the last part, as OpenSSH sorts them.
pub(crate) fn included(dir: &Path, pattern: &str) -> Vec<String> {
    let path = match pattern.strip_prefix("~/") {
        Some(rest) => dir.parent().unwrap_or(dir).join(rest),
        None => dir.join(pattern),
    };
    let (Some(parent), Some(last)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else { return Vec::new() };
    if !last.contains(['*', '?']) {
        return fs::read_to_string(&path).into_iter().collect();
    }
    let wanted = |p: &PathBuf| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| !n.starts_with('.') && fits(last, n));
    let mut files: Vec<PathBuf> = fs::read_dir(parent).into_iter().flatten().filter_map(|e| e.ok().map(|e| e.path())).filter(wanted).collect();
    files.sort();
    files.iter().filter_map(|p| fs::read_to_string(p).ok()).collect()
}

fn walk(text: &str, include: &dyn Fn(&str) -> Vec<String>, depth: usize, out: &mut Vec<Found>) {
    for (key, value) in lines(text) {
        match key.as_str() {
            "include" if depth < DEEPEST => {
                for pattern in value.split_whitespace() {
                    for text in include(pattern.trim_matches('"')) {
                        walk(&text, include, depth + 1, out);
                    }
                }
            }
            "host" => {
                // `git@` forges and the like are no machines of ours, but only the reader can tell: they come along.
                let plain = value.split_whitespace().map(|n| n.trim_matches('"')).filter(|n| !n.contains(['*', '?', '!', '[', ']']));
                out.extend(plain.map(|n| Found { name: n.to_owned(), ..Found::default() }));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_hosts_only_and_includes_followed() {
        let text = "Include conf.d/*\nHost *\n  User li\nHost bastion kvm-1\n  HostName 10.0.0.1\nHost=web\nMatch host x\n  User y\nHost db-? !db-3\n";
        let include = |p: &str| if p == "conf.d/*" { vec!["host inner\n".to_owned(), "Host bastion\n".to_owned()] } else { Vec::new() };
        let names: Vec<String> = hosts(text, &include).into_iter().map(|h| h.name).collect();
        assert_eq!(names, ["inner", "bastion", "kvm-1", "web"]);
        let endless = |_: &str| vec!["Include x\n".to_owned()];
        assert!(hosts("Include x\n", &endless).is_empty());
    }

    #[test]
    fn a_name_is_known_by_pattern_but_not_by_the_star() {
        let text = "Host *\n  User li\nHost gate web-?? !web-99\nMatch originalhost db,cache-* user x\nInclude more\n";
        let include = |p: &str| if p == "more" { vec!["Host inner\n".to_owned()] } else { Vec::new() };
        for (name, known) in
            [("gate", true), ("web-01", true), ("web-1", false), ("db", true), ("cache-7", true), ("inner", true), ("gates", false), ("", false)]
        {
            assert_eq!(knows(text, name, &include), known, "{name}");
        }
    }
}
