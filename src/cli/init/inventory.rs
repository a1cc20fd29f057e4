//! An Ansible inventory in its INI form: groups, `:children`, `:vars`, ranges such as `web[01:10]`.

use std::collections::BTreeMap;

use super::found::Found;
use crate::config::pattern::expand;

type Vars = BTreeMap<String, String>;

#[derive(Default)]
struct Inventory {
    /// In the order of the file.
    hosts: Vec<(String, Vars)>,
    members: BTreeMap<String, Vec<String>>,
    children: BTreeMap<String, Vec<String>>,
    vars: BTreeMap<String, Vars>,
}

/// The hosts of an inventory, with the variables of their groups; a host's own win.
pub fn hosts(text: &str) -> Result<Vec<Found>, String> {
    let mut inventory = Inventory::default();
    let (mut group, mut part) = ("ungrouped".to_owned(), "hosts".to_owned());
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = line.strip_prefix('[').and_then(|l| l.split_once(']')).filter(|(_, rest)| rest.is_empty() || rest.trim_start().starts_with('#')) {
            let (name, kind) = header.0.split_once(':').unwrap_or((header.0, "hosts"));
            (group, part) = (name.to_owned(), kind.to_owned());
            continue;
        }
        let words = words(line);
        let Some(first) = words.first() else { continue };
        match part.as_str() {
            "children" => inventory.children.entry(group.clone()).or_default().push(first.clone()),
            "vars" => {
                if let Some((key, value)) = line.split_once('=') {
                    inventory.vars.entry(group.clone()).or_default().insert(key.trim().to_owned(), value.trim().trim_matches(['"', '\'']).to_owned());
                }
            }
            _ => {
                let vars: Vars = words[1..].iter().filter_map(|w| w.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
                for name in expand(&ranges(first)).map_err(|why| format!("line {}: {why}", at + 1))? {
                    inventory.add(&group, &name, &vars);
                }
            }
        }
    }
    Ok(inventory.finish())
}

/// `[01:10]` is our `[01-10]`; a colon elsewhere belongs to a port or an IPv6 address.
fn ranges(name: &str) -> String {
    let mut inside = false;
    let turn = |c| {
        inside = c == '[' || (inside && c != ']');
        if inside && c == ':' { '-' } else { c }
    };
    name.chars().map(turn).collect()
}

/// Words parted by blanks; quotes hold them together.
fn words(line: &str) -> Vec<String> {
    let (mut out, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (None, '#') if word.is_empty() => break,
            (None, '"' | '\'') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
            }
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

impl Inventory {
    fn add(&mut self, group: &str, name: &str, vars: &Vars) {
        match self.hosts.iter_mut().find(|(n, _)| n == name) {
            Some((_, own)) => own.extend(vars.clone()),
            None => self.hosts.push((name.to_owned(), vars.clone())),
        }
        self.members.entry(group.to_owned()).or_default().push(name.to_owned());
    }

    /// The groups of a host, the nearest first, parents behind them.
    fn groups(&self, host: &str) -> Vec<String> {
        let mut out: Vec<String> = self.members.iter().filter(|(g, m)| *g != "ungrouped" && m.iter().any(|n| n == host)).map(|(g, _)| g.clone()).collect();
        let mut at = 0;
        while at < out.len() {
            let parents = self.children.iter().filter(|(_, c)| c.contains(&out[at])).map(|(g, _)| g.clone());
            let new: Vec<String> = parents.filter(|g| !out.contains(g)).collect();
            out.extend(new);
            at += 1;
        }
        out
    }

    fn finish(self) -> Vec<Found> {
        let found = |(name, own): &(String, Vars)| {
            let groups = self.groups(name);
            let get = |key: &str| own.get(key).or_else(|| groups.iter().chain([&"all".to_owned()]).find_map(|g| self.vars.get(g)?.get(key))).cloned();
            Found {
                name: name.clone(),
                address: get("ansible_host").unwrap_or_default(),
                user: get("ansible_user").or_else(|| get("ansible_ssh_user")),
                port: get("ansible_port").and_then(|p| p.parse().ok()),
                identity: get("ansible_ssh_private_key_file"),
                jump: None,
                sudo: get("ansible_become").is_some_and(|b| matches!(b.to_ascii_lowercase().as_str(), "true" | "yes" | "1")),
                groups: groups.into_iter().filter(|g| g != "all").collect(),
            }
        };
        self.hosts.iter().filter(|(_, vars)| vars.get("ansible_connection").is_none_or(|c| c != "local")).map(found).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_children_ranges_and_vars() {
        let text = "gate ansible_host=203.0.113.7 ansible_port=2222\n\n[web]\nweb[08:10] ansible_user='li'\n[db]\ndb-[a,b] # two\n[all_linux:children]\nweb\ndb\n[all_linux:vars]\nansible_user = root\nansible_become=yes\n[all:vars]\nansible_ssh_private_key_file=~/.ssh/ops\n";
        let found = hosts(text).unwrap();
        let names: Vec<&str> = found.iter().map(|h| h.name.as_str()).collect();
        assert_eq!(names, ["gate", "web08", "web09", "web10", "db-a", "db-b"]);
        assert_eq!((found[0].address.as_str(), found[0].port, found[0].sudo), ("203.0.113.7", Some(2222), false));
        assert_eq!((found[1].user.as_deref(), found[1].groups.as_slice()), (Some("li"), &["web".to_owned(), "all_linux".to_owned()][..]));
        assert_eq!((found[4].user.as_deref(), found[4].sudo, found[4].identity.as_deref()), (Some("root"), true, Some("~/.ssh/ops")));
    }
}
