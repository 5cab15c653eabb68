//! Operations on values by number, and what they say together about each value.
//!
//! Every operation on a value bounds the others (section 3.13 of the specification calls it
//! tuning): the insert took effect before anything else returned, the remove after everything else
//! was invoked, a peek between the two.

use super::tricks::{Bug, Tricks};
use crate::Spent;
use crate::linearizable::{Allowance, NEVER};

/// No operation.
pub(super) const NONE: u32 = u32::MAX;

/// Steps between two looks at the budget: about a millisecond.
const POLL_EVERY: usize = 1 << 15;

/// What an operation did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum What {
    /// Put the value in. If it crashed, perhaps.
    Insert,
    /// Took the value out. If it crashed, perhaps.
    Remove,
    /// Saw the value: at the front of a queue, on top of a stack, as the greatest of a priority
    /// queue, inside a set.
    Peek,
    /// Saw that the value was not in a set.
    Absent,
    /// Saw that nothing was inside. The value means nothing.
    Empty,
    /// Crashed, and took out any value, or nothing. The value means nothing.
    Unknown,
}

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Act {
    /// Rank of its invocation.
    pub call: u32,
    /// Rank of its completion; [`NEVER`] if it crashed.
    pub ret: u32,
    /// Number of the value.
    pub value: u32,
    /// What it did.
    pub what: What,
}

/// Operations in the order invoked, with the sizes of their number spaces.
#[derive(Clone, Debug)]
pub(super) struct Acts {
    pub(super) acts: Vec<Act>,
    /// Values are below this.
    pub(super) values: usize,
    /// Ranks are below this; the *end* has this rank.
    pub(super) events: u32,
    pub(super) peeks: usize,
    pub(super) empties: usize,
}

/// What all operations on a value say about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Life {
    /// The insert; [`NONE`]: the value was never inside.
    pub(super) insert: u32,
    /// The remove; [`NONE`]: it stayed for ever.
    pub(super) remove: u32,
    /// The insert took effect after this...
    pub(super) add_call: u32,
    /// ...and before this, the first return of an operation on the value.
    pub(super) first_ret: u32,
    /// The remove took effect after this, the last call of an operation on the value (the end, for
    /// what stayed)...
    pub(super) last_call: u32,
    /// ...and before this.
    pub(super) rem_ret: u32,
}

/// Peeks, by value and then by call.
#[derive(Debug)]
pub(super) struct Peeks {
    starts: Vec<u32>,
    acts: Vec<u32>,
}

/// Looks at the budget now and then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch<'a> {
    pub(super) allowance: Allowance<'a>,
    pub(super) bytes: u64,
}

/// Why no order of these operations is legal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Conflict {
    /// These operations contradict each other: few.
    Acts(Vec<u32>),
    /// These values contradict each other: perhaps many.
    Values(Vec<u32>),
}

/// An answer in terms of the operations given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Solved {
    /// A legal order.
    Order(Vec<u32>),
    /// None is.
    Conflict(Conflict),
}

impl Act {
    pub(super) fn crashed(&self) -> bool {
        self.ret == NEVER
    }
}

impl Acts {
    /// `acts` with the ranks they have; `values` and `events` bound the numbers in them.
    pub(super) fn new(acts: Vec<Act>, values: usize, events: u32) -> Acts {
        let (mut peeks, mut empties) = (0, 0);
        for act in &acts {
            peeks += usize::from(act.what == What::Peek);
            empties += usize::from(act.what == What::Empty);
        }
        Acts { acts, values, events, peeks, empties }
    }

    /// `acts`, in any order and with ranks that may leave gaps, with dense ranks and sorted, and
    /// where each came from. Values keep their numbers. O(n log n).
    pub(super) fn compressed(mut acts: Vec<Act>, values: usize) -> (Acts, Vec<u32>) {
        let mut origin: Vec<u32> = (0..acts.len() as u32).collect();
        origin.sort_unstable_by_key(|at| acts[*at as usize].call);
        let mut ranks: Vec<u32> =
            acts.iter().flat_map(|act| [act.call, act.ret]).filter(|rank| *rank != NEVER).collect();
        ranks.sort_unstable();
        let rank = |old: u32| ranks.partition_point(|rank| *rank < old) as u32;
        for act in &mut acts {
            act.call = rank(act.call);
            act.ret = if act.crashed() { NEVER } else { rank(act.ret) };
        }
        let sorted = origin.iter().map(|at| acts[*at as usize]).collect();
        (Acts::new(sorted, values, ranks.len() as u32), origin)
    }

