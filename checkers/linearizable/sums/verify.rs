//! Whether some operations prove by sums that a number was out of its bounds. Shares no code with
//! what finds them.
//!
//! Take any legal order of the whole up to an event, and two of its instants. At the first one the
//! number is at least *L*: what an object is at first; what an operation that completed left
//! behind; or the least it ever is. Whatever was invoked after the first instant at the latest and
//! returned before the second one at the earliest happened in between; what returned before the
//! first at the earliest, or was invoked after the second at the latest, did not; of the rest
//! nobody knows. So at the second instant it is at least *L*, with what certainly was added in
//! between and what may have been taken away. If that is more than what an operation can have
//! found there, or more than the number ever is, there is no legal order. Additions may be left
//! out of that sum, and nothing else may; the same holds with all signs turned.

use crate::linearizable::{Entry, Model, NEVER, Problem};
use crate::planted::Planted;

/// A mistake planted by a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::linearizable) enum Bug {
    /// What is pending at the second instant happened before it.
    PendingIsDone,
    /// What is pending at the first instant happened after it.
    OverlapIsLater,
    /// What takes away and is pending did not happen.
    PendingForgotten,
    /// What takes away and crashed did not happen.
    CrashedForgotten,
    /// What takes away may be left out.
    LeftOut,
    /// The number is at any moment what it was at first.
    AlwaysInitial,
    /// The instants may lie in any order.
    InAnyOrder,
}

/// Which of them, if any.
pub(in crate::linearizable) type Slips = Planted<Bug>;

/// The time in which an instant lies.
#[derive(Clone, Copy)]
struct Instant {
    earliest: u32,
    latest: u32,
    /// The operation that happens there.
    of: Option<usize>,
    /// The least and the most that the number can be there.
    range: (i128, i128),
}

/// Accepts what is kept of `problem` iff sums prove that it has no legal order up to the event of
/// rank `failed`, whatever was left out. O(n).
pub(in crate::linearizable) fn proves<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    keep: &[bool],
    failed: u32,
    slips: Slips,
) -> bool {
    let Some(number) = model.number() else { return false };
    let entries = &problem.entries;
    let count = |at: usize| (number.count)(problem.op(&entries[at]));
    let kept = || (0..entries.len()).filter(|at| keep[*at]);
    let Some(last) = kept().find(|at| entries[*at].ret == failed) else { return false };
    let start =
        Instant { earliest: 0, latest: 0, of: None, range: (number.initial, number.initial) };
    let first = kept().next().filter(|at| entries[*at].ret < failed).map(|at| {
        let (change, before) = (count(at).change, count(at).before);
        let (earliest, latest) = (entries[at].call, entries[at].ret);
        let range = (before.0.saturating_add(change), before.1.saturating_add(change));
        Instant { earliest, latest, of: Some(at), range }
    });
    let ends = [
        Instant {
            earliest: entries[last].call,
            latest: failed,
            of: Some(last),
            range: count(last).before,
        },
        Instant { earliest: failed + 1, latest: failed + 1, of: None, range: number.range },
    ];
    [1, -1].into_iter().any(|sign| {
        let added = |at: &usize| sign * count(*at).change > 0 && entries[*at].ret <= failed;
        // Right before the first that certainly was added.
        let moment = kept().find(added).map(|at| {
            let call = entries[at].call;
            let initial = slips.has(Bug::AlwaysInitial);
            let range = if initial { (number.initial, number.initial) } else { number.range };
            Instant { earliest: call, latest: call, of: None, range }
        });
        [Some(start), first, moment].into_iter().flatten().any(|from| {
            ends.iter().any(|to| {
                let changes = || (0..entries.len()).map(|at| sign * count(at).change);
                let sum = at_least(entries, keep, (from, *to), changes(), slips);
                let (least, most) = match sign {
                    1 => (from.range.0, to.range.1),
                    _ => (-from.range.1, -to.range.0),
                };
                sum.is_some_and(|sum| least.saturating_add(sum) > most)
            })
        })
    })
}

/// What is added at least between two instants; `None` where they are not one after the other, or
/// what may take away was left out.
fn at_least(
    entries: &[Entry],
    keep: &[bool],
    (from, to): (Instant, Instant),
    changes: impl Iterator<Item = i128>,
    slips: Slips,
) -> Option<i128> {
    // Whoever happens at the first instant returned before the second one at the earliest.
    let apart = from.latest < to.earliest || from.of.is_none() && from.latest == to.earliest;
    if !apart && !slips.has(Bug::InAnyOrder) {
        return None;
    }
    let mut sum = 0;
    for ((at, entry), change) in entries.iter().enumerate().zip(changes) {
        let itself = from.of == Some(at) || to.of == Some(at);
        let over = entry.ret < from.earliest;
        if change == 0 || itself || over || entry.call >= to.latest {
            continue;
        }
        let began = entry.call >= from.latest || slips.has(Bug::OverlapIsLater);
        let ended = entry.ret < to.earliest || slips.has(Bug::PendingIsDone);
        if change > 0 {
            sum += if keep[at] && began && ended { change } else { 0 };
            continue;
        }
        let certain = began && ended;
        if !certain && slips.has(Bug::PendingForgotten)
            || entry.ret == NEVER && slips.has(Bug::CrashedForgotten)
        {
            continue;
        }
        if !keep[at] {
            if slips.has(Bug::LeftOut) {
                continue;
            }
            return None;
        }
        sum += change;
    }
    Some(sum)
}
