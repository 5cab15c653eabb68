//! Of a number that has a least and a most, the returns that are refuted by counting since some
//! call, whatever it was by then. Where something may have been taken away long ago, a search that
//! knows when it was needed sees the first contradiction; what proves one by itself may end later,
//! and be much shorter.

use super::signed::{Item, SIDES, Side, items};
use crate::linearizable::model::{FAR, Number};
use crate::linearizable::{NEVER, Problem};
use crate::planted::Planted;

/// A mistake planted by a test. None makes a verdict wrong, for what is named is proved by others
/// or not told; each has a return named for nothing, or one missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::linearizable) enum Bug {
    /// What takes away counts from its return on.
    TakenAtReturn,
    /// What crashed takes nothing away.
    CrashedTakesForgotten,
    /// What takes away and had returned before a place counts from there, too.
    TakenBeforeCounts,
    /// All that the number may be is more than it may be.
    FullIsTooMuch,
    /// A number is never too small.
    NeverTooSmall,
    /// Of returns that are refuted the first takes the fewest operations.
    FirstIsFewest,
    /// What had been taken before a place is among what proves it.
    GoneIsKept,
}

/// Which of them, if any.
pub(in crate::linearizable) type Slips = Planted<Bug>;

/// Sums of what was added from each place on (a segment tree, Bentley 1977): the sum of every
/// range, and the most that some part at its end comes to.
struct Ends {
    ranges: Vec<(i128, i128)>,
    leaves: usize,
}

impl Ends {
    fn new(places: usize) -> Ends {
        let leaves = places.next_power_of_two();
        Ends { ranges: vec![(0, 0); 2 * leaves], leaves }
    }

    fn add(&mut self, place: usize, change: i128) {
        let mut at = self.leaves + place;
        let sum = self.ranges[at].0 + change;
        self.ranges[at] = (sum, sum);
        while at > 1 {
            at /= 2;
            let (left, right) = (self.ranges[2 * at], self.ranges[2 * at + 1]);
            self.ranges[at] = (left.0 + right.0, right.1.max(right.0 + left.1));
        }
    }

    /// The last place from which on more than `enough` was added.
    fn last_above(&self, enough: i128) -> Option<usize> {
        if self.ranges[1].1 <= enough {
            return None;
        }
        let (mut at, mut after) = (1, 0);
        while at < self.leaves {
            let right = self.ranges[2 * at + 1];
            if right.1 + after > enough {
                at = 2 * at + 1;
            } else {
                (at, after) = (2 * at, after + right.0);
            }
        }
        Some(at - self.leaves)
    }
}

/// How many stand from each place on (Fenwick 1994).
struct Counts(Vec<usize>);

impl Counts {
    fn new(places: usize) -> Counts {
        Counts(vec![0; places + 1])
    }

    fn add(&mut self, place: usize) {
        let mut at = place + 1;
        while at > 0 {
            self.0[at] += 1;
            at -= at & at.wrapping_neg();
        }
    }

    fn from(&self, place: usize) -> usize {
        let (mut at, mut count) = (place + 1, 0);
        while let Some(more) = self.0.get(at) {
            count += more;
            at += at & at.wrapping_neg();
        }
        count
    }
}

/// Ranks of returns that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Refuted {
    first: u32,
    /// The one that the fewest operations prove, with their number; of several, the first.
    fewest: (usize, u32),
}

/// The first return that is refuted since a call. A hint. O(n log n).
pub(in crate::linearizable) fn first<O>(
    number: &Number<'_, O>,
    problem: &Problem<O>,
    slips: Slips,
) -> Option<u32> {
    let found = SIDES.into_iter().filter_map(|side| refuted(number, problem, side, slips));
    found.map(|refuted| refuted.first).min()
}

/// The return that fewest operations refute since a call. A hint. O(n log n).
pub(in crate::linearizable) fn fewest<O>(
    number: &Number<'_, O>,
    problem: &Problem<O>,
    slips: Slips,
) -> Option<u32> {
    let found = SIDES.into_iter().filter_map(|side| refuted(number, problem, side, slips));
    found.map(|refuted| refuted.fewest).min().map(|(_, rank)| rank)
}

fn refuted<O>(
    number: &Number<'_, O>,
    problem: &Problem<O>,
    side: Side,
    slips: Slips,
) -> Option<Refuted> {
    let (least, most) = (side.least(number.range), side.most(number.range));
    let unbounded = most > FAR / 2 || least < -FAR / 2;
    if unbounded || side == Side::Small && slips.has(Bug::NeverTooSmall) {
        return None;
    }
    let enough = most - least - i128::from(slips.has(Bug::FullIsTooMuch));
    let mut items = items(number, problem, NEVER, side);
    if slips.has(Bug::CrashedTakesForgotten) {
        items.retain(|item| item.change > 0 || item.is_done());
    }
    // Places to count from: where additions begin. From each, all count that began there or later
    // and have returned, and what takes away unless it had returned.
    let adds: Vec<&Item> = items.iter().filter(|item| item.change > 0).collect();
    let takes: Vec<&Item> = items.iter().filter(|item| item.change < 0).collect();
    let mut over: Vec<u32> = takes.iter().map(|item| item.ret).collect();
    over.sort_unstable();
    let added = (0..).zip(&adds).filter(|(_, item)| item.is_done());
    let mut steps: Vec<(u32, Option<usize>, i128)> =
        added.map(|(place, item)| (item.ret, Some(place), item.change)).collect();
    steps.extend(takes.iter().map(|item| {
        let all = slips.has(Bug::TakenBeforeCounts);
        let places = adds.partition_point(|add| add.call < item.ret || all);
        let from = if slips.has(Bug::TakenAtReturn) { item.ret } else { item.call };
        (from, places.checked_sub(1), item.change)
    }));
    steps.sort_unstable();
    let (mut ends, mut counts, mut taken) = (Ends::new(adds.len()), Counts::new(adds.len()), 0);
    let mut found: Option<Refuted> = None;
    for (rank, place, change) in steps {
        if let Some(place) = place {
            ends.add(place, change);
        }
        if change < 0 {
            taken += 1;
            continue;
        }
        counts.add(place.expect("an addition has a place"));
        let Some(from) = ends.last_above(enough) else { continue };
        let gone = match slips.has(Bug::GoneIsKept) {
            true => 0,
            false => over.partition_point(|ret| *ret < adds[from].call),
        };
        let few = (counts.from(from) + taken - gone, rank);
        found = Some(match found {
            Some(known) if slips.has(Bug::FirstIsFewest) => known,
            Some(Refuted { first, fewest }) => Refuted { first, fewest: fewest.min(few) },
            None => Refuted { first: rank, fewest: few },
        });
    }
    found
}
