//! From a contradiction to the operations that show it: gets that have no order together, what
//! they may have seen, and for each the put that hides the rest.

use std::collections::BTreeSet;

use tribunal_history::OpIndex;

use super::blocks::{Barriers, Blocks, INITIAL};
use super::dictionary::Dictionary;
use super::rows::{Rows, Write};
use super::sweep::Version;
use crate::linearizable::codes::NONE;

/// Operations a contradiction may name: a get is explained by all that it shows.
const NAMED: usize = 1 << 12;

/// Most bytes looked through for what a get may have seen: texts written times bytes shown.
const LOOKED_THROUGH: usize = 1 << 28;

/// Gets, by position, that have no order together with the writes they may have seen, and these.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Refuted {
    gets: Vec<u32>,
    writes: Vec<u32>,
}

impl Refuted {
    pub(super) fn by_gets(gets: &[u32]) -> Refuted {
        Refuted { gets: gets.to_vec(), writes: Vec::new() }
    }

    /// Adds a put or an append.
    pub(super) fn add_write(&mut self, write: u32) {
        self.writes.push(write);
    }

    /// Adds all that says what a block is, up to `version` of it: the gets that show less, and of
    /// those that show that much the one that returned first.
    pub(super) fn add_block(
        &mut self,
        rows: &Rows<'_>,
        blocks: &Blocks<'_>,
        versions: &[Version],
        (block, version): (u32, Option<u32>),
    ) {
        let of_block = (0..).zip(&blocks.places).filter(|(_, place)| place.block == block);
        let reaches = |shown: u32| version.is_some_and(|version| shown >= version);
        let below = of_block.clone().filter(|(_, place)| !reaches(place.version));
        self.gets.extend(below.map(|(at, _)| at));
        let above = of_block.filter(|(_, place)| reaches(place.version)).map(|(at, _)| at);
        self.gets.extend(above.min_by_key(|at: &u32| rows.gets[*at as usize].1.ret));
        let block = &blocks.of[block as usize];
        let last = version.map_or(block.shown.len(), |version| version as usize);
        let swept = versions[block.versions..][..=last].iter().map(|version| version.write);
        self.writes.extend(swept.filter(|write| ![NONE, INITIAL].contains(write)));
    }
}

/// The operations of a contradiction; `None` if these are too many, or too long to look through.
/// O(texts written * length of the longest get).
pub(super) fn close(
    rows: &Rows<'_>,
    dictionary: &Dictionary<'_>,
    refuted: Refuted,
) -> Option<Vec<OpIndex>> {
    let Refuted { mut gets, writes } = refuted;
    let get = |at: &u32| rows.gets[*at as usize].1;
    let text = |at: &u32| &*rows.gets[*at as usize].0;
    gets.sort_unstable_by_key(|at| (std::cmp::Reverse(text(at).len()), *at));
    gets.dedup();
    let longest = gets.first().map_or(0, |at| text(at).len());
    let looked_through = longest.saturating_mul(dictionary.tokens.len());
    if gets.len() + writes.len() > NAMED || looked_through > LOOKED_THROUGH {
        return None;
    }
    let mut named: BTreeSet<u32> = writes.into_iter().collect();
    let barriers = Barriers::new(&dictionary.writes);
    let gone = |call: u32| barriers.before(call).map_or(0, |(call, _)| call);
    // No get saw what is gone before all of them, or comes after.
    let from = gone(gets.iter().map(|at| get(at).call).min().unwrap_or(0));
    let until = gets.iter().map(|at| get(at).ret).max().unwrap_or(0);
    let mut texts: Vec<Seen<'_>> = Vec::new();
    for at in &gets {
        let (get, text) = (get(at), text(at));
        named.extend(barriers.before(get.call).map(|(_, put)| put));
        let known = texts.iter().position(|seen| seen.text.starts_with(text));
        let seen = known.unwrap_or_else(|| {
            texts.push(Seen::new(text, dictionary, (from, until)));
            texts.len() - 1
        });
        let gone = gone(get.call);
        named.extend(texts[seen].by(text.len()).filter(|write| {
            let write = &dictionary.writes[*write as usize];
            write.call < get.ret && write.ret >= gone
        }));
        if gets.len() + named.len() > NAMED {
            return None;
        }
    }
    let writes = named.iter().map(|write| OpIndex(dictionary.writes[*write as usize].op));
    Some(writes.chain(gets.iter().map(|at| OpIndex(get(at).op))).collect())
}

/// Which writes a get of a text, or of what it begins with, may have seen.
struct Seen<'r> {
    text: &'r str,
    /// How much of it must be seen, and a write.
    from: Vec<(u32, u32)>,
}

impl<'r> Seen<'r> {
    /// As the data type has it: a put that it begins with, an append that it contains. Only of what
    /// was called before `until` and did not return before `from`.
    fn new(text: &'r str, dictionary: &Dictionary<'_>, (from, until): (u32, u32)) -> Seen<'r> {
        let mut seen = Vec::new();
        for token in &dictionary.tokens {
            let writes = || token.writes().map(|at| (at as u32, &dictionary.writes[at]));
            let in_time = |write: &Write| write.call < until && write.ret >= from;
            if !writes().any(|(_, write)| in_time(write)) {
                continue;
            }
            let Some(at) = text.find(token.text) else { continue };
            let all = writes().filter(|(_, write)| !write.puts || at == 0);
            seen.extend(all.map(|(write, _)| ((at + token.text.len()) as u32, write)));
        }
        seen.sort_unstable();
        Seen { text, from: seen }
    }

    /// Every write that a get of the first `length` bytes may have seen.
    fn by(&self, length: usize) -> impl Iterator<Item = u32> {
        let seen = self.from.iter().take_while(move |(from, _)| *from as usize <= length);
        seen.map(|(_, write)| *write)
    }
}
