//! Shared strings: fifty thousand pods name the same few hundred nodes, namespaces and states.

use std::sync::Arc;

use hashbrown::HashSet;

/// A short shared string; cloning it is a reference count.
pub type Name = Arc<str>;

/// Hands out one shared copy of each string it is shown.
#[derive(Debug, Default)]
pub struct Interner {
    seen: HashSet<Name>,
}

impl Interner {
    pub fn name(&mut self, text: &str) -> Name {
        self.seen.get_or_insert_with(text, |text| Arc::from(text)).clone()
    }

    /// Forgets the strings that nobody else holds any more.
    pub fn prune(&mut self) {
        self.seen.retain(|name| Arc::strong_count(name) > 1);
    }
}
