//! The hosts that a pattern stands for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::base::intern::Name;
use crate::base::suggest;

/// This machine, as a target.
pub const LOCAL: &str = "localhost";

/// The hosts of the configuration, and what else a playbook may name.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub hosts: Vec<Entry>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    pub name: Name,
    /// As it is dialled.
    pub address: String,
    pub groups: Vec<Name>,
    /// What templates see beside `inventory_hostname` and `address`.
    pub vars: Map<String, Value>,
}

impl Inventory {
    pub fn host(&self, name: &str) -> Option<&Entry> {
        self.hosts.iter().find(|h| &*h.name == name)
    }

    /// Group to members, `all` included, in the order of the configuration.
    pub fn groups(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for host in &self.hosts {
            groups.entry("all").or_default().push(&host.name);
            for group in &host.groups {
                groups.entry(group).or_default().push(&host.name);
            }
        }
        groups
    }

    /// The hosts of a pattern as Ansible writes it: names and groups with `*`, joined by `,` or `:`, `!` takes away, `&` narrows.
    /// `localhost` is always there.
    ///
    /// # Errors
    /// A part of it stands for no host.
    pub fn select(&self, pattern: &str) -> Result<Vec<Name>, String> {
        let parts: Vec<&str> = pattern.split([',', ':']).map(str::trim).filter(|p| !p.is_empty()).collect();
        let mut chosen: Vec<Name> = Vec::new();
        let only_cuts = parts.iter().all(|p| p.starts_with(['!', '&']));
        if only_cuts && !parts.is_empty() {
            chosen = self.hosts.iter().map(|h| h.name.clone()).collect();
        }
        for part in parts.iter().filter(|p| !p.starts_with(['!', '&'])) {
            for name in self.named(part)? {
                if !chosen.contains(&name) {
                    chosen.push(name);
                }
            }
        }
        for part in &parts {
            if let Some(rest) = part.strip_prefix('&') {
                let keep = self.named(rest)?;
                chosen.retain(|n| keep.contains(n));
            } else if let Some(rest) = part.strip_prefix('!') {
                let drop = self.named(rest)?;
                chosen.retain(|n| !drop.contains(n));
            }
        }
        Ok(chosen)
    }

    fn named(&self, part: &str) -> Result<Vec<Name>, String> {
        if part == LOCAL && self.host(LOCAL).is_none() {
            return Ok(vec![LOCAL.into()]);
        }
        let found: Vec<Name> =
            self.hosts.iter().filter(|h| part == "all" || like(part, &h.name) || h.groups.iter().any(|g| like(part, g))).map(|h| h.name.clone()).collect();
        if found.is_empty() {
            let known = self.hosts.iter().map(|h| &*h.name).chain(self.hosts.iter().flat_map(|h| h.groups.iter().map(|g| &**g)));
            let mut known: Vec<&str> = known.chain(["all", LOCAL]).collect();
            known.sort_unstable();
            known.dedup();
            return Err(format!("no host and no group is named `{part}`; {}", suggest::help(part, known.into_iter(), "the configuration has")));
        }
        Ok(found)
    }
}

/// `*` stands for any text.
fn like(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_as_ansible_reads_them() {
        let host = |name: &str, groups: &[&str]| Entry { name: name.into(), groups: groups.iter().map(|g| (*g).into()).collect(), ..Entry::default() };
        let all = Inventory { hosts: vec![host("db-1", &["mysql"]), host("db-2", &["mysql", "spare"]), host("mq", &["rabbit"])] };
        let names = |p: &str| all.select(p).map(|l| l.join(" "));
        for (pattern, hosts) in [
            ("all", "db-1 db-2 mq"),
            ("mysql", "db-1 db-2"),
            ("mq,mysql", "mq db-1 db-2"),
            ("db-*:!spare", "db-1"),
            ("mysql:&spare", "db-2"),
            ("!mysql", "mq"),
            ("*-2", "db-2"),
            ("localhost", "localhost"),
            ("", ""),
        ] {
            assert_eq!(names(pattern).unwrap(), hosts, "{pattern}");
        }
        assert_eq!(names("mysq").unwrap_err(), "no host and no group is named `mysq`; did you mean `mysql`?");
        assert_eq!(all.groups()["mysql"], ["db-1", "db-2"]);
    }
}