    /// What the operations say about each value, or those on one value that contradict each other.
    /// O(n).
    ///
    /// A crashed insert of a value that nobody saw is left out: it makes nothing else legal.
    pub(super) fn lives(
        &self,
        watch: Watch<'_>,
        tricks: Tricks,
    ) -> Result<Result<Vec<Life>, Conflict>, Spent> {
        let nothing = Life {
            insert: NONE,
            remove: NONE,
            add_call: 0,
            first_ret: NEVER,
            last_call: 0,
            rem_ret: NEVER,
        };
        let mut lives = vec![nothing; self.values];
        let no_crashed = tricks.has(Bug::CrashedInsertsDropped);
        let peek_removes = tricks.has(Bug::PeekRemoves);
        let untuned = tricks.has(Bug::TuningLeftOut);
        for (at, act) in (0u32..).zip(&self.acts) {
            watch.poll(at as usize)?;
            let Some(life) = lives.get_mut(act.value as usize) else { continue };
            match act.what {
                What::Insert if no_crashed && act.crashed() => continue,
                What::Insert => {
                    life.insert = at;
                    life.add_call = act.call;
                }
                What::Remove => {
                    life.remove = at;
                    life.rem_ret = act.ret;
                }
                What::Peek if untuned => continue,
                What::Peek if peek_removes => life.rem_ret = life.rem_ret.min(act.ret),
                What::Peek => {}
                What::Absent | What::Empty | What::Unknown => continue,
            }
            life.first_ret = life.first_ret.min(act.ret);
            life.last_call = life.last_call.max(act.call);
        }
        for (value, life) in (0u32..).zip(&mut lives) {
            if life.first_ret == NEVER {
                *life = nothing;
            } else if life.insert == NONE
                || life.first_ret < life.add_call
                || life.rem_ret < life.last_call
            {
                return Ok(Err(Conflict::Acts(self.extremes(&[value]))));
            } else if life.remove == NONE {
                life.last_call = self.events;
            }
        }
        Ok(Ok(lives))
    }

    /// Of each of `values`, sorted: the insert, the remove, and the peeks that returned first and
    /// were called last. These say all about when it was surely inside. O(n log values).
    pub(super) fn extremes(&self, values: &[u32]) -> Vec<u32> {
        let mut first: Vec<Option<u32>> = vec![None; values.len()];
        let mut last = first.clone();
        let mut found = Vec::new();
        for (at, act) in (0u32..).zip(&self.acts) {
            let Ok(index) = values.binary_search(&act.value) else { continue };
            match act.what {
                What::Insert | What::Remove => found.push(at),
                What::Peek => {
                    let ret = |at: u32| self.acts[at as usize].ret;
                    if first[index].is_none_or(|known| ret(known) > act.ret) {
                        first[index] = Some(at);
                    }
                    last[index] = Some(at);
                }
                What::Absent | What::Empty | What::Unknown => {}
            }
        }
        found.extend(first.into_iter().chain(last).flatten());
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Peeks by value. O(n).
    pub(super) fn peeks_by_value(&self) -> Peeks {
        if self.peeks == 0 {
            return Peeks { starts: Vec::new(), acts: Vec::new() };
        }
        let mut starts = vec![0; self.values + 2];
        let peeks = || (0u32..).zip(&self.acts).filter(|(_, act)| act.what == What::Peek);
        for (_, act) in peeks() {
            starts[act.value as usize + 2] += 1;
        }
        for value in 2..starts.len() {
            starts[value] += starts[value - 1];
        }
        let mut acts = vec![0; self.peeks];
        for (at, act) in peeks() {
            let next = &mut starts[act.value as usize + 1];
            acts[*next as usize] = at;
            *next += 1;
        }
        Peeks { starts, acts }
    }
}

impl Peeks {
    pub(super) fn of(&self, value: usize) -> &[u32] {
        if self.starts.is_empty() {
            return &[];
        }
        &self.acts[self.starts[value] as usize..self.starts[value + 1] as usize]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.acts.len()
    }
}

impl Life {
    /// Whether it was ever inside.
    pub(super) fn exists(&self) -> bool {
        self.insert != NONE
    }

    /// Whether it was surely inside at some time: from `first_ret` to `last_call`.
    pub(super) fn is_critical(&self) -> bool {
        self.exists() && self.first_ret < self.last_call
    }

    /// When a peek took effect.
    pub(super) fn clip(&self, peek: &Act) -> (u32, u32) {
        (peek.call.max(self.add_call), peek.ret.min(self.rem_ret))
    }
}

impl Watch<'_> {
    /// To be called with every number of a count.
    pub(super) fn poll(&self, step: usize) -> Result<(), Spent> {
        if !step.is_multiple_of(POLL_EVERY) {
            return Ok(());
        }
        self.allowance.passed(step);
        self.allowance.allows(self.bytes)
    }
}
