//! What an object held along a legal order, told for its last steps.
//!
//! For people only: nothing is decided here. Of a nondeterministic data type one possible course
//! is told, the same every time.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;

use super::{Model, Problem, Steps};

/// Steps whose states are told. A container is as long as its history: telling each of its states
/// would be quadratic in it.
pub(super) const TOLD: usize = 256;
/// Steps replayed to come there.
const REPLAYED: usize = 1 << 17;
/// Bytes that they may hold together, and their text may have before it is cut: of large states
/// fewer are told, two at least.
const HELD_BYTES: u64 = 16 << 20;
const TEXT_BYTES: usize = 1 << 20;
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
/// Empty where `order` is no legal order, or too long to be told, or where told to stop. O(n) steps
/// of the model.
pub(super) fn states_along<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    order: &[u32],
    stop: &dyn Fn() -> bool,
) -> Vec<String> {
    if order.len() > REPLAYED {
        return Vec::new();
    }
    let initial = vec![Reached { state: model.initial(), from: 0 }];
    let (mut course, mut held) = (VecDeque::from([(initial, 0)]), 0);
    for at in order {
        let op = problem.op(&problem.entries[*at as usize]);
        let (before, _) = &course[course.len() - 1];
        let next = if stop() { None } else { step(model, before, op) };
        let Some(next) = next else { return Vec::new() };
        let bytes = next.iter().map(|it| model.made_bytes(&it.state, op)).sum::<u64>();
        held += bytes;
        course.push_back((next, bytes));
        while course.len() > TOLD + 1 || held > HELD_BYTES && course.len() > 2 {
            held -= course.pop_front().map_or(0, |(_, bytes)| bytes);
        }
    }
    let mut told = Vec::with_capacity(course.len());
    let (mut which, mut length) = (0, 0);
    for (reached, _) in course.iter().rev() {
        if length > TEXT_BYTES && told.len() > 1 || stop() {
            break;
        }
        let text = model.describe_state(&reached[which].state);
        length += text.len();
        told.push(shortened(text));
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
