//! What a counter cannot have shown, whatever the order: more than all additions that may have
//! come before make together, or less. Knows counters and real time, no search.

use super::CounterOp;
use crate::linearizable::{Entry, NEVER};
use crate::planted::Planted;

/// A mistake planted by a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// What is pending cannot have been added.
    PendingForgotten,
    /// What is pending was added.
    PendingIsDone,
    /// Crashed additions were none.
    CrashedForgotten,
}

/// Which of them, if any.
pub(crate) type Slips = Planted<Bug>;

/// The position of the first answer, by return, out of what is possible. O(n log n).
pub(crate) fn beyond(
    initial: i64,
    entries: &[Entry],
    ops: &[CounterOp],
    slips: Slips,
) -> Option<u32> {
    let delta = |entry: &Entry| match &ops[entry.class as usize] {
        CounterOp::Add { delta, .. } => i128::from(*delta),
        CounterOp::Read(_) => 0,
    };
    // Sums of what raises and what lowers, by call and by return.
    let mut called: Vec<(u32, i128, i128)> = vec![(0, 0, 0)];
    let mut returned = called.clone();
    for entry in entries.iter().filter(|entry| delta(entry) != 0) {
        if entry.ret != NEVER {
            returned.push((entry.ret, delta(entry).max(0), delta(entry).min(0)));
        } else if slips.has(Bug::CrashedForgotten) {
            continue;
        }
        called.push((entry.call, delta(entry).max(0), delta(entry).min(0)));
    }
    for sums in [&mut called, &mut returned] {
        sums.sort_unstable();
        let (mut up, mut down) = (0, 0);
        for sum in sums.iter_mut() {
            (up, down) = (up + sum.1, down + sum.2);
            *sum = (sum.0, up, down);
        }
    }
    let before = |sums: &[(u32, i128, i128)], rank: u32| {
        let (_, up, down) = sums[sums.partition_point(|(at, ..)| *at < rank).max(1) - 1];
        (up, down)
    };
    let out = entries.iter().enumerate().filter(|(_, entry)| {
        let (seen, own) = match &ops[entry.class as usize] {
            CounterOp::Add { delta, after: Some(after) } => (*after, i128::from(*delta)),
            CounterOp::Read(seen) => (*seen, 0),
            CounterOp::Add { after: None, .. } => return false,
        };
        if entry.ret == NEVER {
            return false;
        }
        let late = if slips.has(Bug::PendingForgotten) { entry.call } else { entry.ret };
        let (may_up, may_down) = before(&called, late);
        let early = if slips.has(Bug::PendingIsDone) { entry.ret } else { entry.call };
        let (up, down) = before(&returned, early);
        // Its own addition is among those that were called.
        let least = i128::from(initial) + up + may_down + own.max(0);
        let most = i128::from(initial) + may_up + down + own.min(0);
        i128::from(seen) < least || i128::from(seen) > most
    });
    out.min_by_key(|(_, entry)| entry.ret).map(|(at, _)| at as u32)
}
