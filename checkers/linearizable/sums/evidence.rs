//! The fewest operations that prove by sums that a return cannot be.

use super::signed::{Item, SIDES, Side, items};
use crate::linearizable::Problem;
use crate::linearizable::model::{FAR, Number};

/// A proof, as far as sums go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::linearizable) struct Sum {
    /// Positions, by call.
    pub(in crate::linearizable) kept: Vec<u32>,
    /// The one that cannot return.
    pub(in crate::linearizable) entry: u32,
    pub(in crate::linearizable) from: Base,
    /// Whether the number is too great; else it is too small.
    pub(in crate::linearizable) great: bool,
    /// The least that it is then, or the most.
    pub(in crate::linearizable) bound: i128,
    /// What certainly was added, or taken away where it is too small: operations, and how much.
    pub(in crate::linearizable) certain: (u64, i128),
    /// What may have been taken away, or added.
    pub(in crate::linearizable) possible: (u64, i128),
    /// Whether every proof by sums has as many operations.
    pub(in crate::linearizable) minimal: bool,
    /// Whether a part that proves it otherwise is not to be hoped for.
    pub(in crate::linearizable) best: bool,
}

/// Since when it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::linearizable) enum Base {
    Start,
    /// Since this operation, by position.
    Operation(u32),
    /// Since the invocation of this one.
    Call(u32),
}

/// What is known at the end.
struct Case<'a> {
    items: &'a [Item],
    side: Side,
    failed: Item,
    initial: i128,
    range: (i128, i128),
}

/// The smallest proof that the return of rank `rank` cannot be. O(n log n).
pub(in crate::linearizable) fn find<O>(
    number: &Number<'_, O>,
    problem: &Problem<O>,
    rank: u32,
) -> Option<Sum> {
    let found = SIDES.into_iter().flat_map(|side| {
        let items = items(number, problem, rank, side);
        let failed = items.iter().find(|item| item.ret == rank).copied();
        failed.map_or_else(Vec::new, |failed| {
            let (initial, range) = (side.of(number.initial), number.range);
            let case = Case { items: &items, side, failed, initial, range };
            let found = [
                case.since_the_start(),
                case.since_an_operation(),
                case.all_since_the_start(),
                case.since_a_call(),
            ];
            found.into_iter().flatten().collect()
        })
    });
    let smallest = found.min_by_key(|sum| sum.kept.len())?;
    let grows = problem.ops.iter().all(|op| (number.count)(op).change >= 0);
    // One operation alone would have been found to be none that can be.
    let minimal = smallest.minimal && grows || smallest.kept.len() <= 2;
    Some(Sum { minimal, ..smallest })
}

