//! Which step wrote a value to a key: an open table that holds no keys, as the steps have them.

/// Slots of step and vertex; 8 bytes each, at most two thirds full.
#[derive(Debug, Default)]
pub(super) struct Versions {
    slots: Vec<(u32, u32)>,
    shift: u32,
}

const FREE: u32 = u32::MAX;

impl Versions {
    /// Of at most `many` writes.
    pub(super) fn with_room(many: u32) -> Versions {
        let slots = (many as usize * 3 / 2 + 1).next_power_of_two().max(2);
        Versions { slots: vec![(FREE, 0); slots], shift: 64 - slots.trailing_zeros() }
    }

    /// Notes a write; the one that was there already, if any. `same` says whether a step wrote the
    /// same value to the same key. Expected O(1).
    #[inline]
    pub(super) fn insert(
        &mut self,
        key: u32,
        value: u32,
        write: (u32, u32),
        same: impl Fn(u32) -> bool,
    ) -> Option<(u32, u32)> {
        let at = self.slot(key, value, same);
        let slot = &mut self.slots[at];
        if slot.0 == FREE {
            *slot = write;
            return None;
        }
        Some(*slot)
    }

    /// Step and vertex of the write of a value.
    #[inline]
    pub(super) fn find(
        &self,
        key: u32,
        value: u32,
        same: impl Fn(u32) -> bool,
    ) -> Option<(u32, u32)> {
        let slot = self.slots[self.slot(key, value, same)];
        (slot.0 != FREE).then_some(slot)
    }

    #[inline]
    fn slot(&self, key: u32, value: u32, same: impl Fn(u32) -> bool) -> usize {
        // Fibonacci hashing (Knuth 6.4) of both halves, twice: keys and values are small integers.
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let mixed = (u64::from(key) << 32 | u64::from(value)).wrapping_mul(GOLDEN);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(GOLDEN);
        let mut at = (mixed >> self.shift) as usize;
        loop {
            let slot = self.slots[at].0;
            if slot == FREE || same(slot) {
                return at;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }
}
