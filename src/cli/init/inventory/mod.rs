//! An Ansible inventory, INI or YAML: groups, children, variables, ranges such as `web[01:10]`.

mod ini;
mod yaml;

use std::collections::BTreeMap;

use super::found::Found;
use super::jump;
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

/// The hosts of an inventory, with the variables of their groups; a host's own win. The name of the file tells YAML; without one
/// that does, what does not read as YAML with groups is INI.
pub(super) fn hosts(file: &str, text: &str) -> Result<Vec<Found>, String> {
    let extension = file.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
    let inventory = match extension.as_str() {
        "yml" | "yaml" | "json" => yaml::read(text)?,
        "ini" => ini::read(text)?,
        _ if text.trim_start().starts_with("---") => yaml::read(text)?,
        _ => yaml::read(text).or_else(|_| ini::read(text))?,
    };
    Ok(inventory.finish())
}

/// `[01:10]` is our `[01-10]`; a colon elsewhere belongs to a port or an IPv6 address.
fn names(pattern: &str) -> Result<Vec<String>, String> {
    let mut inside = false;
    let turn = |c| {
        inside = c == '[' || (inside && c != ']');
        if inside && c == ':' { '-' } else { c }
    };
    let turned: String = pattern.chars().map(turn).collect();
    expand(&letters(&turned))
}

/// `[a-d]` as `[a,b,c,d]`: Ansible counts letters too.
fn letters(pattern: &str) -> String {
    let mut out = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        out.push('[');
        rest = after;
        let mut inner = after.chars();
        let range = (inner.next(), inner.next(), inner.next(), inner.next());
        if let (Some(from), Some('-'), Some(to), Some(']')) = range
            && from.is_ascii_alphabetic()
            && to.is_ascii_alphabetic()
        {
            let all: Vec<String> = (from..=to).map(String::from).collect();
            out.push_str(&all.join(","));
            rest = &after[3..];
        }
    }
    out + rest
}

impl Inventory {
    fn add(&mut self, group: &str, pattern: &str, vars: &Vars) -> Result<(), String> {
        for name in names(pattern)? {
            match self.hosts.iter_mut().find(|(n, _)| *n == name) {
                Some((_, own)) => own.extend(vars.clone()),
                None => self.hosts.push((name.clone(), vars.clone())),
            }
            let members = self.members.entry(group.to_owned()).or_default();
            if !members.contains(&name) {
                members.push(name);
            }
        }
        Ok(())
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

    /// How far a group is below `all`, which is where Ansible begins to merge: the deepest wins.
    fn depth(&self, group: &str, seen: &mut Vec<String>) -> usize {
        if group == "all" || seen.iter().any(|s| s == group) {
            return 0;
        }
        seen.push(group.to_owned());
        let parents = self.children.iter().filter(|(_, c)| c.iter().any(|n| n == group));
        let depth = parents.map(|(parent, _)| self.depth(parent, seen)).max().unwrap_or(0) + 1;
        seen.pop();
        depth
    }

    fn finish(self) -> Vec<Found> {
        self.hosts.iter().filter_map(|(name, own)| self.found(name, own)).collect()
    }

    fn found(&self, name: &str, own: &Vars) -> Option<Found> {
        let groups = self.groups(name);
        let mut order: Vec<&String> = groups.iter().filter(|g| *g != "all").collect();
        // Of one depth Ansible takes them by name, and the last one wins.
        order.sort_by_key(|g| std::cmp::Reverse((self.depth(g, &mut Vec::new()), (*g).clone())));
        let inherited = |key: &str| order.iter().map(|g| g.as_str()).chain(["ungrouped", "all"]).find_map(|g| self.vars.get(g)?.get(key));
        let said = |key: &str| own.get(key).or_else(|| inherited(key)).map(String::as_str);
        let mut notes = Vec::new();
        let mut get = |key: &str| {
            let value = said(key).filter(|v| !v.is_empty())?;
            if value.contains("{{") {
                notes.push(format!("{key} is a template: {value}"));
                return None;
            }
            Some(value.to_owned())
        };
        if get("ansible_connection").is_some_and(|c| c == "local") {
            return None;
        }
        let truth = |v: String| matches!(v.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "1");
        let mut found = Found {
            name: name.to_owned(),
            address: get("ansible_host").or_else(|| get("ansible_ssh_host")).unwrap_or_default(),
            user: get("ansible_user").or_else(|| get("ansible_ssh_user")),
            port: get("ansible_port").or_else(|| get("ansible_ssh_port")).and_then(|p| p.parse().ok()),
            identity: get("ansible_ssh_private_key_file").or_else(|| get("ansible_private_key_file")),
            sudo: get("ansible_become").is_some_and(truth),
            ..Found::default()
        };
        for key in ["ansible_ssh_common_args", "ansible_ssh_extra_args"] {
            match jump::hops(said(key).unwrap_or_default()) {
                Ok(hops) if found.jump.is_empty() => found.jump = hops,
                Ok(_) => {}
                Err(what) => notes.push(format!("{key} has what has no equivalent here: {what}")),
            }
        }
        // The variables of a group are for the bastion too, which does not go through itself.
        let own_name = |hop: &String| {
            let host = hop.rsplit_once('@').map_or(hop.as_str(), |(_, h)| h);
            let host = host.split_once(':').map_or(host, |(h, _)| h);
            host == found.name || host == found.address
        };
        if let Some(at) = found.jump.iter().position(own_name) {
            found.jump.truncate(at);
        }
        found.groups = groups.into_iter().filter(|g| g != "all").collect();
        found.notes = notes;
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_numbers_and_letters() {
        assert_eq!(names("web[08:10].x").unwrap(), ["web08.x", "web09.x", "web10.x"]);
        assert_eq!(names("db-[a:c]").unwrap(), ["db-a", "db-b", "db-c"]);
        assert!(names("web[1:").is_err());
    }

    #[test]
    fn the_deepest_group_wins_and_of_one_depth_the_last_name() {
        let text =
            "[a]\nh\n[b]\nh\n[p:children]\nb\n[a:vars]\nansible_user=a\n[p:vars]\nansible_user=p\n[b:vars]\nansible_port=2\n[z]\nh\n[z:vars]\nansible_user=z\n";
        let found = hosts("x.ini", text).unwrap();
        // Depths: b 2, a, p and z 1.
        assert_eq!((found[0].user.as_deref(), found[0].port), (Some("z"), Some(2)));
        assert_eq!(found[0].groups, ["a", "b", "z", "p"]);
    }

    #[test]
    fn circles_of_groups_end() {
        let found = hosts("x.ini", "[a:children]\nb\n[b:children]\na\n[a]\nh\n").unwrap();
        assert_eq!(found[0].groups, ["a", "b"]);
    }
}
