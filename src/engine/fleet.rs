//! From the configuration to running sources. A new kind of source is started here, in one line.

use std::sync::Arc;

use super::Engine;
use super::links::Links;
use super::log::Ways;
use crate::action::host_inspect::HostInspect;
use crate::action::kube_inspect::KubeInspect;
use crate::config::spec::{Config, HostSpec, Reach};
use crate::model::id::Name;
use crate::model::source::{SourceStatus, Subject};
use crate::source::host::HostSource;
use crate::source::kube::KubeSource;

/// Starts everything that the configuration names; gives the rows of all sources, the broken ones included.
pub fn launch(engine: &mut Engine, config: &Config) -> Vec<SourceStatus> {
    let links = connect(engine, config);
    let mut rows: Vec<SourceStatus> = config.broken.iter().map(|b| engine.stillborn(b.subject.clone(), b.why.message.clone(), b.why.help.clone())).collect();
    rows.extend(config.hosts.iter().filter_map(|spec| host(engine, &links, spec)));
    for spec in &config.clusters {
        let Some(api) = engine.clusters.get(&spec.name).cloned() else { continue };
        rows.push(engine.start(Box::new(KubeSource::new(api, spec.namespaces.clone()))));
    }
    for entry in &config.middleware {
        rows.push(match super::group::source(engine, &links, entry, &config.limits.middleware) {
            Ok(source) => engine.start(source),
            Err(e) => engine.stillborn(Subject::Middleware { kind: entry.kind.clone(), name: entry.name.clone() }, e.text, e.remedy),
        });
    }
    let apis = engine.clusters();
    engine.add_inspector(Arc::new(KubeInspect::new(Arc::new(move |name: &str| apis.get(name).cloned()), engine.ground().clock.clone())));
    let shells = links.clone();
    engine.add_inspector(Arc::new(HostInspect::new(Arc::new(move |name: &Name| shells.host(name).map(|link| link.shell.strongest())))));
    rows
}

/// The ways to everything that the configuration names, for what is asked on demand. Dials nothing.
pub fn reach(engine: &mut Engine, config: &Config) {
    connect(engine, config);
}

fn connect(engine: &mut Engine, config: &Config) -> Links {
    let links = Links::new(engine, config);
    for spec in &config.clusters {
        let api = links.cluster(engine, spec);
        engine.add_cluster(spec.name.clone(), api);
    }
    engine.ways = Some(Ways::new(engine.clusters(), &links, config));
    links
}

fn host(engine: &mut Engine, links: &Links, spec: &HostSpec) -> Option<SourceStatus> {
    let link = links.host(&spec.name)?;
    let address = match &spec.reach {
        Reach::Local => Name::from("local"),
        Reach::Ssh(ssh) => Name::from(ssh.address.as_str()),
    };
    let mut source = HostSource::new(spec.name.clone(), address, spec.groups.clone(), spec.every, link.sampler.plain.clone());
    if let Some(privileged) = &link.sampler.privileged {
        source = source.privileged(privileged.clone());
    }
    Some(engine.start(Box::new(source)))
}
