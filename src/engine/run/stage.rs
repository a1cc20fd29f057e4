//! From the configuration to what a run is made of: its inventory, its ways, and whether changes are allowed there at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::spec::{Config, Reach, ReadOnly};
use crate::engine::Engine;
use crate::engine::links::Links;
use crate::model::id::Name;
use crate::playbook::inventory::{Entry, Inventory};
use crate::port::action::Files;

use super::ways::Ways;

/// The hosts that playbooks may name.
pub fn inventory(config: &Config) -> Inventory {
    let hosts = config.hosts.iter().map(|h| Entry {
        name: h.name.clone(),
        address: match &h.reach {
            Reach::Ssh(ssh) => ssh.address.clone(),
            Reach::Local => "127.0.0.1".to_owned(),
        },
        groups: h.groups.clone(),
        ..Entry::default()
    });
    Inventory { hosts: hosts.collect() }
}

/// The ways to everything that the configuration names, with logins of their own.
pub fn ways(engine: &Engine, config: &Config) -> Arc<Ways> {
    let links = Links::new(engine, config);
    let clusters = config.clusters.iter().map(|c| (c.name.clone(), links.cluster(engine, c))).collect();
    Arc::new(Ways::new(links, config, clusters, engine.ground().clock.clone()))
}

/// The environment that is locked and that one of these hosts belongs to.
pub fn locked(config: &Config, hosts: &[Name]) -> Option<Name> {
    let locked = config.environments.iter().filter(|e| e.read_only == ReadOnly::Locked);
    locked
        .filter(|e| {
            // An environment that names nothing is everything.
            let whole = e.groups.is_empty() && e.clusters.is_empty() && e.namespaces.is_empty() && e.middleware.is_empty();
            whole || config.hosts.iter().filter(|h| hosts.contains(&h.name)).any(|h| h.groups.iter().any(|g| e.groups.contains(g)))
        })
        .map(|e| e.name.clone())
        .next()
}

/// Files beside a playbook on this machine.
#[derive(Clone, Debug)]
pub struct Beside(pub PathBuf);

impl Files for Beside {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let whole = if Path::new(path).is_absolute() { PathBuf::from(path) } else { self.0.join(path) };
        std::fs::read(&whole).map_err(|e| format!("cannot read {}: {e}", whole.display()))
    }
}
