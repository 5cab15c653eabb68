//! One printed seed, and the named streams that descend from it.
//!
//! `K(root) = SHA-256("tribunal-seed-1" || seed)`, `K(child) = SHA-256(K(parent) || len(label) ||
//! label)`. Draw `n` of slot `s` is ChaCha8 with key `K`, nonce `s`, block `n`: random access. So
//! every value is a function of (seed, path, slot, n), and adding a client, a fault or a sibling
//! generator shifts nothing else.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};
use sha2::{Digest, Sha256};

/// 64-bit words in one ChaCha block: the words of one draw.
const WORDS: usize = 8;
/// Blocks computed at once. The vectorised block function yields four for the price of one.
const BLOCKS: usize = 4;
/// Slots of one round of a stream: the low bits of the nonce.
const SLOT_BITS: u32 = 20;

/// The one number a run is reproduced from. It reproduces inputs, not the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Seed(pub u64);

/// A named, keyed sequence of random numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stream {
    key: [u8; 32],
    round: u64,
}

/// One block of a stream: eight words, taken in order.
#[derive(Clone, Debug)]
pub struct Draw {
    words: [u64; WORDS],
    taken: usize,
    stream: Stream,
    slot: u64,
    block: u64,
}

/// The draws of one slot of a stream, four blocks at a time. The values are those of
/// [`Stream::draw`]; only the cost differs: a few nanoseconds when `n` is read in order.
#[derive(Clone, Debug)]
pub struct Draws {
    source: Option<(Stream, u64)>,
    base: u64,
    words: Box<[u64; WORDS * BLOCKS]>,
}

impl Seed {
    /// The stream every other one descends from.
    pub fn root(self) -> Stream {
        let mut hash = Sha256::new();
        hash.update(b"tribunal-seed-1");
        hash.update(self.0.to_le_bytes());
        Stream { key: hash.finalize().into(), round: 0 }
    }
}

impl Stream {
    /// The stream called `label` below this one.
    pub fn child(&self, label: &str) -> Stream {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update((label.len() as u64).to_le_bytes());
        hash.update(label.as_bytes());
        if self.round > 0 {
            hash.update(self.round.to_le_bytes());
        }
        Stream { key: hash.finalize().into(), round: 0 }
    }

    /// The same name with other numbers: round `k` of something done again and again. Costs
    /// nothing, where a child of its own costs a hash.
    pub fn round(&self, k: u64) -> Stream {
        Stream { key: self.key, round: k }
    }

    /// The numbers of draw `n` in slot `slot`. Long uses run on into later blocks: a draw that may
    /// need more than eight words has a child stream of its own.
    ///
    /// # Panics
    /// When `slot` is 2^20 or more.
    pub fn draw(&self, slot: u64, n: u64) -> Draw {
        let mut words = [0; WORDS];
        self.fill(slot, n, &mut words);
        Draw { words, taken: 0, stream: self.clone(), slot, block: n }
    }

    fn fill(&self, slot: u64, block: u64, words: &mut [u64]) {
        assert!(slot < 1 << SLOT_BITS, "a stream has 2^20 slots, slot {slot} is not one of them");
        let mut rng = ChaCha8Rng::from_seed(self.key);
        rng.set_stream(self.round << SLOT_BITS | slot);
        rng.set_word_pos(u128::from(block) * 16);
        words.iter_mut().for_each(|word| *word = rng.next_u64());
    }
}

impl Draws {
    /// Of slot `slot` of `stream`.
    pub fn new(stream: &Stream, slot: u64) -> Draws {
        Draws { source: Some((stream.clone(), slot)), ..Draws::unbound() }
    }

    /// Of no stream yet: asking it is an error of the caller.
    pub(crate) fn unbound() -> Draws {
        Draws { source: None, base: u64::MAX, words: Box::new([0; WORDS * BLOCKS]) }
    }

