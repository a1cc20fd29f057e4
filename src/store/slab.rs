//! Numbered places in blocks of a fixed size: growing never copies what is there, and never holds it twice.

const BLOCK: usize = 1024;

#[derive(Debug)]
pub(super) struct Slab<T> {
    blocks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        self.blocks.get(slot as usize / BLOCK)?.get(slot as usize % BLOCK)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.blocks.get_mut(slot as usize / BLOCK)?.get_mut(slot as usize % BLOCK)?.as_mut()
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.blocks[slot as usize / BLOCK][slot as usize % BLOCK] = Some(value);
            return slot;
        }
        if self.blocks.last().is_none_or(|b| b.len() == BLOCK) {
            // The first block grows as it must: most tables hold a handful of rows.
            self.blocks.push(if self.blocks.is_empty() { Vec::new() } else { Vec::with_capacity(BLOCK) });
        }
        let block = self.blocks.len() - 1;
        self.blocks[block].push(Some(value));
        u32::try_from(block * BLOCK + self.blocks[block].len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn take(&mut self, slot: u32) -> Option<T> {
        let value = self.blocks.get_mut(slot as usize / BLOCK)?.get_mut(slot as usize % BLOCK)?.take()?;
        self.free.push(slot);
        Some(value)
    }

    /// What is in the places from `slot` on.
    pub(super) fn from(&self, slot: u32) -> impl Iterator<Item = (u32, &T)> {
        let (block, within) = (slot as usize / BLOCK, slot as usize % BLOCK);
        self.blocks.iter().skip(block).flatten().skip(within).zip(slot..).filter_map(|(value, slot)| value.as_ref().map(|v| (slot, v)))
    }

    /// Every place is below it.
    pub(super) fn end(&self) -> u32 {
        let last = self.blocks.last().map_or(0, Vec::len);
        u32::try_from(self.blocks.len().saturating_sub(1) * BLOCK + last).unwrap_or(u32::MAX)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.blocks.iter().flatten().zip(0u32..).filter_map(|(value, slot)| value.as_ref().map(|v| (slot, v)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_numbered_across_blocks() {
        let mut slab = Slab::default();
        let slots: Vec<u32> = (0..3000).map(|n| slab.insert(n)).collect();
        assert_eq!(slots, (0..3000).collect::<Vec<u32>>());
        assert_eq!(slab.take(1500), Some(1500));
        assert!(slab.get(1500).is_none());
        assert!(slab.take(1500).is_none());
        assert_eq!(slab.insert(7), 1500);
        assert_eq!((slab.end(), slab.from(2047).count(), slab.from(2998).map(|(slot, _)| slot).collect::<Vec<_>>()), (3000, 953, vec![2998, 2999]));
        assert_eq!((Slab::<u8>::default().end(), slab.from(3000).count(), slab.from(9000).count()), (0, 0, 0));
        assert_eq!(slab.iter().filter(|(slot, n)| *slot == u32::try_from(**n).unwrap()).count(), 2999);
    }
}
