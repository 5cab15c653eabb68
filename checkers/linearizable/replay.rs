//! What an object held along a legal order, told for its last steps.
//!
//! For people only: nothing is decided here. Of a nondeterministic data type one possible course
//! is told, the same every time.

use rustc_hash::FxHashSet;

use super::{Model, Problem, Steps};

/// Steps whose states are told. A container is as long as its history: telling each of its states
/// would be quadratic in it.
pub(super) const TOLD: usize = 256;
/// Steps replayed to come there.
const REPLAYED: usize = 1 << 17;
/// States followed at once, where a data type is nondeterministic.
const FOLLOWED: usize = 1 << 10;
/// Longest text of one state, in bytes.
const STATE_BYTES: usize = 1 << 10;

/// A state, and which of the step before led to it.
struct Reached<S> {
    state: S,
    from: usize,
}

/// The states around the last steps of `order`, in words: one before them and one after each.
/// Empty where `order` is no legal order, or too long to be told. O(n) steps of the model.
pub(super) fn states_along<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    order: &[u32],
) -> Vec<String> {
    if order.len() > REPLAYED {
        return Vec::new();
    }
    let (early, late) = order.split_at(order.len().saturating_sub(TOLD));
    let op = |at: &u32| problem.op(&problem.entries[*at as usize]);
    let mut reached = vec![Reached { state: model.initial(), from: 0 }];
    for at in early {
        let Some(next) = step(model, &reached, op(at)) else { return Vec::new() };
        reached = next;
    }
    let mut course = vec![reached];
    for at in late {
        let Some(next) = step(model, &course[course.len() - 1], op(at)) else { return Vec::new() };
        course.push(next);
    }
    let mut told = Vec::with_capacity(course.len());
    let mut which = 0;
    for reached in course.iter().rev() {
        told.push(shortened(model.describe_state(&reached[which].state)));
        which = reached[which].from;
    }
    told.reverse();
    told
}

/// Where `op` leads from any of `before`; `None` if nowhere, or to more than can be followed.
fn step<M: Model>(
    model: &M,
    before: &[Reached<M::State>],
    op: &M::Op,
) -> Option<Vec<Reached<M::State>>> {
    let mut seen = FxHashSet::default();
    let mut after = Vec::new();
    for (from, Reached { state, .. }) in before.iter().enumerate() {
        let next = match model.step(state, op) {
            Steps::None => Vec::new(),
            Steps::One(next) => vec![next],
            Steps::Many(all) => all,
        };
        let first = next.into_iter().filter(|state| seen.insert(state.clone()));
        after.extend(first.map(|state| Reached { state, from }));
    }
    (!after.is_empty() && after.len() <= FOLLOWED).then_some(after)
}

fn shortened(text: String) -> String {
    if text.len() <= STATE_BYTES {
        return text;
    }
    let end = (0..=STATE_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}