    /// Draw `n`: equal to [`Stream::draw`].
    ///
    /// # Panics
    /// When the generator that owns it was asked before it was bound.
    pub fn at(&mut self, n: u64) -> Draw {
        let from = self.seek(n);
        let mut words = [0; WORDS];
        words.copy_from_slice(&self.words[from..from + WORDS]);
        let Some((stream, slot)) = &self.source else { unreachable!("seek found a source") };
        Draw { words, taken: 0, stream: stream.clone(), slot: *slot, block: n }
    }

    /// The first word of draw `n`, uniform in `0..bound`: see [`Draw::below`].
    ///
    /// # Panics
    /// When `bound` is zero, or when unbound.
    pub fn below(&mut self, n: u64, bound: u64) -> u64 {
        let from = self.seek(n);
        scale(self.words[from], bound)
    }

    fn seek(&mut self, n: u64) -> usize {
        if n.wrapping_sub(self.base) >= BLOCKS as u64 || self.base == u64::MAX {
            let (stream, slot) = self.source.as_ref().expect("bind a generator before asking it");
            stream.fill(*slot, n, &mut self.words[..]);
            self.base = n;
        }
        (n - self.base) as usize * WORDS
    }
}

impl Draw {
    /// Uniform over all 64-bit numbers.
    pub fn word(&mut self) -> u64 {
        if self.taken == WORDS {
            self.block += 1;
            self.stream.fill(self.slot, self.block, &mut self.words);
            self.taken = 0;
        }
        self.taken += 1;
        self.words[self.taken - 1]
    }

    /// Uniform in `0..bound`, by multiply and shift; the bias is below `bound / 2^64`.
    ///
    /// # Panics
    /// When `bound` is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        scale(self.word(), bound)
    }

    /// Uniform in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A permutation of `0..n`, uniform (Fisher and Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut items: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
        items
    }
}

fn scale(word: u64, bound: u64) -> u64 {
    assert!(bound > 0, "an empty range has no members");
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::{Draws, Seed};

    #[test]
    fn draws_are_random_access() {
        let stream = Seed(42).root().child("gen");
        let third = stream.draw(7, 3).word();
        stream.draw(7, 2).word();
        assert_eq!(stream.draw(7, 3).word(), third);
        assert_ne!(stream.draw(8, 3).word(), third);
        assert_ne!(stream.child("x").draw(7, 3).word(), third);
    }

    #[test]
    fn values_are_stable_across_releases() {
        let stream = Seed(1).root().child("gen").child("mix");
        let words: Vec<u64> = (0..3).map(|n| stream.draw(0, n).word()).collect();
        expect_test::expect!["[7441ed080257eab2, 85899eb17f0f22cd, 1110952201e3e769]"]
            .assert_eq(&format!("{words:x?}"));
    }

    #[test]
    fn cached_draws_are_the_same_draws() {
        let stream = Seed(9).root().child("gen");
        let mut draws = Draws::new(&stream, 3);
        for n in [0, 1, 2, 3, 4, 9, 2, 1000, 1003, 1004, 0] {
            let (mut cached, mut direct) = (draws.at(n), stream.draw(3, n));
            (0..20).for_each(|_| assert_eq!(cached.word(), direct.word(), "draw {n}"));
            assert_eq!(draws.below(n, 1 << 40), stream.draw(3, n).below(1 << 40));
        }
    }

    #[test]
    fn a_draw_of_more_than_eight_words_runs_on_into_the_next_block() {
        let stream = Seed(9).root();
        let mut long = stream.draw(0, 5);
        long.permutation(9);
        assert_eq!(long.word(), stream.draw(0, 6).word());
    }

    #[test]
    fn rounds_and_their_children_differ() {
        let stream = Seed(9).root();
        let words: std::collections::BTreeSet<u64> = (0..100)
            .flat_map(|k| {
                let round = stream.round(k);
                [
                    round.draw(0, 0).word(),
                    round.draw(1, 0).word(),
                    round.child("x").draw(0, 0).word(),
                ]
            })
            .collect();
        assert_eq!(words.len(), 300);
        assert_eq!(stream.round(0).child("x"), stream.child("x"));
    }
}
