//! From a contradiction to the operations that show it: gets that have no order together, what
//! they may have seen, and for each the put that hides the rest.

use tribunal_history::OpIndex;

use super::blocks::{Barriers, Blocks, INITIAL};
use super::dictionary::Dictionary;
use super::rows::Rows;
use super::sweep::Version;
use crate::linearizable::codes::NONE;

/// Operations a contradiction may name: a get is explained by all that it shows.
const NAMED: usize = 1 << 12;

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

/// The operations of a contradiction; `None` if these are too many. O(gets * writes).
pub(super) fn close(
    rows: &Rows<'_>,
    dictionary: &Dictionary<'_>,
    refuted: Refuted,
) -> Option<Vec<OpIndex>> {
    let Refuted { mut gets, writes } = refuted;
    gets.sort_unstable_by_key(|at| (std::cmp::Reverse(rows.gets[*at as usize].0.len()), *at));
    gets.dedup();
    let mut named = vec![false; dictionary.writes.len()];
    writes.iter().for_each(|write| named[*write as usize] = true);
    let barriers = Barriers::new(&dictionary.writes);
    let mut texts: Vec<Seen<'_>> = Vec::new();
    for at in &gets {
        let (text, get) = &rows.gets[*at as usize];
        let known = texts.iter().position(|seen| seen.text.starts_with(&**text));
        let seen = known.unwrap_or_else(|| {
            texts.push(Seen::new(text, dictionary));
            texts.len() - 1
        });
        let barrier = barriers.before(get.call);
        let gone = barrier.map_or(0, |(call, _)| call);
        if let Some((_, put)) = barrier {
            named[put as usize] = true;
        }
        texts[seen].by(text.len(), |write| {
            let other = &dictionary.writes[write];
            named[write] |= other.call < get.ret && other.ret >= gone;
        });
    }
    let writes = dictionary.writes.iter().zip(&named).filter(|(_, named)| **named);
    let mut found: Vec<OpIndex> = writes.map(|(write, _)| OpIndex(write.op)).collect();
    found.extend(gets.iter().map(|at| OpIndex(rows.gets[*at as usize].1.op)));
    found.sort_unstable();
    (found.len() <= NAMED).then_some(found)
}

/// Which writes a get of a text, or of what it begins with, may have seen.
struct Seen<'r> {
    text: &'r str,
    /// How much of it must be seen, and a write.
    from: Vec<(u32, u32)>,
}

impl<'r> Seen<'r> {
    /// As the data type has it: a put that it begins with, an append that it contains.
    fn new(text: &'r str, dictionary: &Dictionary<'_>) -> Seen<'r> {
        let mut from = Vec::new();
        for token in &dictionary.tokens {
            let Some(at) = text.find(token.text) else { continue };
            for write in token.writes() {
                if !dictionary.writes[write].puts || at == 0 {
                    from.push(((at + token.text.len()) as u32, write as u32));
                }
            }
        }
        from.sort_unstable();
        Seen { text, from }
    }

    /// Every write that a get of the first `length` bytes may have seen.
    fn by(&self, length: usize, mut each: impl FnMut(usize)) {
        let seen = self.from.iter().take_while(|(from, _)| *from as usize <= length);
        seen.for_each(|(_, write)| each(*write as usize));
    }
}
