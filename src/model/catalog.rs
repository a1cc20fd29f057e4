//! Which kinds exist, so that the configuration can call an unknown one an error without knowing any of them.

/// A middleware kind or a playbook action by name. The registries fill the list; `cli` hands it down.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub middleware: Vec<&'static str>,
}
