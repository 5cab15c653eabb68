//! Which pending operations are linearized already: one bit per slot, as many slots as it takes.

use std::hash::Hash;

/// A set of slots.
pub(super) trait Mask: Clone + Eq + Hash {
    /// The empty set over `slots` slots.
    fn empty(slots: usize) -> Self;
    /// Whether `slot` is in it.
    fn has(&self, slot: u32) -> bool;
    /// Adds `slot`.
    fn add(&mut self, slot: u32);
    /// Removes `slot`.
    fn remove(&mut self, slot: u32);
    /// Bytes beyond the value itself.
    fn heap_bytes(&self) -> u64;
}

/// Up to 64 slots: nearly every history.
impl Mask for u64 {
    fn empty(slots: usize) -> u64 {
        assert!(slots <= 64, "{slots} slots in 64 bits");
        0
    }

    fn has(&self, slot: u32) -> bool {
        self >> slot & 1 == 1
    }

    fn add(&mut self, slot: u32) {
        *self |= 1 << slot;
    }

    fn remove(&mut self, slot: u32) {
        *self &= !(1 << slot);
    }

    fn heap_bytes(&self) -> u64 {
        0
    }
}

/// Any number of slots.
impl Mask for Box<[u64]> {
    fn empty(slots: usize) -> Box<[u64]> {
        vec![0; slots.div_ceil(64)].into()
    }

    fn has(&self, slot: u32) -> bool {
        self[slot as usize / 64] >> (slot % 64) & 1 == 1
    }

    fn add(&mut self, slot: u32) {
        self[slot as usize / 64] |= 1 << (slot % 64);
    }

    fn remove(&mut self, slot: u32) {
        self[slot as usize / 64] &= !(1 << (slot % 64));
    }

    fn heap_bytes(&self) -> u64 {
        8 * self.len() as u64
    }
}
