//! Which parts of the picture changed.

use crate::model::id::Kind;

/// A set of things that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dirty(u16);

impl Dirty {
    pub const LOGS: Self = Self(1 << 13);
    pub const SOURCES: Self = Self(1 << 14);
    pub const ASKS: Self = Self(1 << 15);

    pub fn of(kind: Kind) -> Self {
        Self(1 << (kind as u16))
    }

    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn any(self) -> bool {
        self.0 != 0
    }
}