impl Case<'_> {
    fn others(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.at != self.failed.at)
    }

    fn takes(&self) -> impl Iterator<Item = &Item> {
        self.others().filter(|item| item.change < 0)
    }

    /// The proof, if it names the operation that fails.
    fn proof(&self, from: Base, least: i128, adds: &[Item], takes: &[Item]) -> Option<Sum> {
        let (mut kept, side, entry) = (Vec::new(), self.side, self.failed.at);
        kept.extend(adds.iter().chain(takes).map(|item| item.at));
        let base = match from {
            Base::Operation(at) => Some(at),
            Base::Start | Base::Call(_) => None,
        };
        kept.extend(base);
        kept.push(entry);
        kept.sort_unstable();
        kept.dedup();
        let total = |items: &[Item]| items.iter().map(|item| item.change).sum::<i128>();
        let (certain, possible) = (total(adds), total(takes));
        Some(Sum {
            kept,
            entry,
            from,
            great: side == Side::Great,
            bound: side.of(least + certain + possible),
            certain: (adds.len() as u64, certain),
            possible: (takes.len() as u64, -possible),
            minimal: false,
            best: false,
        })
    }

    /// What it finds is less than what was certainly there, counted from the start.
    fn since_the_start(&self) -> Option<Sum> {
        let takes: Vec<Item> = self.takes().copied().collect();
        let least = self.initial + takes.iter().map(|item| item.change).sum::<i128>();
        let certain = |item: &&Item| item.change > 0 && item.ret < self.failed.call;
        let mut adds: Vec<Item> = self.others().filter(certain).copied().collect();
        let few = most_first(&mut adds, self.failed.most_before - least)?;
        let sum = self.proof(Base::Start, self.initial, &adds[..few], &takes)?;
        Some(Sum { minimal: takes.is_empty(), best: true, ..sum })
    }

    /// The same, counted from what an operation left behind, where nothing takes away any more.
    fn since_an_operation(&self) -> Option<Sum> {
        let quiet = self.takes().map(|item| item.ret).max();
        let early = |item: &&Item| item.ret < self.failed.call;
        let mut bases: Vec<Item> = self.others().filter(early).copied().collect();
        bases.retain(|base| base.least_after > -FAR / 2);
        bases.retain(|base| quiet.is_none_or(|quiet| quiet < base.call));
        bases.sort_unstable_by_key(|base| std::cmp::Reverse(base.ret));
        let certain = |item: &&Item| item.change > 0 && early(item);
        let mut adds: Vec<Item> = self.others().filter(certain).copied().collect();
        adds.sort_unstable_by_key(|item| std::cmp::Reverse(item.call));
        let mut by_size: Vec<usize> = (0..adds.len()).collect();
        by_size.sort_by_key(|at| std::cmp::Reverse(adds[*at].change));
        let mut place = vec![0; adds.len()];
        for (size, at) in by_size.iter().enumerate() {
            place[*at] = size;
        }
        let (mut later, mut next, mut best) = (Tree::new(adds.len()), 0, None::<(usize, Item)>);
        for base in bases {
            while adds.get(next).is_some_and(|add| add.call > base.ret) {
                later.insert(place[next], adds[next].change);
                next += 1;
            }
            let few = later.fewest_above(self.failed.most_before - base.least_after);
            if let Some(few) = few
                && best.is_none_or(|(known, _)| few < known)
            {
                best = Some((few, base));
            }
        }
        let (few, base) = best?;
        adds.retain(|add| add.call > base.ret);
        adds.sort_by_key(|item| std::cmp::Reverse(item.change));
        let sum = self.proof(Base::Operation(base.at), base.least_after, &adds[..few], &[])?;
        Some(Sum { minimal: true, best: true, ..sum })
    }

    /// All that happened by then makes it more than it ever is, counted from the start.
    fn all_since_the_start(&self) -> Option<Sum> {
        let done = |item: &&Item| item.change > 0 && item.is_done();
        let adds: Vec<Item> = self.items.iter().filter(done).copied().collect();
        let takes = self.items.iter().filter(|item| item.change < 0);
        let takes: Vec<Item> = takes.copied().collect();
        let sum: i128 = adds.iter().chain(&takes).map(|item| item.change).sum();
        let beyond = self.initial + sum > self.side.most(self.range);
        // Else it was so before.
        let own = self.failed.change > 0;
        (beyond && own).then(|| self.proof(Base::Start, self.initial, &adds, &takes)).flatten()
    }

    /// The same in the shortest time up to then.
    fn since_a_call(&self) -> Option<Sum> {
        let (least, most) = (self.side.least(self.range), self.side.most(self.range));
        if self.failed.change <= 0 || most > FAR / 2 || least < -FAR / 2 {
            return None;
        }
        // What is added counts from its call on, what is taken away up to its return.
        let from = |item: &&Item| if item.change > 0 { item.call } else { item.ret };
        let counts = |item: &&Item| item.change < 0 || item.change > 0 && item.is_done();
        let mut order: Vec<&Item> = self.items.iter().filter(counts).collect();
        order.sort_unstable_by_key(|item| std::cmp::Reverse(from(item)));
        let mut sum = least;
        let end = order.iter().position(|item| {
            sum += item.change;
            item.change > 0 && sum > most
        })?;
        let (mut adds, mut takes) = (Vec::new(), Vec::new());
        for item in &order[..=end] {
            if item.change > 0 { &mut adds } else { &mut takes }.push(**item);
        }
        let own = adds.iter().any(|item| item.at == self.failed.at);
        own.then(|| self.proof(Base::Call(order[end].at), least, &adds, &takes)).flatten()
    }
}

/// Puts what adds most first; how many of these make more than `enough`.
fn most_first(adds: &mut [Item], enough: i128) -> Option<usize> {
    adds.sort_by_key(|item| std::cmp::Reverse((item.change, item.ret)));
    let mut sum = 0;
    if enough < 0 {
        return Some(0);
    }
    let last = adds.iter().position(|item| {
        sum += item.change;
        sum > enough
    });
    last.map(|last| last + 1)
}

/// Numbers by place, the greatest first (Fenwick 1994).
struct Tree {
    sums: Vec<(usize, i128)>,
}

impl Tree {
    fn new(places: usize) -> Tree {
        Tree { sums: vec![(0, 0); places + 1] }
    }

    fn insert(&mut self, place: usize, number: i128) {
        let mut at = place + 1;
        while let Some((count, sum)) = self.sums.get_mut(at) {
            (*count, *sum) = (*count + 1, *sum + number);
            at += at & at.wrapping_neg();
        }
    }

    /// How many of the first make more than `enough`.
    fn fewest_above(&self, enough: i128) -> Option<usize> {
        if enough < 0 {
            return Some(0);
        }
        let (mut at, mut count, mut left) = (0, 0, enough);
        let mut step = self.sums.len().next_power_of_two();
        while step > 0 {
            if let Some((more, sum)) = self.sums.get(at + step)
                && *sum <= left
            {
                (at, count, left) = (at + step, count + more, left - sum);
            }
            step /= 2;
        }
        (at + 1 < self.sums.len()).then_some(count + 1)
    }
}
