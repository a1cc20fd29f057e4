//! `[[middleware]]`: the keys that all kinds share.

use std::time::Duration;

use super::reader::{Fields, Reader, Span, Value};
use super::refs::{Ref, RefKind};
use super::spec::{AmqpSpec, LogOwner, LogSpec, MiddlewareSpec, SentinelSpec, TlsSpec, Via};
use super::{logs, schema, secret};
use crate::base::suggest;
use crate::model::catalog::Catalog;
use crate::model::id::GroupKey;

const EVERY: Duration = Duration::from_secs(10);

pub(super) struct Entry {
    pub(super) kind: String,
    pub(super) name: Option<(String, Span)>,
    pub(super) spec: Option<MiddlewareSpec>,
    pub(super) refs: Vec<Ref>,
    pub(super) logs: Vec<LogSpec>,
}

pub(super) fn read(r: &mut Reader<'_>, value: &Value<'_>, catalog: &Catalog) -> Entry {
    let mut out = Entry { kind: String::new(), name: None, spec: None, refs: Vec::new(), logs: Vec::new() };
    let Some(f) = r.fields("middleware", value, "[[middleware]]", schema::MIDDLEWARE) else { return out };
    if let Some((kind, span)) = r.required(&f, "kind") {
        if !catalog.middleware.is_empty() && !catalog.middleware.contains(&kind.as_str()) {
            r.error(&span, format!("there is no middleware kind `{kind}`"), suggest::help(&kind, catalog.middleware.iter().copied(), "the kinds are"));
        }
        out.kind = kind;
    }
    out.name = r.required(&f, "name");
    let members: Vec<String> = r.strings(&f, "members").unwrap_or_default().into_iter().map(|(m, _)| m).collect();
    let via = via(r, &f, &mut out.refs);
    let sentinel = sentinel(r, &f);
    let by_pods = matches!(via, Some(Via::KubeObject { .. } | Via::KubeSelector { .. } | Via::Docker { .. }));
    if members.is_empty() && !by_pods && sentinel.is_none() && !f.table.contains_key("via") {
        r.error(&f.span, "[[middleware]] names no members", "members = [\"10.0.0.21:3306\"], or via = \"k8s:CLUSTER/NAMESPACE/KIND/NAME\"");
    }
    let logs = logs::read(r, &f, logs::At::Group, &mut out.refs);
    let spec = MiddlewareSpec {
        kind: out.kind.as_str().into(),
        name: out.name.as_ref().map(|(n, _)| n.as_str()).unwrap_or_default().into(),
        members,
        via,
        user: r.string(&f, "user").map(|s| s.0),
        password: secret::read(r, &f, "password"),
        api_key: secret::read(r, &f, "api_key"),
        tls: tls(r, &f),
        amqp: amqp(r, &f),
        sentinel,
        address_map: pairs(r, &f, "address_map", "a table of announced = \"dialled\"", "an address in quotes"),
        settings: settings(r, &f, &out.kind, catalog),
        every: r.duration(&f, "every").unwrap_or(EVERY),
    };
    let owner = GroupKey { kind: spec.kind.clone(), name: spec.name.clone() };
    out.logs = logs.iter().map(|l| l.spec(LogOwner::Group(owner.clone()), &owner.name)).collect();
    out.spec = out.name.is_some().then_some(spec);
    out
}

fn via(r: &mut Reader<'_>, f: &Fields<'_>, refs: &mut Vec<Ref>) -> Option<Via> {
    let (text, span) = r.string(f, "via")?;
    let parsed = parse_via(&text);
    match &parsed {
        Some(Via::Host(host) | Via::Docker { host, .. }) => refs.push(Ref { kind: RefKind::Host, name: host.to_string(), span }),
        Some(Via::KubeObject { cluster, .. } | Via::KubeSelector { cluster, .. }) => refs.push(Ref { kind: RefKind::Cluster, name: cluster.to_string(), span }),
        None => r.error(
            &span,
            format!("`via` cannot be `{text}`"),
            "write host:NAME, docker:HOST/CONTAINER, k8s:CLUSTER/NAMESPACE/KIND/NAME or k8s:CLUSTER/NAMESPACE?selector=app=x",
        ),
    }
    parsed
}

