//! `~/.ssh/config`: its hosts by name. Patterns and `Match` name none; what they say is read by OpenSSH itself at connect time.

use super::found::Found;

/// How deep `Include` may go; OpenSSH's own limit is the same.
const DEEPEST: usize = 16;

/// The hosts of a configuration. `include` gives the texts of the files that an `Include` pattern means.
pub fn hosts(text: &str, include: &dyn Fn(&str) -> Vec<String>) -> Vec<Found> {
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

fn walk(text: &str, include: &dyn Fn(&str) -> Vec<String>, depth: usize, out: &mut Vec<Found>) {
    for line in text.lines().map(str::trim).filter(|l| !l.starts_with('#')) {
        let Some((key, value)) = line.split_once(|c: char| c.is_whitespace() || c == '=') else { continue };
        let value = value.trim_start_matches(|c: char| c.is_whitespace() || c == '=');
        match key.to_ascii_lowercase().as_str() {
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
}
