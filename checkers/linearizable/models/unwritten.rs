//! Transactions on registers that found a value which nobody can have written by then, or that
//! contradict themselves.
//!
//! Knows no search: what is suspected here is decided by others. One necessary condition: of a
//! value that a register does not hold at first, who finds it there returns after somebody else
//! was invoked who leaves it there, and did not find it there before.

use rustc_hash::{FxHashMap, FxHashSet};
use tribunal_history::Value;

use super::multi_register::contradicts_itself;
use super::{MultiRegisterOp, MultiRegisterStep};
use crate::linearizable::{Entry, NEVER};
use crate::planted::Planted;

/// A mistake planted by a test. None makes a verdict wrong, for a suspect is decided; each has one
/// named that is not guilty, or one missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// Forgets what a register holds at first.
    InitialForgotten,
    /// Forgets writes that are pending.
    WrittenBeforeCall,
    /// Forgets writes that crashed.
    CrashedForgotten,
    /// What is overwritten by whoever wrote it is left there.
    OverwrittenIsLeft,
    /// Who found it there may be the one who left it there.
    FoundIsLeft,
    /// What is written to any register is written to all.
    AnyKey,
    /// Nobody contradicts itself.
    OwnIgnored,
}

/// Which of them, if any.
pub(crate) type Slips = Planted<Bug>;

/// A register and a value of it of which no order is legal: of the transaction that returned
/// first. O(steps of the distinct transactions).
pub(crate) fn suspects(
    entries: &[Entry],
    ops: &[MultiRegisterOp],
    initial: &Value,
    slips: Slips,
) -> Option<Vec<Value>> {
    let mut spans = vec![(NEVER, 0, NEVER); ops.len()];
    for entry in entries {
        let (first_call, last_call, ret) = &mut spans[entry.class as usize];
        *first_call = (*first_call).min(entry.call);
        *last_call = (*last_call).max(entry.call);
        *ret = (*ret).min(entry.ret);
    }
    let mut left: FxHashMap<(Option<&Value>, &Value), u32> = FxHashMap::default();
    for (op, (call, _, ret)) in ops.iter().zip(&spans) {
        if *ret == NEVER && slips.has(Bug::CrashedForgotten) {
            continue;
        }
        let last = op.left();
        let found_there: FxHashSet<(&Value, &Value)> = op.reads().collect();
        for step in &op.0 {
            let MultiRegisterStep::Write(key, value) = step else { continue };
            let overwritten = last.get(key) != Some(&value);
            let found = found_there.contains(&(key, value));
            if overwritten && !slips.has(Bug::OverwrittenIsLeft)
                || found && !slips.has(Bug::FoundIsLeft)
            {
                continue;
            }
            let first = left.entry((register(key, slips), value)).or_insert(NEVER);
            *first = (*first).min(*call);
        }
    }
    let completed = ops.iter().zip(spans).filter(|(_, (_, _, ret))| *ret != NEVER);
    let suspects = completed.filter_map(|(op, (_, call, ret))| {
        let before = if slips.has(Bug::WrittenBeforeCall) { call } else { ret };
        let unwritten = |(key, value): &(&Value, &Value)| {
            let at_first = *value == initial && !slips.has(Bug::InitialForgotten);
            !at_first && left.get(&(register(key, slips), *value)).is_none_or(|call| *call > before)
        };
        let own = || contradiction(op).filter(|_| !slips.has(Bug::OwnIgnored));
        let (key, value) = own().or_else(|| op.reads().find(unwritten))?;
        Some((ret, key, value))
    });
    let (_, key, value) = suspects.min_by_key(|(ret, _, _)| *ret)?;
    Some(vec![key.clone(), value.clone()])
}

fn register(key: &Value, slips: Slips) -> Option<&Value> {
    (!slips.has(Bug::AnyKey)).then_some(key)
}

/// A register, and what is said of it that cannot be, whatever it held.
fn contradiction(op: &MultiRegisterOp) -> Option<(&Value, &Value)> {
    if !contradicts_itself(op) {
        return None;
    }
    let mut asked = FxHashSet::default();
    op.0.iter().find_map(|step| {
        let MultiRegisterStep::Read(key, value) = step else { return None };
        (asked.insert(key) && contradicts_itself(&op.of(key))).then_some((key, value))
    })
}
