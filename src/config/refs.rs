//! Names that stand for other entries. They are checked when everything is read, so that the order of the file does not matter.

use super::reader::{Reader, Span};
use super::suggest;

pub(super) struct Ref {
    pub(super) kind: RefKind,
    pub(super) name: String,
    pub(super) span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefKind {
    /// A host of this file, or an address.
    Jump,
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
    let (known, what) = match reference.kind {
        RefKind::Jump | RefKind::Host => (&names.hosts, "host"),
        RefKind::Cluster => (&names.clusters, "cluster"),
        RefKind::Group => (&names.groups, "host group"),
        RefKind::Middleware => (&names.middleware, "middleware"),
    };
    let address = reference.kind == RefKind::Jump && reference.name.contains(['.', ':', '@']);
    if address || known.contains(&reference.name) {
        return;
    }
    let mut help = suggest::help(&reference.name, known.iter().map(String::as_str), "the names in this file are");
    if reference.kind == RefKind::Jump {
        help.push_str(" An address that is no [[host]] is written user@host");
    }
    r.error(&reference.span, format!("there is no {what} named `{}`", reference.name), help);
}
