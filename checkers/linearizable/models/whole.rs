//! Whole reads of a set that contradict something by one or two elements.
//!
//! Elements of a set do not know of each other, so an order of the whole is, of some elements
//! alone, an order too (projection, Herlihy & Wing 1990, section 3.3). Where a read shows a
//! thousand elements and lacks one, that one is enough. Knows sets and real time, no search: what
//! is suspected here is decided by others.
//!
//! Three necessary conditions.
//!
//! 1. Somebody began to add what a read shows before it returned, and it shows it once.
//! 2. What certainly was there before a read began is in it, unless a remove may have come
//!    between.
//! 3. Of elements that nobody removes, one of any two reads shows all that the other does.

use rustc_hash::FxHashMap;
use tribunal_history::Value;

use super::SetOp;
use crate::linearizable::{Entry, NEVER};
use crate::planted::Planted;

/// Most pairs of a read and an element that somebody removes.
const PAIRS: usize = 1 << 24;

/// A mistake planted by a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// Rule 1 forgets adds that are pending.
    AddedBeforeCall,
    /// Rule 2 takes what is being added for what is there.
    ThereFromCall,
    /// Rule 2 takes a read that overlaps the witness for a later one.
    OverlapIsLater,
    /// Rule 2 forgets removes.
    RemovesForgotten,
    /// Rule 2 forgets removes that crashed.
    CrashedRemovesForgotten,
    /// Rule 3 asks about elements that somebody removes.
    RemovedMayCross,
}

/// Which of them, if any.
pub(crate) type Slips = Planted<Bug>;

/// When an operation was under way.
#[derive(Clone, Copy)]
struct Span {
    call: u32,
    ret: u32,
}

/// What is said of one element by others than whole reads.
struct Element<'a> {
    value: &'a Value,
    /// The first call of an add.
    added_from: u32,
    /// Completed operations after or before which it was there.
    seen: Vec<Span>,
    /// Removes that may have taken it.
    removed: Vec<Span>,
}

/// A distinct answer to a whole read.
struct Whole<'a> {
    /// Numbers of what it shows, in the order of the values.
    shown: Vec<u32>,
    values: &'a [Value],
    entries: Vec<Span>,
    first_ret: u32,
    last_call: u32,
}

/// Everything, by element and by answer.
struct Seen<'a> {
    elements: Vec<Element<'a>>,
    reads: Vec<Whole<'a>>,
}

/// One or two elements of which no order is legal, if a rule says so; the first by rule, then by
/// order of appearance. O(length of the distinct reads), and of elements that somebody removes
/// O(reads * log) each.
pub(crate) fn suspects(entries: &[Entry], ops: &[SetOp], slips: Slips) -> Option<Vec<Value>> {
    if !ops.iter().any(|op| matches!(op, SetOp::Read(_))) {
        return None;
    }
    let seen = Seen::new(entries, ops);
    let at = |at: u32| seen.elements[at as usize].value.clone();
    if let Some(one) = seen.never_added(slips).or_else(|| seen.lost(slips)) {
        return Some(vec![at(one)]);
    }
    let (one, other) = seen.crossing(slips)?;
    let mut both = vec![at(one), at(other)];
    both.sort();
    Some(both)
}

