//! Shared strings: fifty thousand pods name the same few hundred nodes, namespaces and states.

use arcstr::ArcStr;
use hashbrown::HashSet;

/// A short shared string, in one word: fifty thousand rows have half a dozen each. Cloning it is a reference count.
pub type Name = ArcStr;

/// Hands out one shared copy of each string it is shown.
#[derive(Debug, Default)]
pub struct Interner {
    seen: HashSet<Name>,
}

impl Interner {
    pub fn name(&mut self, text: &str) -> Name {
        self.seen.get_or_insert_with(text, |text| Name::from(text)).clone()
    }

    /// Forgets the strings that nobody else holds any more.
    pub fn prune(&mut self) {
        self.seen.retain(|name| ArcStr::strong_count(name).is_none_or(|n| n > 1));
    }
}
