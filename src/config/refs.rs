//! Names that stand for other entries. They are checked when everything is read, so that the order of the file does not matter.

use super::reader::{Reader, Span};
use super::suggest;

pub struct Ref {
    pub kind: RefKind,
    pub name: String,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefKind {
    /// A host of this file, or an address.
    Jump,
    Host,
    Cluster,
    Group,
    Middleware,
}

/// Every name that the file gives, broken entries included: a reference to one of those is not a second mistake.
#[derive(Default)]
pub struct Names {
    pub hosts: Vec<String>,
    pub clusters: Vec<String>,
    pub groups: Vec<String>,
    pub middleware: Vec<String>,
}

pub fn check(r: &mut Reader<'_>, names: &Names, reference: &Ref) {
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
