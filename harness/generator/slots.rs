//! A set of worker slots.

/// Slots `0..n` as bits.
#[derive(Clone, Debug, Default)]
pub struct SlotSet {
    words: Vec<u64>,
    len: u32,
}

impl SlotSet {
    /// The slots `0..n`.
    pub fn full(n: u32) -> SlotSet {
        let mut set = SlotSet::empty(n);
        (0..n).for_each(|slot| set.insert(slot));
        set
    }

    /// No slot, with room for `0..n`.
    pub fn empty(n: u32) -> SlotSet {
        SlotSet { words: vec![0; n.div_ceil(64) as usize], len: 0 }
    }

    /// Adds `slot`.
    ///
    /// # Panics
    /// When `slot` is out of range.
    pub fn insert(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        self.len += u32::from(self.words[word] & bit == 0);
        self.words[word] |= bit;
    }

    /// Removes `slot`.
    ///
    /// # Panics
    /// When `slot` is out of range.
    pub fn remove(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        self.len -= u32::from(self.words[word] & bit != 0);
        self.words[word] &= !bit;
    }

    /// Whether `slot` is a member.
    pub fn contains(&self, slot: u32) -> bool {
        self.words.get(slot as usize / 64).is_some_and(|word| word & 1 << (slot % 64) != 0)
    }

    /// Number of members.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut word = *word;
            std::iter::from_fn(move || {
                (word != 0).then(|| {
                    let bit = word.trailing_zeros();
                    word &= word - 1;
                    at as u32 * 64 + bit
                })
            })
        })
    }

    /// The `n`-th member in ascending order. O(words).
    pub fn nth(&self, mut n: u32) -> Option<u32> {
        for (at, word) in self.words.iter().enumerate() {
            let members = word.count_ones();
            if n < members {
                return Some(at as u32 * 64 + select(*word, n));
            }
            n -= members;
        }
        None
    }

    /// Members of both sets.
    pub fn intersection(&self, other: &SlotSet) -> SlotSet {
        let words: Vec<u64> = self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect();
        SlotSet { len: words.iter().map(|word| word.count_ones()).sum(), words }
    }

    /// Makes this the members of both `a` and `b`, reusing its memory.
    pub fn assign_intersection(&mut self, a: &SlotSet, b: &SlotSet) {
        self.words.clear();
        self.words.extend(a.words.iter().zip(&b.words).map(|(a, b)| a & b));
        self.len = self.words.iter().map(|word| word.count_ones()).sum();
    }

    /// Removes every member.
    pub fn clear(&mut self) {
        self.words.clear();
        self.len = 0;
    }

    /// Makes `slot` the only member.
    pub fn assign_one(&mut self, slot: u32) {
        self.clear();
        self.grow(slot);
    }

    /// Adds `slot`, making room for it.
    pub fn grow(&mut self, slot: u32) {
        let words = slot as usize / 64 + 1;
        if self.words.len() < words {
            self.words.resize(words, 0);
        }
        self.insert(slot);
    }

    /// Removes `slot` if it is a member, and says whether it was.
    pub fn take(&mut self, slot: u32) -> bool {
        let member = self.contains(slot);
        if member {
            self.remove(slot);
        }
        member
    }
}

/// Position of the `n`-th set bit, which there must be: first its byte, by the running sums of the
/// bits in each byte, then its place in the byte.
fn select(word: u64, n: u32) -> u32 {
    let pairs = word - (word >> 1 & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + (pairs >> 2 & 0x3333_3333_3333_3333);
    let bytes = (nibbles + (nibbles >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let sums = bytes.wrapping_mul(0x0101_0101_0101_0101).to_le_bytes();
    let byte = sums.iter().filter(|sum| u32::from(**sum) <= n).count() as u32;
    let before = if byte == 0 { 0 } else { u32::from(sums[byte as usize - 1]) };
    let mut rest = word >> (byte * 8);
    (before..n).for_each(|_| rest &= rest - 1);
    byte * 8 + rest.trailing_zeros()
}

/// Equal members; the room for more does not matter.
impl PartialEq for SlotSet {
    fn eq(&self, other: &SlotSet) -> bool {
        let shared = self.words.len().min(other.words.len());
        self.len == other.len && self.words[..shared] == other.words[..shared]
    }
}

impl Eq for SlotSet {}

impl FromIterator<u32> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u32>>(slots: I) -> SlotSet {
        let mut set = SlotSet::default();
        slots.into_iter().for_each(|slot| set.grow(slot));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::SlotSet;

    #[test]
    fn nth_is_the_nth_of_the_iteration() {
        let mut word = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..200 {
            word = word.rotate_left(23).wrapping_mul(0xd129_0d1b_5e3c_a9d7);
            let dense = (0..200).filter(|bit| word >> (bit % 64) & 1 == 1 || bit % 7 == 0);
            let set: SlotSet = dense.collect();
            for (n, slot) in set.iter().enumerate() {
                assert_eq!(set.nth(n as u32), Some(slot));
            }
            assert_eq!(set.nth(set.len()), None);
        }
        assert_eq!(SlotSet::full(64).nth(63), Some(63));
    }

    #[test]
    fn members_are_counted_and_ordered() {
        let mut set: SlotSet = [130, 3, 64, 3].into_iter().collect();
        assert_eq!((set.len(), set.iter().collect::<Vec<_>>()), (3, vec![3, 64, 130]));
        assert_eq!((set.nth(1), set.nth(3)), (Some(64), None));
        assert!(set.take(64) && !set.take(64) && !set.take(9999));
        let mut both = SlotSet::default();
        both.assign_intersection(&set, &SlotSet::full(100));
        assert_eq!((both.len(), both.nth(0)), (1, Some(3)));
        assert_eq!(
            both.iter().collect::<Vec<_>>(),
            set.intersection(&SlotSet::full(100)).iter().collect::<Vec<_>>()
        );
    }
}
