//! `[[cluster]]`.

use super::probe::FileState;
use super::reader::{Fields, Reader, Span, Value};
use super::refs::{Ref, RefKind};
use super::spec::{ClusterSpec, KubeconfigRef};
use super::{schema, secret};

pub(super) struct Entry {
    pub(super) name: Option<(String, Span)>,
    pub(super) cluster: Option<ClusterSpec>,
    pub(super) refs: Vec<Ref>,
}

pub(super) fn read(r: &mut Reader<'_>, value: &Value<'_>) -> Entry {
    let mut out = Entry { name: None, cluster: None, refs: Vec::new() };
    let Some(f) = r.fields("cluster", value, "[[cluster]]", schema::CLUSTER) else { return out };
    out.name = r.required(&f, "name");
    let kubeconfig = kubeconfig(r, &f, &mut out.refs);
    let via = r.string(&f, "via").and_then(|(text, span)| match text.strip_prefix("host:") {
        Some(host) if !host.is_empty() => {
            out.refs.push(Ref { kind: RefKind::Host, name: host.to_owned(), span });
            Some(host.into())
        }
        _ => {
            r.error(&span, format!("`via` cannot be `{text}`"), "a cluster is reached through a host: via = \"host:NAME\"");
            None
        }
    });
    let cluster = ClusterSpec {
        name: out.name.as_ref().map(|(n, _)| n.as_str()).unwrap_or_default().into(),
        kubeconfig,
        context: r.string(&f, "context").map(|s| s.0),
        via,
        compression: r.boolean(&f, "compression").unwrap_or(false),
        namespaces: r.strings(&f, "namespaces").unwrap_or_default().into_iter().map(|(n, _)| n.into()).collect(),
    };
    out.cluster = out.name.is_some().then_some(cluster);
    out
}

fn kubeconfig(r: &mut Reader<'_>, f: &Fields<'_>, refs: &mut Vec<Ref>) -> KubeconfigRef {
    let Some(value) = f.table.get("kubeconfig") else { return KubeconfigRef::Default };
    if let Some(text) = value.get_ref().as_str() {
        let path = secret::file(r, text);
        let shown = path.display();
        match r.probe.file(&path) {
            FileState::Missing => r.error(
                &value.span(),
                format!("the kubeconfig {shown} does not exist"),
                "correct the path, or fetch it from a master with kubeconfig = { ssh = \"HOST:/etc/kubernetes/admin.conf\" }",
            ),
            FileState::Unreadable(why) => {
                r.error(&value.span(), format!("the kubeconfig {shown} cannot be read: {why}"), format!("check its owner and mode: ls -l {shown}"));
            }
            FileState::Private | FileState::Shared(_) => {}
        }
        return KubeconfigRef::File(path);
    }
    let Some(k) = r.fields("kubeconfig", value, "kubeconfig", schema::KUBECONFIG) else { return KubeconfigRef::Default };
    let with_sudo = r.boolean(&k, "become").unwrap_or(false);
    let Some((text, span)) = r.string(&k, "ssh") else {
        r.error(&k.span, "`kubeconfig` lacks the key `ssh`", "kubeconfig = { ssh = \"HOST:/etc/kubernetes/admin.conf\", become = true }");
        return KubeconfigRef::Default;
    };
    match text.split_once(':') {
        Some((host, path)) if !host.is_empty() && path.starts_with('/') => {
            refs.push(Ref { kind: RefKind::Host, name: host.to_owned(), span });
            KubeconfigRef::Ssh { host: host.into(), path: path.to_owned(), with_sudo }
        }
        _ => {
            r.error(&span, format!("`ssh` cannot be `{text}`"), "write HOST:/absolute/path");
            KubeconfigRef::Default
        }
    }
}
