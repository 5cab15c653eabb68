//! A set of small integers with successor and predecessor, three levels of words deep for a
//! million: every word says which words below it are not empty.

/// A set of integers below a bound.
#[derive(Debug)]
pub(super) struct Bits {
    /// Lowest level first.
    levels: Vec<Vec<u64>>,
}

impl Bits {
    /// No integer below `bound`.
    pub(super) fn empty(bound: usize) -> Bits {
        Bits::with(bound, false)
    }

    /// Every integer below `bound`.
    pub(super) fn full(bound: usize) -> Bits {
        Bits::with(bound, true)
    }

    fn with(bound: usize, full: bool) -> Bits {
        let mut levels = Vec::new();
        let mut bits = bound.max(1);
        loop {
            let words = bits.div_ceil(64);
            let mut level = vec![if full { u64::MAX } else { 0 }; words];
            if full && !bits.is_multiple_of(64) {
                level[words - 1] = (1 << (bits % 64)) - 1;
            }
            levels.push(level);
            if words == 1 {
                return Bits { levels };
            }
            bits = words;
        }
    }

    pub(super) fn insert(&mut self, at: u32) {
        let mut at = at as usize;
        for level in &mut self.levels {
            let word = &mut level[at / 64];
            let was_empty = *word == 0;
            *word |= 1 << (at % 64);
            if !was_empty {
                return;
            }
            at /= 64;
        }
    }

    pub(super) fn remove(&mut self, at: u32) {
        let mut at = at as usize;
        for level in &mut self.levels {
            let word = &mut level[at / 64];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                return;
            }
            at /= 64;
        }
    }

    /// Removes every member. O(bound / 64).
    pub(super) fn clear(&mut self) {
        self.levels.iter_mut().for_each(|level| level.fill(0));
    }

    /// The least member that is `at` or more.
    pub(super) fn next(&self, at: u32) -> Option<u32> {
        let mut at = at as usize;
        for (height, level) in self.levels.iter().enumerate() {
            let word = level.get(at / 64)? >> (at % 64) << (at % 64);
            if word != 0 {
                let mut found = at / 64 * 64 + word.trailing_zeros() as usize;
                for below in self.levels[..height].iter().rev() {
                    found = found * 64 + below[found].trailing_zeros() as usize;
                }
                return Some(found as u32);
            }
            at = at / 64 + 1;
        }
        None
    }

    /// The greatest member that is `at` or less.
    pub(super) fn previous(&self, at: u32) -> Option<u32> {
        let bound = self.levels[0].len() * 64;
        let mut at = (at as usize).min(bound - 1);
        for (height, level) in self.levels.iter().enumerate() {
            let word = level[at / 64] << (63 - at % 64) >> (63 - at % 64);
            if word != 0 {
                let mut found = at / 64 * 64 + 63 - word.leading_zeros() as usize;
                for below in self.levels[..height].iter().rev() {
                    found = found * 64 + 63 - below[found].leading_zeros() as usize;
                }
                return Some(found as u32);
            }
            at = (at / 64).checked_sub(1)?;
        }
        None
    }

    /// Removes every member in `from..to`. O(members removed).
    pub(super) fn remove_range(&mut self, from: u32, to: u32) {
        let mut at = from;
        while at < to {
            let Some(found) = self.next(at).filter(|found| *found < to) else { return };
            let word = found as usize / 64;
            let end = (word as u32 + 1) * 64;
            if at <= end - 64 && end <= to {
                self.levels[0][word] = 1 << (found % 64);
            }
            self.remove(found);
            at = found + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Bits;
    use crate::linearizable::containers::tests::Random;

    #[test]
    fn agrees_with_an_ordered_set() {
        let mut random = Random(3);
        for bound in [1, 5, 64, 65, 4_096, 4_097, 300_000] {
            let mut bits = if bound % 2 == 1 { Bits::full(bound) } else { Bits::empty(bound) };
            let all = if bound % 2 == 1 { 0..bound as u32 } else { 0..0 };
            let mut set: BTreeSet<u32> = all.collect();
            for _ in 0..2_000 {
                let at = random.below(bound as u64) as u32;
                match random.below(4) {
                    0 => {
                        bits.insert(at);
                        set.insert(at);
                    }
                    1 => {
                        bits.remove(at);
                        set.remove(&at);
                    }
                    2 => {
                        let to = at + random.below(200.min(bound as u64)) as u32;
                        bits.remove_range(at, to);
                        set = set.iter().copied().filter(|x| *x < at || *x >= to).collect();
                    }
                    _ => {}
                }
                let at = random.below(bound as u64 + 2) as u32;
                assert_eq!(bits.next(at), set.range(at..).next().copied());
                assert_eq!(bits.previous(at), set.range(..=at).next_back().copied());
            }
        }
    }
}