fn parse_via(text: &str) -> Option<Via> {
    let (scheme, rest) = text.split_once(':')?;
    let (path, query) = rest.split_once('?').map_or((rest, None), |(p, q)| (p, Some(q)));
    let parts: Vec<&str> = path.split('/').collect();
    if parts.iter().any(|p| p.is_empty()) {
        return None;
    }
    match (scheme, parts.as_slice(), query.map(|q| q.strip_prefix("selector="))) {
        ("host", [host], None) => Some(Via::Host((*host).into())),
        ("docker", [host, container], None) => Some(Via::Docker { host: (*host).into(), container: (*container).into() }),
        ("k8s", [cluster, namespace, kind, name], None) => {
            Some(Via::KubeObject { cluster: (*cluster).into(), namespace: (*namespace).into(), kind: (*kind).into(), name: (*name).into() })
        }
        ("k8s", [cluster, namespace], Some(Some(selector))) if !selector.is_empty() => {
            Some(Via::KubeSelector { cluster: (*cluster).into(), namespace: (*namespace).into(), selector: selector.to_owned() })
        }
        _ => None,
    }
}

fn tls(r: &mut Reader<'_>, f: &Fields<'_>) -> Option<TlsSpec> {
    let t = r.fields("tls", f.table.get("tls")?, "tls", schema::TLS)?;
    let mut path = |key| {
        let (text, span) = r.string(&t, key)?;
        let path = secret::file(r, &text);
        if r.probe.file(&path) == super::probe::FileState::Missing {
            r.error(&span, format!("the file {} does not exist", path.display()), "correct the path; a relative one starts at the directory of this file");
        }
        Some(path)
    };
    let (ca, cert, key) = (path("ca"), path("cert"), path("key"));
    Some(TlsSpec {
        ca,
        cert,
        key,
        server_name: r.string(&t, "server_name").map(|s| s.0),
        fingerprint: r.string(&t, "fingerprint").map(|s| s.0),
        verify: r.boolean(&t, "verify").unwrap_or(true),
    })
}

fn amqp(r: &mut Reader<'_>, f: &Fields<'_>) -> Option<AmqpSpec> {
    let a = r.fields("amqp", f.table.get("amqp")?, "amqp", schema::AMQP)?;
    Some(AmqpSpec {
        vhost: r.string(&a, "vhost").map_or_else(|| "/".to_owned(), |s| s.0),
        user: r.string(&a, "user").map(|s| s.0),
        password: secret::read(r, &a, "password"),
    })
}

fn sentinel(r: &mut Reader<'_>, f: &Fields<'_>) -> Option<SentinelSpec> {
    let s = r.fields("sentinel", f.table.get("sentinel")?, "sentinel", schema::SENTINEL)?;
    // All keys are read before the one that may be missing ends it: each mistake is told.
    let members = r.strings(&s, "members").unwrap_or_default().into_iter().map(|(m, _)| m).collect();
    let user = r.string(&s, "user").map(|s| s.0);
    let password = secret::read(r, &s, "password");
    let master = r.required(&s, "master")?.0;
    Some(SentinelSpec { members, master, user, password })
}

/// A table of texts.
fn pairs(r: &mut Reader<'_>, f: &Fields<'_>, key: &str, table: &str, each: &str) -> Vec<(String, String)> {
    let Some(value) = f.table.get(key) else { return Vec::new() };
    let Some(found) = value.get_ref().as_table() else {
        r.wrong_type(key, value, table);
        return Vec::new();
    };
    let mut out = Vec::new();
    for (from, to) in found {
        match to.get_ref().as_str() {
            Some(to) => out.push((from.get_ref().to_string(), to.to_owned())),
            None => r.wrong_type(key, to, each),
        }
    }
    out
}

/// What only the kind knows; it says which names there are.
fn settings(r: &mut Reader<'_>, f: &Fields<'_>, kind: &str, catalog: &Catalog) -> Vec<(String, String)> {
    let found = pairs(r, f, "settings", "a table of name = \"value\"", "a value in quotes");
    let (Some(known), Some(value)) = (catalog.settings.iter().find(|(k, _)| *k == kind).map(|(_, names)| *names), f.table.get("settings")) else {
        return found;
    };
    let (good, bad): (Vec<_>, Vec<_>) = found.into_iter().partition(|(name, _)| known.contains(&name.as_str()));
    for (name, _) in bad {
        let help = if known.is_empty() { "take it out".to_owned() } else { suggest::help(&name, known.iter().copied(), "its settings are") };
        r.error(&value.span(), format!("`{kind}` has no setting `{name}`"), help);
    }
    good
}
