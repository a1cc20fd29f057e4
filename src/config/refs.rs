//! Names that stand for other entries. They are checked when everything is read, so that the order of the file does not matter.

use std::path::PathBuf;

use super::reader::{Reader, Span};
use crate::base::suggest;

pub(super) struct Ref {
    pub(super) kind: RefKind,
    pub(super) name: String,
    pub(super) span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RefKind {
    /// A host of this file, an address, or a name that this configuration of OpenSSH may know.
    Jump {
        ssh_config: Option<PathBuf>,
    },
    Host,
    Cluster,
    Group,
    Middleware,
}

/// Every name that the file gives, broken entries included: a reference to one of those is not a second mistake.
#[derive(Default)]
pub(super) struct Names {
    pub(super) hosts: Vec<String>,
    pub(super) clusters: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) middleware: Vec<String>,
}

pub(super) fn check(r: &mut Reader<'_>, names: &Names, reference: &Ref) {
    let (known, what) = match &reference.kind {
        RefKind::Jump { ssh_config } => return jump(r, names, reference, ssh_config.as_ref()),
        RefKind::Host => (&names.hosts, "host"),
        RefKind::Cluster => (&names.clusters, "cluster"),
        RefKind::Group => (&names.groups, "host group"),
        RefKind::Middleware => (&names.middleware, "middleware"),
    };
    if !known.contains(&reference.name) {
        let help = suggest::help(&reference.name, known.iter().map(String::as_str), "the names in this file are");
        r.error(&reference.span, format!("there is no {what} named `{}`", reference.name), help);
    }
}

/// Only a warning: a short name may be one that the DNS completes.
fn jump(r: &mut Reader<'_>, names: &Names, reference: &Ref, ssh_config: Option<&PathBuf>) {
    let name = &reference.name;
    if name.contains(['.', ':', '@']) || names.hosts.contains(name) {
        return;
    }
    let Some(path) = ssh_config.filter(|path| r.probe.ssh_knows(path, name) == Some(false)) else { return };
    let help = match suggest::nearest(name, names.hosts.iter().map(String::as_str)) {
        Some(host) => format!("did you mean `{host}`? A name that the DNS knows can be written user@{name}"),
        None => format!("add a [[host]] or a Host of that name; a name that the DNS knows can be written user@{name}"),
    };
    r.warning(&reference.span, format!("`{name}` is no host of this file, and {} does not know it either", path.display()), help);
}
