//! From a `[[middleware]]` entry to its source: secrets become fetches, `via` becomes a way to dial.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;

use super::Engine;
use super::links::Links;
use super::tunnel::{Pick, ThroughCluster, ThroughContainer, ThroughHost};
use crate::config::spec::{MiddlewareSpec, SecretRef, TlsSpec, Via};
use crate::model::ask::AskKind;
use crate::model::id::Name;
use crate::model::limits::MiddlewareLimits;
use crate::model::source::SourceState;
use crate::port::{Source, SourceError};
use crate::source::middleware::reach::Reach;
use crate::source::middleware::spec::{Account, Companion, Credential, Identity, Password, Spec, Tls};

/// The port of a kind, for members that name none.
fn port_of(kind: &str) -> u16 {
    match kind {
        "redis" => 6379,
        "rabbitmq" => 15672,
        "elasticsearch" => 9200,
        "nacos" => 8848,
        _ => 3306,
    }
}

/// No kind is asked faster than this, whatever the entry says. A RabbitMQ node gathers its numbers every 5 s; asked more often it
/// would only work more.
fn fastest(kind: &str) -> Duration {
    Duration::from_secs(if kind == "rabbitmq" { 5 } else { 0 })
}

pub(super) fn source(engine: &Engine, links: &Links, entry: &MiddlewareSpec, limits: &MiddlewareLimits) -> Result<Box<dyn Source>, SourceError> {
    let mut spec = Spec::new(&entry.kind, &entry.name, &[]);
    spec.members = members(entry);
    spec.account = account(links, entry, entry.user.as_deref(), entry.password.as_ref());
    if let Some(key) = &entry.api_key {
        spec.account = account(links, entry, None, Some(key));
        spec.credential = Credential::ApiKey;
    }
    spec.tls = tls(entry.tls.as_ref())?;
    spec.reach = reach(engine, links, entry)?;
    spec.every = Some(entry.every.max(fastest(&entry.kind)));
    spec.limits = limits.clone();
    spec.settings.extend(entry.settings.iter().cloned());
    if let Some(sentinel) = &entry.sentinel {
        let settings = BTreeMap::from([("master".to_owned(), sentinel.master.clone())]);
        let account = account(links, entry, sentinel.user.as_deref(), sentinel.password.as_ref());
        spec.companions.push(Companion { role: "sentinel".into(), members: sentinel.members.clone(), account, settings });
    }
    if let Some(amqp) = &entry.amqp {
        let settings = BTreeMap::from([("vhost".to_owned(), amqp.vhost.clone())]);
        let account = account(links, entry, amqp.user.as_deref(), amqp.password.as_ref());
        spec.companions.push(Companion { role: "amqp".into(), members: Vec::new(), account, settings });
    }
    crate::source::middleware::source(spec)
}

fn account(links: &Links, entry: &MiddlewareSpec, user: Option<&str>, password: Option<&SecretRef>) -> Account {
    let password = password.map_or(Password::None, |reference| {
        let (secrets, reference, about) = (links.secrets.clone(), reference.clone(), format!("{} {}", entry.kind, entry.name));
        Password::Fetched(Arc::new(move || {
            let (secrets, reference, about) = (secrets.clone(), reference.clone(), about.clone());
            async move {
                secrets
                    .resolve(&reference, &about, AskKind::Password)
                    .await
                    .map_err(|e| if e.remedy.is_empty() { e.text } else { format!("{}; {}", e.text, e.remedy) })
            }
            .boxed()
        }))
    });
    Account { user: user.unwrap_or_default().to_owned(), password }
}

fn tls(spec: Option<&TlsSpec>) -> Result<Tls, SourceError> {
    let Some(spec) = spec else { return Ok(Tls::Off) };
    let read = |key: &str, path: &Path, help: &str| {
        std::fs::read(path).map_err(|e| SourceError::new(SourceState::Broken, format!("tls {key} {}: {e}", path.display()), help))
    };
    let how = match (&spec.fingerprint, &spec.ca) {
        _ if !spec.verify => Tls::Unverified,
        (Some(fingerprint), _) => {
            let wrong = || SourceError::new(SourceState::Broken, format!("tls fingerprint `{fingerprint}` is no SHA-256"), "write its 64 hex digits");
            Tls::pin(fingerprint).ok_or_else(wrong)?
        }
        (None, ca) => {
            let help = "name a readable PEM file, or leave `ca` out to use the well-known authorities";
            Tls::Verified { ca: ca.as_deref().map(|path| read("ca", path, help)).transpose()?, server_name: spec.server_name.clone() }
        }
    };
    match (&spec.cert, &spec.key) {
        (None, None) => Ok(how),
        (Some(cert), Some(key)) => {
            let help = "name a readable PEM file";
            let identity = Identity { certificate: read("cert", cert, help)?, key: read("key", key, help)? };
            Ok(Tls::Identified { how: Box::new(how), identity })
        }
        _ => Err(SourceError::new(SourceState::Broken, "tls names one of `cert` and `key` only", "name both: our own certificate and its key")),
    }
}

/// Those of the entry; where it names none, the one that `via` leads to, or every pod (`*`).
fn members(entry: &MiddlewareSpec) -> Vec<String> {
    let port = port_of(&entry.kind);
    match &entry.via {
        Some(Via::Docker { container, .. }) if entry.members.is_empty() => vec![format!("{container}:{port}")],
        Some(Via::KubeObject { .. } | Via::KubeSelector { .. }) if entry.members.is_empty() => vec![format!("*:{port}")],
        _ => entry.members.clone(),
    }
}

fn reach(engine: &Engine, links: &Links, entry: &MiddlewareSpec) -> Result<Reach, SourceError> {
    let cluster = |name: &Name, namespace: &Name, pick: Pick| {
        let api = engine.clusters.get(name).cloned().ok_or_else(|| {
            SourceError::new(SourceState::Broken, format!("there is no cluster {name} to reach {} through", entry.name), "add a [[cluster]] of that name")
        })?;
        let dial = ThroughCluster { api, namespace: namespace.clone(), pick, clock: engine.ground().clock.clone() };
        Ok(Reach::Through(Arc::new(dial)))
    };
    let reach = match &entry.via {
        None => Reach::Direct,
        Some(Via::Host(host)) => Reach::Through(Arc::new(ThroughHost { links: links.clone(), host: host.clone() })),
        Some(Via::Docker { host, container }) => {
            Reach::Through(Arc::new(ThroughContainer { links: links.clone(), host: host.clone(), container: container.clone() }))
        }
        Some(Via::KubeObject { cluster: of, namespace, kind, name }) => cluster(of, namespace, Pick::Object { kind: kind.clone(), name: name.clone() })?,
        Some(Via::KubeSelector { cluster: of, namespace, selector }) => cluster(of, namespace, Pick::Labels(selector.clone()))?,
    };
    Ok(reach.mapped(entry.address_map.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rabbitmq_is_never_asked_faster_than_it_counts() {
        assert_eq!(Duration::from_secs(1).max(fastest("rabbitmq")), Duration::from_secs(5));
        assert_eq!(Duration::from_secs(10).max(fastest("rabbitmq")), Duration::from_secs(10));
        assert_eq!(Duration::from_secs(1).max(fastest("redis")), Duration::from_secs(1));
    }
}
