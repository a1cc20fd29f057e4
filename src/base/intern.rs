//! Shared strings: fifty thousand pods name the same few hundred nodes, namespaces and states.

use std::collections::HashSet;
use std::sync::Arc;

/// A short shared string; cloning it is a reference count.
pub type Name = Arc<str>;

/// Hands out one shared copy of each string it is shown.
#[derive(Debug, Default)]
pub struct Interner {
    seen: HashSet<Name>,
}

impl Interner {
    pub fn name(&mut self, text: &str) -> Name {
        if let Some(known) = self.seen.get(text) {
            return known.clone();
        }
        let new: Name = Arc::from(text);
        self.seen.insert(new.clone());
        new
    }

    /// Forgets the strings that nobody else holds any more.
    pub fn prune(&mut self) {
        self.seen.retain(|name| Arc::strong_count(name) > 1);
    }
}
