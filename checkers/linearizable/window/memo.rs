//! Configurations a search has seen, and which of them need not be looked at again.
//!
//! With the same layer, bits and state, whoever used no more of any crashed class can do whatever
//! the other can: every continuation of the larger counters is one of the smaller, crashed
//! operations being optional; `covers` says who else can. So only minimal counters are kept, an
//! antichain per key. Open addressing over an arena: 16 to 32 bytes a configuration with its place
//! in the index, for any length of history.

use super::super::meter::Meter;
use super::super::rules::{Bug, Rules};
use super::covers::Covers;
use super::word::{Layout, Word};
use crate::Spent;

/// What a search must remember.
#[derive(Clone, Debug)]
pub(crate) struct Config<W> {
    /// Depth first, the layer; breadth first, where its order ends: see `trail`.
    pub(crate) tag: u32,
    pub(crate) state: u32,
    pub(crate) word: W,
}

/// What became of a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Remembered {
    /// One that can do as much is there.
    Known,
    /// It is at this place, perhaps instead of one it dominates.
    At(u32),
}

/// How configurations are compared.
pub(crate) struct Compare<'a, W> {
    pub(crate) layout: &'a Layout<W>,
    pub(crate) covers: Option<&'a Covers<W>>,
    pub(crate) rules: Rules,
}

impl<W> Clone for Compare<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W> Copy for Compare<'_, W> {}

const EMPTY: u32 = u32::MAX;
const GONE: u32 = u32::MAX - 1;
/// State of a place that holds nothing.
pub(crate) const VACANT: u32 = u32::MAX;
/// Above this the arena, and a stack beside it, grows by a sixteenth, not by half: memory is what
/// ends long searches.
pub(crate) const LARGE: usize = 1 << 16;
/// Places moved between two looks at the caller's flag.
const POLL: usize = 1 << 16;

/// An arena with an index. `LAYERED`: tags are part of the key.
pub(crate) struct Memo<W, const LAYERED: bool> {
    pub(crate) arena: Vec<Config<W>>,
    index: Vec<u32>,
    /// Places of the index that are not empty.
    taken: usize,
    vacant: Vec<u32>,
    heap_bytes: u64,
}

impl<W: Word, const LAYERED: bool> Memo<W, LAYERED> {
    pub(crate) fn new() -> Self {
        let (arena, index, vacant) = (Vec::new(), Vec::new(), Vec::new());
        Memo { arena, index, taken: 0, vacant, heap_bytes: 0 }
    }

    /// Remembers `config` unless one that can do as much is there; forgets what it dominates.
    pub(crate) fn insert(
        &mut self,
        config: Config<W>,
        compare: Compare<'_, W>,
        meter: &mut Meter<'_, '_>,
    ) -> Result<Remembered, Spent> {
        if 8 * (self.taken + 1) > 7 * self.index.len() {
            self.grow_index(compare, meter)?;
        }
        let mut at = self.home(&config, compare);
        let (mut place, mut free, mut looked, mut more) = (None, None, 0, 0);
        loop {
            match self.index[at] {
                EMPTY => break,
                GONE => free = free.or(Some(at)),
                there => {
                    looked += 1;
                    let known = &mut self.arena[there as usize];
                    if same_key::<W, LAYERED>(known, &config, compare) {
                        if dominates(known, &config, compare) {
                            meter.work(looked);
                            return Ok(Remembered::Known);
                        }
                        if dominates(&config, known, compare) {
                            if place.is_none() {
                                *known = config.clone();
                                place = Some(there);
                            } else {
                                known.state = VACANT;
                                let room = self.vacant.capacity();
                                self.vacant.push(there);
                                more += 4 * (self.vacant.capacity() - room) as u64;
                                self.index[at] = GONE;
                            }
                        }
                    }
                }
            }
            at = if at + 1 == self.index.len() { 0 } else { at + 1 };
        }
        meter.work(looked);
        meter.reserve(more)?;
        if let Some(place) = place {
            return Ok(Remembered::At(place));
        }
        let place = self.place(config, meter)?;
        let at = free.unwrap_or_else(|| {
            self.taken += 1;
            at
        });
        self.index[at] = place;
        Ok(Remembered::At(place))
    }

    fn place(&mut self, config: Config<W>, meter: &mut Meter<'_, '_>) -> Result<u32, Spent> {
        // What was there keeps its words until now.
        if let Some(place) = self.vacant.pop() {
            self.arena[place as usize] = config;
            return Ok(place);
        }
        let heap = config.word.heap_bytes();
        if heap > 0 {
            meter.reserve(heap)?;
            self.heap_bytes += heap;
        }
        if self.arena.len() == self.arena.capacity() {
            let full = self.arena.len();
            let more = if full < LARGE { (full / 2).max(32) } else { full / 16 };
            meter.reserve((more * size_of::<Config<W>>()) as u64)?;
            self.arena.reserve_exact(more);
        }
        let place = self.arena.len() as u32;
        assert!(place < GONE, "2^32 configurations are 96 GiB");
        self.arena.push(config);
        Ok(place)
    }

