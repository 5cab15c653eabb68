//! Transactions on lists that contradict themselves by one element, or show one that nobody can
//! have appended by then.
//!
//! Knows lists and real time, no search: what is suspected here is decided by others. Two necessary
//! conditions, for lists only grow:
//!
//! 1. What a transaction appended to a list is in what it reads of that list afterwards.
//! 2. Somebody began to append what a read shows before it returned.

use rustc_hash::{FxHashMap, FxHashSet};
use tribunal_history::Value;

use super::{ListMop, ListOp};
use crate::linearizable::{Entry, NEVER};
use crate::planted::Planted;

/// A mistake planted by a test. None makes a verdict wrong, for a suspect is decided; each has one
/// named that is not guilty, or one missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// Rule 1 asks of reads that stand before the append, too.
    LaterIsOwn,
    /// Rule 1 asks of reads of other lists, too.
    AnyListIsOwn,
    /// Rule 1 asks for what was appended first alone.
    FirstIsAllOwn,
    /// Rule 2 forgets appends that are pending.
    AppendedBeforeCall,
    /// Rule 2 forgets appends that crashed.
    CrashedForgotten,
    /// Rule 2 takes what is appended to any list for what is appended to all.
    AnyListIsAppended,
    /// Rule 2 asks of the last of those that found the same.
    LastReturnCounts,
}

/// Which of them, if any.
pub(crate) type Slips = Planted<Bug>;

/// When the operations that are alike were under way.
#[derive(Clone, Copy)]
struct Span {
    first_call: u32,
    last_call: u32,
    first_ret: u32,
    last_ret: u32,
}

/// One element of which no order is legal, if a rule says so: of the transaction that returned
/// first. O(length of the distinct reads, and of those of own appends).
pub(crate) fn suspects(entries: &[Entry], ops: &[ListOp], slips: Slips) -> Option<Vec<Value>> {
    let nobody = Span { first_call: NEVER, last_call: 0, first_ret: NEVER, last_ret: 0 };
    let mut spans = vec![nobody; ops.len()];
    for entry in entries {
        let span = &mut spans[entry.class as usize];
        span.first_call = span.first_call.min(entry.call);
        span.last_call = span.last_call.max(entry.call);
        span.first_ret = span.first_ret.min(entry.ret);
        if entry.ret != NEVER {
            span.last_ret = span.last_ret.max(entry.ret);
        }
    }
    let completed = |(_, span): &(&ListOp, Span)| span.first_ret != NEVER;
    let mut appended = Appended { from: FxHashMap::default(), slips };
    for (op, span) in ops.iter().zip(spans.iter().copied()) {
        if completed(&(op, span)) || !slips.has(Bug::CrashedForgotten) {
            op.appends().for_each(|(key, element)| appended.add(key, element, span.first_call));
        }
    }
    let all = ops.iter().zip(spans).filter(completed);
    let suspects = all.filter_map(|(op, span)| Some((span.first_ret, appended.suspect(op, span)?)));
    suspects.min_by_key(|(ret, _)| *ret).map(|(_, element)| vec![element.clone()])
}

/// The first call of an append of each element to each list.
struct Appended<'a> {
    from: FxHashMap<(Option<&'a Value>, &'a Value), u32>,
    slips: Slips,
}

impl<'a> Appended<'a> {
    fn list<'b>(&self, key: &'b Value) -> Option<&'b Value> {
        (!self.slips.has(Bug::AnyListIsAppended)).then_some(key)
    }

    fn add(&mut self, key: &'a Value, element: &'a Value, call: u32) {
        let first = self.from.entry((self.list(key), element)).or_insert(NEVER);
        *first = (*first).min(call);
    }

    /// What the reads of `op` lack of what it appended before, or show although nobody had begun
    /// to append it when it returned: of each, the first.
    fn suspect<'o>(&self, op: &'o ListOp, span: Span) -> Option<&'o Value> {
        let slips = self.slips;
        let before = if slips.has(Bug::AppendedBeforeCall) {
            span.last_call
        } else if slips.has(Bug::LastReturnCounts) {
            span.last_ret
        } else {
            span.first_ret
        };
        let of_list = |key| (!slips.has(Bug::AnyListIsOwn)).then_some(key);
        let mut appended: FxHashMap<Option<&Value>, Vec<&Value>> = FxHashMap::default();
        if slips.has(Bug::LaterIsOwn) {
            op.appends().for_each(|(key, element)| {
                appended.entry(of_list(key)).or_default().push(element);
            });
        }
        op.0.iter().find_map(|mop| {
            let (key, elements) = match mop {
                ListMop::Read { key, elements } => (key, elements),
                ListMop::Append { key, element } => {
                    if !slips.has(Bug::LaterIsOwn) {
                        appended.entry(of_list(key)).or_default().push(element);
                    }
                    return None;
                }
            };
            let own = appended.get(&of_list(key)).and_then(|own| {
                let shown: FxHashSet<&Value> = elements.iter().collect();
                let few = if slips.has(Bug::FirstIsAllOwn) { 1 } else { own.len() };
                own[..few].iter().copied().find(|element| !shown.contains(element))
            });
            let list = self.list(key);
            let late = |element: &&Value| {
                self.from.get(&(list, *element)).is_none_or(|call| *call > before)
            };
            own.or_else(|| elements.iter().find(late))
        })
    }
}
