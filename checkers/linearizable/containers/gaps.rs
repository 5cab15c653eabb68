//! When was nothing surely inside? Decides what may have seen emptiness.
//!
//! A value was surely inside from the first return to the last call of the operations on it. An
//! operation that saw nothing fits into a gap that no such interval covers, and into no other; and
//! at such a gap every value is either wholly before or wholly behind: before, if the last call of
//! its operations is. So the gap cuts the history in two, and neither side loses an order.

use super::bits::Bits;
use super::prep::{Act, Acts, Conflict, Life, What};

/// The gaps that no value surely spans.
pub(super) fn uncovered(lives: &[Life], events: u32) -> Bits {
    let mut free = Bits::full(events as usize + 1);
    for life in lives.iter().filter(|life| life.is_critical()) {
        free.remove_range(life.first_ret, life.last_call);
    }
    free
}

/// Gives every observation of emptiness a gap in `free`; returns them, or the first that has none
/// with the values that cover it.
pub(super) fn place_empties(
    acts: &Acts,
    lives: &[Life],
    free: &Bits,
    gap_of: &mut [u32],
) -> Result<Vec<u32>, Conflict> {
    let mut empties = Vec::with_capacity(acts.empties);
    if acts.empties == 0 {
        return Ok(empties);
    }
    for (at, act) in (0u32..).zip(&acts.acts).filter(|(_, act)| act.what == What::Empty) {
        match first_in(free, act.call, act.ret) {
            Some(gap) => gap_of[at as usize] = gap,
            None => return Err(covered(acts, lives, at, (act.call, act.ret), |_| true)),
        }
        empties.push(at);
    }
    Ok(empties)
}

/// The first gap of `free` between `call` and `ret`.
pub(super) fn first_in(free: &Bits, call: u32, ret: u32) -> Option<u32> {
    free.next(call).filter(|gap| *gap < ret)
}

/// Why `act` has no gap from `call` to `ret`: a chain of few values, among those that `blocks`
/// names, of which one is surely inside at any time. O(n + v log v).
pub(super) fn covered(
    acts: &Acts,
    lives: &[Life],
    act: u32,
    (call, ret): (u32, u32),
    blocks: impl Fn(u32) -> bool,
) -> Conflict {
    let mut all: Vec<(u32, u32, u32)> = (0u32..)
        .zip(lives)
        .filter(|(_, life)| life.is_critical() && life.first_ret < ret && life.last_call > call)
        .filter(|(value, _)| blocks(*value))
        .map(|(value, life)| (life.first_ret, life.last_call, value))
        .collect();
    all.sort_unstable();
    let mut all = all.into_iter().peekable();
    let (mut reached, mut chain) = (call, Vec::new());
    while reached < ret {
        let mut best = None;
        while let Some((_, to, value)) = all.next_if(|(from, _, _)| *from <= reached) {
            best = best.max(Some((to, value)));
        }
        let (to, value) = best.expect("some value covers every gap of it");
        reached = to;
        chain.push(value);
    }
    let Act { value, what, .. } = acts.acts[act as usize];
    if !matches!(what, What::Empty | What::Absent) {
        chain.push(value);
    }
    chain.sort_unstable();
    let mut found = acts.extremes(&chain);
    found.push(act);
    Conflict::Acts(found)
}