impl<'a> Seen<'a> {
    fn new(entries: &[Entry], ops: &'a [SetOp]) -> Seen<'a> {
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); ops.len()];
        for entry in entries {
            spans[entry.class as usize].push(Span { call: entry.call, ret: entry.ret });
        }
        let mut numbers: FxHashMap<&Value, u32> = FxHashMap::default();
        let mut seen = Seen { elements: Vec::new(), reads: Vec::new() };
        let mut number = |elements: &mut Vec<Element<'a>>, value: &'a Value| {
            *numbers.entry(value).or_insert_with(|| {
                let (seen, removed) = (Vec::new(), Vec::new());
                elements.push(Element { value, added_from: NEVER, seen, removed });
                elements.len() as u32 - 1
            })
        };
        for (op, spans) in ops.iter().zip(spans).filter(|(_, spans)| !spans.is_empty()) {
            let completed = spans.iter().copied().filter(|span| span.ret != NEVER);
            match op {
                SetOp::Add(value, _) => {
                    let at = number(&mut seen.elements, value) as usize;
                    let element = &mut seen.elements[at];
                    let first = spans.iter().map(|span| span.call).min().unwrap_or(NEVER);
                    element.added_from = element.added_from.min(first);
                    element.seen.extend(completed);
                }
                SetOp::Remove(value, told) if *told != Some(false) => {
                    let at = number(&mut seen.elements, value) as usize;
                    seen.elements[at].removed.extend(&spans);
                }
                SetOp::Contains(value, true) => {
                    let at = number(&mut seen.elements, value) as usize;
                    seen.elements[at].seen.extend(completed);
                }
                SetOp::Remove(..) | SetOp::Contains(..) => {}
                SetOp::Read(values) => {
                    let shown = values.iter().map(|value| number(&mut seen.elements, value));
                    let mut shown: Vec<u32> = shown.collect();
                    shown.dedup();
                    let entries: Vec<Span> = completed.collect();
                    let first_ret = entries.iter().map(|span| span.ret).min().unwrap_or(NEVER);
                    let last_call = entries.iter().map(|span| span.call).max().unwrap_or(0);
                    seen.reads.push(Whole { shown, values, entries, first_ret, last_call });
                }
            }
        }
        seen
    }

    /// Rule 1.
    fn never_added(&self, slips: Slips) -> Option<u32> {
        self.reads.iter().find_map(|read| {
            let early = slips.has(Bug::AddedBeforeCall);
            let before = if early { read.last_call } else { read.first_ret };
            let late = |at: &&u32| self.elements[**at as usize].added_from > before;
            // Shown as often as it has places: numbers are in the order of the values.
            let twice = || read.values.windows(2).position(|pair| pair[0] == pair[1]);
            read.shown.iter().find(late).copied().or_else(|| Some(read.shown[twice()?]))
        })
    }

    /// Rule 2: where nobody removes it, by counting the reads that should show it and those that
    /// do; else by looking at each.
    fn lost(&self, slips: Slips) -> Option<u32> {
        let early = slips.has(Bug::ThereFromCall);
        let there = |span: &Span| if early { span.call } else { span.ret };
        let mut there_from: Vec<u32> = self
            .elements
            .iter()
            .map(|element| element.seen.iter().map(there).min().unwrap_or(NEVER))
            .collect();
        for read in &self.reads {
            for at in &read.shown {
                let from = &mut there_from[*at as usize];
                *from = (*from).min(read.first_ret);
            }
        }
        let overlap = slips.has(Bug::OverlapIsLater);
        let later = |read: &Whole<'_>| match overlap {
            true => read.entries.iter().map(|span| span.ret).max().unwrap_or(0),
            false => read.last_call,
        };
        let mut shown = vec![0_u32; self.elements.len()];
        let mut calls: Vec<u32> = Vec::with_capacity(self.reads.len());
        for read in &self.reads {
            calls.push(later(read));
            for at in &read.shown {
                shown[*at as usize] += u32::from(later(read) > there_from[*at as usize]);
            }
        }
        calls.sort_unstable();
        let mut pairs = 0;
        (0..self.elements.len()).find_map(|at| {
            let element = &self.elements[at];
            let after = calls.len() - calls.partition_point(|call| *call <= there_from[at]);
            if shown[at] as usize >= after {
                return None;
            }
            if !element.removed.is_empty() && !slips.has(Bug::RemovesForgotten) {
                pairs += self.reads.iter().map(|read| read.entries.len()).sum::<usize>();
                if pairs > PAIRS || !self.lost_unless_removed(at as u32, slips) {
                    return None;
                }
            }
            Some(at as u32)
        })
    }

    /// Rule 2 for an element that somebody removes.
    fn lost_unless_removed(&self, at: u32, slips: Slips) -> bool {
        let element = &self.elements[at as usize];
        let shows =
            |read: &&Whole<'_>| read.values.binary_search(self.elements[at as usize].value).is_ok();
        let mut seen = element.seen.clone();
        seen.extend(self.reads.iter().filter(shows).flat_map(|read| &read.entries));
        // By return, with the latest call up to there.
        seen.sort_unstable_by_key(|span| span.ret);
        let mut latest = 0;
        for span in &mut seen {
            latest = latest.max(span.call);
            span.call = latest;
        }
        // By call, with the latest return up to there.
        let mut removed = element.removed.clone();
        removed.retain(|span| span.ret != NEVER || !slips.has(Bug::CrashedRemovesForgotten));
        removed.sort_unstable_by_key(|span| span.call);
        let mut latest = 0;
        for span in &mut removed {
            latest = latest.max(span.ret);
            span.ret = latest;
        }
        let lacks = self.reads.iter().filter(|read| !shows(read));
        lacks.flat_map(|read| &read.entries).any(|lacking| {
            let before = seen.partition_point(|span| span.ret < lacking.call);
            let Some(witness) = before.checked_sub(1).map(|last| seen[last].call) else {
                return false;
            };
            let until = removed.partition_point(|span| span.call < lacking.ret);
            until.checked_sub(1).is_none_or(|last| removed[last].ret < witness)
        })
    }

    /// Rule 3: reads by how much they show are a chain.
    fn crossing(&self, slips: Slips) -> Option<(u32, u32)> {
        let all = slips.has(Bug::RemovedMayCross);
        let stays = |at: &u32| all || self.elements[*at as usize].removed.is_empty();
        let kept = self.reads.iter().map(|read| {
            let mut shown: Vec<u32> = read.shown.iter().copied().filter(&stays).collect();
            shown.sort_unstable();
            shown
        });
        let mut chain: Vec<Vec<u32>> = kept.collect();
        chain.sort_by_key(Vec::len);
        let lacking = |less: &[u32], more: &[u32]| {
            less.iter().find(|at| more.binary_search(at).is_err()).copied()
        };
        chain.windows(2).find_map(|pair| {
            let only = lacking(&pair[0], &pair[1])?;
            Some((only, lacking(&pair[1], &pair[0])?))
        })
    }
}
