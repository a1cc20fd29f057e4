//! Which kinds exist, so that the configuration can call an unknown one an error without knowing any of them.

/// A middleware kind or a playbook action by name. The registries fill the list; `cli` hands it down.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub middleware: Vec<&'static str>,
    /// Middleware kind -> the names that its `settings` may have; a kind that is not listed takes any.
    pub settings: Vec<(&'static str, &'static [&'static str])>,
    pub actions: Vec<ActionSpec>,
}

impl Catalog {
    pub fn action(&self, name: &str) -> Option<&ActionSpec> {
        self.actions.iter().find(|a| a.name == name)
    }
}

/// What a playbook may write under an action's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionSpec {
    pub name: &'static str,
    pub fields: &'static [Field],
    /// The field that a plain value stands for: `shell: echo hi` is `shell: {cmd: echo hi}`.
    pub short: Option<&'static str>,
    /// Are other fields taken as they come (`set_fact`)?
    pub others: Others,
    pub touches: Touches,
    /// Where it happens.
    pub place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    Refused,
    Taken,
}

/// Does an action change its target?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches {
    /// Never: it may run in a plan and needs no `verify`.
    Nothing,
    /// Always, where its target is not yet as it asks.
    Target,
    /// Nobody but the playbook's writer knows; taken as a change unless `changed_when: false`.
    Unknown,
}

/// What an action needs at its other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A shell on the step's host.
    Host,
    /// A Kubernetes API.
    Cluster,
    /// An address that the step's host (or this machine) can dial.
    Network,
    /// Nothing but this program.
    Here,
}

/// One key under an action's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub kind: FieldKind,
    pub need: Need,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
    /// Exactly one of the fields with this mark must be there.
    OneOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Text,
    /// A line for a POSIX shell: values in it must be quoted, secrets must not be in it.
    ShellLine,
    /// Statements of SQL: values in it must go as parameters or quoted.
    Sql,
    Number,
    /// Seconds, or a number with a unit: `30`, `500ms`, `2m`.
    Duration,
    Switch,
    /// One or many words.
    List,
    Map,
    /// Whatever YAML can say.
    Any,
    /// May hold a secret: it is never shown and never journalled.
    Secret,
    /// The path of a file beside the playbook, or an absolute one on this machine.
    File,
    /// As [`FieldKind::File`]; its text is rendered before the action sees it, under the name `content`.
    TemplateFile,
    /// One or more conditions, evaluated before the action sees them as `{condition: holds}`.
    Conditions,
    /// One of these words.
    Word(&'static [&'static str]),
}

impl Field {
    pub const fn required(name: &'static str, kind: FieldKind) -> Self {
        Self { name, kind, need: Need::Required }
    }
    pub const fn optional(name: &'static str, kind: FieldKind) -> Self {
        Self { name, kind, need: Need::Optional }
    }
    pub const fn one_of(name: &'static str, kind: FieldKind) -> Self {
        Self { name, kind, need: Need::OneOf }
    }
}
