//! The first return that sums refute, in histories that a search does not end with.

use super::recent::{self, Slips};
use super::signed::{Item, SIDES, Side, items};
use crate::linearizable::model::{FAR, Number};
use crate::linearizable::{NEVER, Problem};

/// Numbers by rank, and after each the sum of those up to it.
struct Sums(Vec<(u32, i128)>);

impl Sums {
    fn new(items: &[Item], of: impl Fn(&Item) -> (u32, i128)) -> Sums {
        let mut sums: Vec<(u32, i128)> =
            items.iter().map(of).filter(|(rank, change)| *rank != NEVER && *change != 0).collect();
        sums.sort_unstable();
        let mut sum = 0;
        for (_, change) in &mut sums {
            sum += *change;
            *change = sum;
        }
        Sums(sums)
    }

    /// Of what stands before `rank`.
    fn before(&self, rank: u32) -> i128 {
        let known = self.0.partition_point(|(at, _)| *at < rank);
        known.checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

/// The rank of the first return that cannot be, by what the object was at first, by what an earlier
/// operation left behind where nothing takes away, or by what it is at least. A hint. O(n log n).
pub(in crate::linearizable) fn beyond<O>(
    number: &Number<'_, O>,
    problem: &Problem<O>,
) -> Option<u32> {
    let found = SIDES.into_iter().filter_map(|side| beyond_on(number, problem, side));
    found.chain(recent::first(number, problem, Slips::default())).min()
}

fn beyond_on<O>(number: &Number<'_, O>, problem: &Problem<O>, side: Side) -> Option<u32> {
    let items = items(number, problem, NEVER, side);
    let returned = Sums::new(&items, |item| (item.ret, item.change.max(0)));
    let called = Sums::new(&items, |item| (item.call, item.change.min(0)));
    let (initial, most) = (side.of(number.initial), side.most(number.range));
    let grows = items.iter().all(|item| item.change >= 0);
    // What operations left behind, by return, and the most of it up to each.
    let mut left: Vec<(u32, i128)> = Vec::new();
    if grows {
        left.extend(items.iter().filter(|item| item.is_done()).map(|it| (it.ret, it.least_after)));
        left.sort_unstable();
        let mut highest = -FAR;
        for (_, after) in &mut left {
            highest = highest.max(*after);
            *after = highest;
        }
    }
    let cannot_be = |item: &&Item| {
        let found = initial + returned.before(item.call) + called.before(item.ret);
        let known = left.partition_point(|(ret, _)| *ret < item.call);
        let seen = known.checked_sub(1).map_or(-FAR, |last| left[last].1);
        let then = initial + returned.before(item.ret + 1) + called.before(item.ret);
        (found - item.change.min(0)).max(seen) > item.most_before || then > most
    };
    items.iter().filter(|item| item.is_done()).filter(cannot_be).map(|item| item.ret).min()
}
