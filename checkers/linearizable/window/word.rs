//! The bits of a configuration: one per slot, and one counter per crashed class, in as many words
//! as it takes.
//!
//! Counters stand in lanes with a guard bit on top, so that all of them are compared by one
//! subtraction per word: `(b | guards) - a` keeps every guard iff no counter of `a` is above that
//! of `b`; no lane borrows from its neighbour, because a guarded lane of `b` is never below one of
//! `a`. A lane never crosses a word and is as wide as its largest count: nothing saturates.

use super::super::meter::chunk_bytes;

/// Some words of bits. All words of one search have the same number of them.
pub(crate) trait Word: Clone + AsRef<[u64]> + AsMut<[u64]> + Send + 'static {
    /// No bit set, in `words` words.
    fn zero(words: usize) -> Self;

    /// Bytes beyond the value itself.
    fn heap_bytes(&self) -> u64;

    fn has(&self, bit: u32) -> bool {
        self.as_ref()[bit as usize / 64] >> (bit % 64) & 1 == 1
    }

    fn set(&mut self, bit: u32) {
        self.as_mut()[bit as usize / 64] |= 1 << (bit % 64);
    }

    fn clear(&mut self, bit: u32) {
        self.as_mut()[bit as usize / 64] &= !(1 << (bit % 64));
    }

    fn or(&mut self, other: &Self) {
        for (one, other) in self.as_mut().iter_mut().zip(other.as_ref()) {
            *one |= other;
        }
    }

    fn and(&mut self, other: &Self) {
        for (one, other) in self.as_mut().iter_mut().zip(other.as_ref()) {
            *one &= other;
        }
    }

    fn get(&self, lane: Lane) -> u32 {
        (self.as_ref()[lane.word()] >> lane.at() & lane.ones()) as u32
    }

    /// One more in `lane`.
    fn count(&mut self, lane: Lane) {
        self.as_mut()[lane.word()] += 1 << lane.at();
    }

    /// Whether both have the same bits among `within`.
    fn same(&self, other: &Self, within: &Self) -> bool {
        let pairs = self.as_ref().iter().zip(other.as_ref()).zip(within.as_ref());
        pairs.fold(0, |all, ((one, other), within)| all | (one ^ other) & within) == 0
    }

    /// Whether no counter is above that of `other`, where the other bits are the same.
    fn at_most(&self, other: &Self, guards: &Self) -> bool {
        let pairs = self.as_ref().iter().zip(other.as_ref()).zip(guards.as_ref());
        let kept = pairs.fold(0, |lost, ((one, other), guards)| {
            lost | guards & !(other | guards).wrapping_sub(*one)
        });
        kept == 0
    }

    /// A hash of the bits among `within`.
    fn hash(&self, within: &Self, seed: u64) -> u64 {
        self.as_ref().iter().zip(within.as_ref()).fold(seed, |hash, (word, within)| {
            let mixed = (hash ^ (word & within)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed ^ mixed >> 32
        })
    }
}

impl<const N: usize> Word for [u64; N] {
    fn zero(words: usize) -> [u64; N] {
        assert_eq!(words, N, "a layout of as many words");
        [0; N]
    }

    fn heap_bytes(&self) -> u64 {
        0
    }
}

impl Word for Box<[u64]> {
    fn zero(words: usize) -> Box<[u64]> {
        vec![0; words].into()
    }

    fn heap_bytes(&self) -> u64 {
        chunk_bytes(8 * self.len())
    }
}

/// Where a counter stands.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Lane {
    first: u32,
    /// Without the guard.
    width: u32,
}

impl Lane {
    fn word(self) -> usize {
        self.first as usize / 64
    }

    fn at(self) -> u32 {
        self.first % 64
    }

    /// The bit on top of it.
    pub(crate) fn guard(self) -> u32 {
        self.first + self.width
    }

    /// The most it can count.
    pub(crate) fn most(self) -> u32 {
        u32::try_from(self.ones()).unwrap_or(u32::MAX)
    }

    fn ones(self) -> u64 {
        (1 << self.width) - 1
    }
}

/// Where everything stands: slots from bit 0, then lanes.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) slots: usize,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) words: usize,
}

impl Shape {
    /// For `slots` slots and counters up to `most`.
    pub(crate) fn new(slots: usize, most: impl Iterator<Item = u32>) -> Shape {
        let mut next = slots as u32;
        let mut lanes = Vec::new();
        for most in most {
            let width = (u32::BITS - most.leading_zeros()).max(1);
            if next / 64 != (next + width) / 64 {
                next = next.next_multiple_of(64);
            }
            lanes.push(Lane { first: next, width });
            next += width + 1;
        }
        Shape { slots, lanes, words: (next as usize).div_ceil(64).max(1) }
    }
}

/// A [`Shape`] with its masks.
#[derive(Clone, Debug)]
pub(crate) struct Layout<W> {
    pub(crate) shape: Shape,
    /// All slots.
    pub(crate) mask: W,
    /// The guard of every lane.
    pub(crate) guards: W,
}

impl<W: Word> Layout<W> {
    pub(crate) fn new(shape: Shape) -> Layout<W> {
        let (mut mask, mut guards) = (W::zero(shape.words), W::zero(shape.words));
        (0..shape.slots as u32).for_each(|slot| mask.set(slot));
        shape.lanes.iter().for_each(|lane| guards.set(lane.guard()));
        Layout { shape, mask, guards }
    }

    /// No slot set, nothing counted.
    pub(crate) fn empty(&self) -> W {
        W::zero(self.shape.words)
    }

    /// Every bit but the lanes for which `live` is false.
    pub(crate) fn keeping(&self, live: impl Fn(usize) -> bool) -> W {
        let mut kept = self.empty();
        kept.as_mut().fill(u64::MAX);
        for (_, lane) in self.shape.lanes.iter().enumerate().filter(|(at, _)| !live(*at)) {
            (lane.first..lane.first + lane.width).for_each(|bit| kept.clear(bit));
        }
        kept
    }

    /// The bits of a configuration of another layout, whose slots and lanes are among these.
    pub(crate) fn convert<V: Word>(&self, from: &Layout<V>, word: &V) -> W {
        let mut to = self.empty();
        (0..from.shape.slots as u32).filter(|slot| word.has(*slot)).for_each(|slot| to.set(slot));
        for (old, new) in from.shape.lanes.iter().zip(&self.shape.lanes) {
            to.as_mut()[new.word()] |= u64::from(word.get(*old)) << new.at();
        }
        to
    }
}
