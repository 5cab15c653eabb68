//! From an instant for every operation to an order of all.
//!
//! An instant is a *gap*: number `g` lies behind the event of rank `g` and before the next. An
//! operation may take effect in the gaps `call..ret`. Within a gap the algorithms say what comes
//! first, by the order in which they put operations here.

use super::prep::{Acts, Life, NONE, Peeks, Watch};
use crate::Spent;
use crate::linearizable::NEVER;

/// Operations by gap; those of one gap in the order they were put.
#[derive(Debug)]
pub(super) struct Placing<'a> {
    gap_of: &'a [u32],
    next: Vec<u32>,
    order: Vec<u32>,
}

impl<'a> Placing<'a> {
    /// For operations with the gaps `gap_of`, below `gaps`; [`NONE`] is left out.
    pub(super) fn new(gap_of: &'a [u32], gaps: usize) -> Placing<'a> {
        let mut next = vec![0u32; gaps + 1];
        let mut sum = 0;
        for gap in gap_of.iter().filter(|gap| **gap != NONE) {
            next[*gap as usize] += 1;
            sum += 1;
        }
        let mut before = 0;
        for count in &mut next {
            before += std::mem::replace(count, before);
        }
        Placing { gap_of, next, order: vec![0; sum] }
    }

    /// Puts `act` behind what its gap holds.
    pub(super) fn put(&mut self, act: u32) {
        let next = &mut self.next[self.gap_of[act as usize] as usize];
        self.order[*next as usize] = act;
        *next += 1;
    }

    /// Everything, in order. Every operation with a gap must have been put.
    pub(super) fn finish(self) -> Vec<u32> {
        self.order
    }
}

/// Takes back the crashed removes that were put at the end: there, what nobody removed counts as
/// gone, and in the order it is not.
pub(super) fn never_happened(acts: &Acts, lives: &[Life], gap_of: &mut [u32]) {
    for life in lives.iter().filter(|life| life.remove != NONE && life.rem_ret == NEVER) {
        let gap = &mut gap_of[life.remove as usize];
        if *gap == acts.events {
            *gap = NONE;
        }
    }
}

/// The order of containers in which a value of lower rank is *outside* one of higher rank: it is
/// below it on a stack, or of lower priority. `ranked` holds values by rank.
///
/// In one gap: first what ends there, from the inside out, each with whatever of it happens there;
/// then who saw that nothing is inside; then what goes on, from the outside in.
pub(super) fn nested(
    lives: &[Life],
    peeks: &Peeks,
    ranked: &[u32],
    empties: &[u32],
    (gap_of, gaps): (&[u32], usize),
    watch: Watch<'_>,
) -> Result<Vec<u32>, Spent> {
    let gap = |act: u32| if act == NONE { NONE } else { gap_of[act as usize] };
    let mut placing = Placing::new(gap_of, gaps);
    for (step, value) in ranked.iter().rev().enumerate() {
        watch.poll(step)?;
        let life = &lives[*value as usize];
        let end = gap(life.remove);
        if end == NONE {
            continue;
        }
        if gap(life.insert) == end {
            placing.put(life.insert);
        }
        let peeks = peeks.of(*value as usize).iter();
        peeks.filter(|peek| gap(**peek) == end).for_each(|peek| placing.put(*peek));
        placing.put(life.remove);
    }
    empties.iter().for_each(|act| placing.put(*act));
    for (step, value) in ranked.iter().enumerate() {
        watch.poll(step)?;
        let life = &lives[*value as usize];
        let end = gap(life.remove);
        if gap(life.insert) != end {
            placing.put(life.insert);
        }
        let peeks = peeks.of(*value as usize).iter();
        peeks.filter(|peek| gap(**peek) != end).for_each(|peek| placing.put(*peek));
    }
    Ok(placing.finish())
}
