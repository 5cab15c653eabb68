//! Writers of a key that follow each other immediately, and who read the last of them.
//!
//! If `b` reads `a`'s version of a key and writes the key, then at snapshot isolation and above
//! `a` immediately precedes `b` in the order of its versions: a writer between them would come
//! after `a` and before `b` and, as `b` read `a`, after `b`. Two such `b` for one `a` are a lost
//! update. Chains of such links are blocks, and only the order of blocks is to be found.

use super::facts::{Facts, INITIAL};
use super::level::Form;
use super::traps::{Planted, Trap};

/// A row of versions of one key without anything between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Block {
    pub(super) key: u32,
    /// Who wrote the first version, or [`INITIAL`].
    pub(super) head: u32,
    /// Who wrote the last one, or [`INITIAL`].
    pub(super) tail: u32,
    /// The place of the last version.
    place: u32,
    /// Where its links begin and end.
    links: (u32, u32),
}

/// Who read which version, and which follow each other.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) blocks: Vec<Block>,
    /// Blocks of one key follow each other: where those of a key begin, and one more.
    pub(super) of_key: Vec<u32>,
    /// `earlier`, and `later` that overwrote it, as transactions: neighbours inside blocks; the
    /// place of what was overwritten.
    pub(super) links: Vec<(u32, u32, u32)>,
    /// By place of a version: where its readers begin.
    start: Vec<u32>,
    readers: Vec<u32>,
}

/// Transactions that no level which has blocks allows.
pub(super) type Contradiction = Vec<u32>;

const NOBODY: u32 = u32::MAX;

impl Blocks {
    /// O(reads and writes).
    ///
    /// # Errors
    /// Two versions of a key read by one transaction, two transactions that both overwrote what
    /// they read.
    pub(super) fn new(
        facts: &Facts,
        form: Form,
        planted: Planted,
    ) -> Result<Blocks, Contradiction> {
        let (start, readers) = read_by(facts, planted)?;
        let mut made =
            Blocks { blocks: Vec::new(), of_key: Vec::new(), links: Vec::new(), start, readers };
        let places = facts.writes_len() as usize;
        // By place: the place of what overwrote it, and whether it overwrote something itself.
        let mut next = vec![NOBODY; places + facts.keys as usize];
        let mut follows = vec![false; places];
        if form.contracts() || planted.has(Trap::PrefixContracts) {
            for txn in 0..facts.len() {
                for (key, source) in facts.reads(txn) {
                    let Some(own) = facts.place(txn, *key) else { continue };
                    let read = place(facts, *source, *key);
                    let taken = std::mem::replace(&mut next[read as usize], own);
                    let lost = taken != NOBODY && taken != own;
                    if lost && !planted.has(Trap::LostUpdateIgnored) {
                        return Err(who(&[*source, facts.writer_at(taken), txn]));
                    }
                    follows[own as usize] = true;
                }
            }
        }
        made.walk(facts, &next, &follows);
        Ok(made)
    }

    fn walk(&mut self, facts: &Facts, next: &[u32], follows: &[bool]) {
        let mut writers: Vec<Vec<u32>> = vec![Vec::new(); facts.keys as usize];
        for txn in 0..facts.len() {
            for key in facts.writes(txn) {
                writers[*key as usize].push(txn);
            }
        }
        for (key, writers) in (0..).zip(writers) {
            self.of_key.push(self.blocks.len() as u32);
            let heads = writers.into_iter().filter(|writer| {
                let at = facts.place(*writer, key).unwrap_or(NOBODY);
                !follows.get(at as usize).copied().unwrap_or(true)
            });
            for head in std::iter::once(INITIAL).chain(heads) {
                let from = self.links.len() as u32;
                let first = place(facts, head, key);
                let mut block = Block { key, head, tail: head, place: first, links: (from, from) };
                while next[block.place as usize] != NOBODY {
                    let later = facts.writer_at(next[block.place as usize]);
                    self.links.push((block.tail, later, block.place));
                    (block.tail, block.place) = (later, next[block.place as usize]);
                }
                block.links.1 = self.links.len() as u32;
                self.blocks.push(block);
            }
        }
        self.of_key.push(self.blocks.len() as u32);
    }

    /// Who wrote the versions of a block.
    pub(super) fn members(&self, block: u32) -> impl Iterator<Item = u32> + '_ {
        let Block { head, links: (from, to), .. } = self.blocks[block as usize];
        let later = self.links[from as usize..to as usize].iter().map(|(_, later, _)| *later);
        std::iter::once(head).chain(later).filter(|txn| *txn != INITIAL)
    }

    /// Who read a version, by its place.
    #[inline]
    pub(super) fn readers_at(&self, place: u32) -> &[u32] {
        let (from, to) = (self.start[place as usize], self.start[place as usize + 1]);
        &self.readers[from as usize..to as usize]
    }

    /// Who read the last version of a block.
    #[inline]
    pub(super) fn readers(&self, block: u32) -> &[u32] {
        self.readers_at(self.blocks[block as usize].place)
    }

    /// The blocks of a key that have to be ordered: all but the first, which begins with
    /// [`INITIAL`].
    pub(super) fn to_order(&self, key: u32) -> std::ops::Range<u32> {
        self.of_key[key as usize] + 1..self.of_key[key as usize + 1]
    }

    pub(super) fn bytes(&self) -> u64 {
        16 * self.blocks.len() as u64
            + 12 * self.links.len() as u64
            + 4 * (self.of_key.len() + self.start.len() + self.readers.len()) as u64
    }
}

/// The place of a version: that of the write, or of the key's first version.
#[inline]
fn place(facts: &Facts, writer: u32, key: u32) -> u32 {
    match writer {
        INITIAL => facts.writes_len() + key,
        writer => facts.place(writer, key).expect("versions that are read were written"),
    }
}

/// Transactions, ascending and each once, without the initial one.
fn who(some: &[u32]) -> Contradiction {
    let mut who: Vec<u32> = some.iter().copied().filter(|txn| *txn != INITIAL).collect();
    who.sort_unstable();
    who.dedup();
    who
}

/// Readers by place, each once.
fn read_by(facts: &Facts, planted: Planted) -> Result<(Vec<u32>, Vec<u32>), Contradiction> {
    let places = (facts.writes_len() + facts.keys) as usize;
    let mut start = vec![0_u32; places + 1];
    let mut first: Vec<(u32, u32)> = vec![(NOBODY, NOBODY); facts.keys as usize];
    let mut each = |facts: &Facts, one: &mut dyn FnMut(u32, u32)| {
        first.fill((NOBODY, NOBODY));
        for txn in 0..facts.len() {
            for (key, source) in facts.reads(txn) {
                let (reader, before) = first[*key as usize];
                if reader != txn {
                    first[*key as usize] = (txn, *source);
                    one(txn, place(facts, *source, *key));
                } else if before != *source && !planted.has(Trap::ReadsMayDiffer) {
                    return Err(who(&[txn, before, *source]));
                }
            }
        }
        Ok(())
    };
    each(facts, &mut |_, place| start[place as usize + 1] += 1)?;
    for at in 1..start.len() {
        start[at] += start[at - 1];
    }
    let mut next = start.clone();
    let mut readers = vec![0; start[places] as usize];
    each(facts, &mut |txn, place| {
        readers[next[place as usize] as usize] = txn;
        next[place as usize] += 1;
    })?;
    Ok((start, readers))
}