    /// So that seven eighths to a half, or where it is large to two thirds, of the index is in use.
    fn grow_index(
        &mut self,
        compare: Compare<'_, W>,
        meter: &mut Meter<'_, '_>,
    ) -> Result<(), Spent> {
        let live = self.arena.len() - self.vacant.len();
        let size = index_size(live);
        meter.reserve(4 * size as u64)?;
        let old = std::mem::replace(&mut self.index, vec![EMPTY; size]);
        meter.give_back(4 * old.len() as u64);
        self.taken = live;
        for (at, there) in old.into_iter().enumerate() {
            if at.is_multiple_of(POLL) {
                meter.look()?;
            }
            if there < GONE {
                let mut at = self.home(&self.arena[there as usize], compare);
                while self.index[at] != EMPTY {
                    at = if at + 1 == size { 0 } else { at + 1 };
                }
                self.index[at] = there;
            }
        }
        Ok(())
    }

    fn home(&self, config: &Config<W>, compare: Compare<'_, W>) -> usize {
        let layer = if LAYERED { u64::from(config.tag) << 32 } else { 0 };
        let seed = (layer | u64::from(config.state)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let hash = match compare.rules.has(Bug::MaskForgotten) {
            true => seed,
            false => config.word.hash(&compare.layout.mask, seed),
        };
        (((hash >> 32) * self.index.len() as u64) >> 32) as usize
    }

    /// Forgets everything; keeps about as much room as was used.
    pub(crate) fn clear(&mut self, meter: &mut Meter<'_, '_>) {
        let used = self.arena.len();
        self.arena.clear();
        self.vacant.clear();
        meter.give_back(std::mem::take(&mut self.heap_bytes));
        if self.taken == 0 {
            return;
        }
        self.taken = 0;
        if self.index.len() > 64 + 8 * used {
            meter.give_back(self.bytes());
            (self.arena, self.index, self.vacant) = (Vec::new(), Vec::new(), Vec::new());
        } else {
            self.index.fill(EMPTY);
        }
    }

    /// Forgets what `keep` does not want; `moved` is told where the others are now.
    pub(crate) fn retain(
        &mut self,
        compare: Compare<'_, W>,
        meter: &mut Meter<'_, '_>,
        keep: impl Fn(u32, &Config<W>) -> bool,
        mut moved: impl FnMut(u32, u32),
    ) -> Result<(), Spent> {
        let mut kept = 0;
        for at in 0..self.arena.len() {
            if at.is_multiple_of(POLL) {
                meter.look()?;
            }
            let config = &self.arena[at];
            if config.state == VACANT || !keep(at as u32, config) {
                continue;
            }
            moved(at as u32, kept as u32);
            self.arena.swap(at, kept);
            kept += 1;
        }
        for config in self.arena.drain(kept..) {
            let heap = config.word.heap_bytes();
            self.heap_bytes -= heap;
            meter.give_back(heap);
        }
        let spare = self.arena.capacity() - kept;
        self.arena.shrink_to_fit();
        meter.give_back((spare * size_of::<Config<W>>()) as u64);
        meter.give_back(4 * (self.vacant.capacity() + self.index.len()) as u64);
        self.vacant = Vec::new();
        self.index = Vec::new();
        self.taken = 0;
        let size = index_size(kept);
        meter.reserve(4 * size as u64)?;
        self.index = vec![EMPTY; size];
        self.taken = kept;
        for place in 0..kept {
            let mut at = self.home(&self.arena[place], compare);
            while self.index[at] != EMPTY {
                at = if at + 1 == size { 0 } else { at + 1 };
            }
            self.index[at] = place as u32;
        }
        Ok(())
    }

    /// What is remembered.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Config<W>> {
        self.arena.iter().filter(|config| config.state != VACANT)
    }

    /// Bytes held, the words' own heap apart.
    fn bytes(&self) -> u64 {
        let places = self.index.len() + self.vacant.capacity();
        (self.arena.capacity() * size_of::<Config<W>>() + 4 * places) as u64
    }

    /// Bytes held per configuration.
    #[cfg(test)]
    pub(crate) fn bytes_each(&self) -> f64 {
        let live = (self.arena.len() - self.vacant.len()).max(1) as f64;
        (self.bytes() + self.heap_bytes) as f64 / live
    }
}

fn index_size(live: usize) -> usize {
    if live < LARGE { (2 * live).max(64) } else { live + live / 2 }
}

fn same_key<W: Word, const LAYERED: bool>(
    one: &Config<W>,
    other: &Config<W>,
    compare: Compare<'_, W>,
) -> bool {
    (!LAYERED || one.tag == other.tag)
        && one.state == other.state
        && (one.word.same(&other.word, &compare.layout.mask)
            || compare.rules.has(Bug::MaskForgotten))
}

/// Whether `one` can do whatever `other` can, where they have the same key.
fn dominates<W: Word>(one: &Config<W>, other: &Config<W>, compare: Compare<'_, W>) -> bool {
    let guards = &compare.layout.guards;
    if compare.rules.has(Bug::MaskForgotten) {
        let counters = |config: &Config<W>| {
            let mut word = config.word.clone();
            (0..compare.layout.shape.slots as u32).for_each(|slot| word.clear(slot));
            word
        };
        return counters(one).at_most(&counters(other), guards);
    }
    if compare.rules.has(Bug::DominanceReversed) {
        return other.word.at_most(&one.word, guards);
    }
    if compare.rules.has(Bug::LanesAsOneNumber) {
        return one.word.as_ref().iter().rev().le(other.word.as_ref().iter().rev());
    }
    match compare.covers {
        Some(covers) => covers.dominates(compare.layout, &one.word, &other.word),
        None => one.word.at_most(&other.word, guards),
    }
}
