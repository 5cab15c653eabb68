//! Crashed removes of unknown result.
//!
//! Each took one of the values that nobody is known to have removed, at any time after its call,
//! or nothing. An order without them is an order. Without one, suppose that *every* such value may
//! have been taken by the first of them to be called: that allows more than the truth, so what
//! contradicts itself even then, contradicts itself. In between, every contradiction names values
//! of which one must have been taken, or earlier: crashed removes are given away as contradictions
//! ask for it, the latest that resolves it first. That finds orders, and proves nothing where it
//! finds none; then every way is tried while there are few, and otherwise the search decides.
//! Giving more of them away never hurts, as one may always happen at the end.

use super::conflict::Task;
use super::decide::{Answer, Input, Kind, solve};
use super::prep::{Act, Acts, Conflict, Solved, Watch, What};
use super::tricks::{Bug, Tricks};
use crate::Spent;
use crate::linearizable::NEVER;

/// Most ways of giving crashed removes to values that are tried.
const WAYS: u64 = 64;

/// Decides a container with crashed removes of unknown result.
pub(super) fn decide(
    input: &Input,
    kind: Kind,
    watch: Watch<'_>,
    tricks: Tricks,
) -> Result<Answer, Spent> {
    let watch = Watch { bytes: watch.bytes * 2, ..watch };
    let all = &input.acts;
    let unknown = (0u32..).zip(&all.acts).filter(|(_, act)| act.what == What::Unknown);
    let unknown: Vec<u32> = unknown.map(|(at, _)| at).collect();
    let task = Task { kind, priorities: &input.priorities, watch, tricks };
    let case = Case { all, unknown, candidates: candidates(all), task };

    match case.solve(&[])? {
        (Solved::Order(order), _) => return Ok(Answer::Order(order)),
        (Solved::Conflict(conflict), given) if tricks.has(Bug::CrashedRemovesIgnored) => {
            return Ok(case.contradiction(given.few(task, conflict)?));
        }
        (Solved::Conflict(_), _) => {}
    }
    let first = case.unknown[0];
    let everything: Vec<(u32, u32)> = case.candidates.iter().map(|value| (first, *value)).collect();
    match case.solve(&everything)? {
        (Solved::Conflict(conflict), given) => {
            return Ok(case.contradiction(given.few(task, conflict)?));
        }
        (Solved::Order(order), _) if tricks.has(Bug::CrashedRemovesShared) => {
            return Ok(Answer::Order(order));
        }
        (Solved::Order(_), _) => {}
    }
    match case.as_asked_for()? {
        Some(order) => Ok(Answer::Order(order)),
        None => case.one_way_after_the_other(),
    }
}

/// Values that were inserted and that nobody is known to have removed; the last inserted first.
///
/// Crashed inserts count only where somebody saw the value: of the others nothing needs removing.
fn candidates(all: &Acts) -> Vec<u32> {
    let (mut seen, mut removed) = (vec![false; all.values], vec![false; all.values]);
    for act in &all.acts {
        match act.what {
            What::Remove => removed[act.value as usize] = true,
            What::Peek => seen[act.value as usize] = true,
            What::Insert => seen[act.value as usize] |= !act.crashed(),
            What::Absent | What::Empty | What::Unknown => {}
        }
    }
    let inserts = all.acts.iter().filter(|act| act.what == What::Insert);
    let values = inserts.map(|act| act.value);
    let mut values: Vec<u32> =
        values.filter(|value| seen[*value as usize] && !removed[*value as usize]).collect();
    values.reverse();
    values
}

struct Case<'a> {
    all: &'a Acts,
    /// The crashed removes, by call.
    unknown: Vec<u32>,
    candidates: Vec<u32>,
    task: Task<'a>,
}

/// A history in which crashed removes took values.
struct Given {
    acts: Acts,
    origin: Vec<u32>,
}

impl Given {
    /// The few operations of the whole that contradict each other.
    fn few(&self, task: Task<'_>, conflict: Conflict) -> Result<Option<Vec<u32>>, Spent> {
        let few = task.few(&self.acts, conflict)?;
        Ok(few.map(|few| few.into_iter().map(|at| self.origin[at as usize]).collect()))
    }
}

impl Case<'_> {
    /// Decides what the crashed removes in `given` make of the history; orders are in terms of the
    /// whole.
    fn solve(&self, given: &[(u32, u32)]) -> Result<(Solved, Given), Spent> {
        let given = self.give(given);
        let Task { kind, priorities, watch, tricks } = self.task;
        let solved = match solve(&given.acts, kind, priorities, watch, tricks)? {
            Solved::Order(order) => {
                Solved::Order(order.into_iter().map(|at| given.origin[at as usize]).collect())
            }
            conflict => conflict,
        };
        Ok((solved, given))
    }

    /// The history in which these crashed removes took these values. Where one takes several, each
    /// time counts as called at its call.
    fn give(&self, given: &[(u32, u32)]) -> Given {
        let known = (0u32..).zip(&self.all.acts).filter(|(_, act)| act.what != What::Unknown);
        let (mut origin, mut acts): (Vec<u32>, Vec<Act>) = known.unzip();
        let mut calls: Vec<(u32, u32)> = given.to_vec();
        calls.sort_unstable();
        let shift = Shift::new(calls.iter().map(|(at, _)| self.all.acts[*at as usize].call));
        for act in &mut acts {
            act.call = shift.of(act.call);
            act.ret = if act.crashed() { NEVER } else { shift.of(act.ret) };
        }
        let mut last = None;
        for (at, value) in calls {
            let mut call = shift.of(self.all.acts[at as usize].call);
            if let Some(before) = last
                && before >= call
            {
                call = before + 1;
            }
            last = Some(call);
            origin.push(at);
            acts.push(Act { call, ret: NEVER, value, what: What::Remove });
        }
        let (acts, sorted) = Acts::compressed(acts, self.all.values);
        let origin = sorted.into_iter().map(|at| origin[at as usize]).collect();
        Given { acts, origin }
    }

    /// An order, if giving crashed removes to the values that contradictions name finds one.
    fn as_asked_for(&self) -> Result<Option<Vec<u32>>, Spent> {
        let mut tries = WAYS as usize + 2 * self.unknown.len().min(WAYS as usize * 4);
        let mut stack: Vec<Vec<(u32, u32)>> = vec![Vec::new()];
        while let Some(way) = stack.pop() {
            if tries == 0 {
                return Ok(None);
            }
            tries -= 1;
            match self.solve(&way)? {
                (Solved::Order(order), _) => return Ok(Some(order)),
                (Solved::Conflict(conflict), given) => {
                    let Some(few) = given.few(self.task, conflict)? else { return Ok(None) };
                    stack.extend(self.resolving(&way, &few)?);
                }
            }
        }
        Ok(None)
    }

    /// `way` with one crashed remove more, or earlier, such that `few` no longer contradict each
    /// other: for each value the latest remove last, and so first to be tried.
    fn resolving(&self, way: &[(u32, u32)], few: &[u32]) -> Result<Vec<Vec<(u32, u32)>>, Spent> {
        let act = |at: u32| self.all.acts[at as usize];
        let mut resolved = Vec::new();
        for value in self.candidates.iter().rev() {
            let is_in = |at: &u32| act(*at).what == What::Insert && act(*at).value == *value;
            if !few.iter().any(is_in) {
                continue;
            }
            let others = || way.iter().copied().filter(|(_, other)| other != value);
            let taken = |remove: u32| others().find(|(other, _)| *other == remove);
            let removed = |at: u32, value: u32| Act { value, what: What::Remove, ..act(at) };
            let rest = few.iter().filter_map(|at| match act(*at).what {
                What::Unknown => taken(*at).map(|(_, value)| removed(*at, value)),
                _ => Some(act(*at)),
            });
            let rest: Vec<Act> = rest.collect();
            let own = way.iter().find(|(_, other)| other == value).map(|(remove, _)| *remove);
            let earlier = |remove: &&u32| own.is_none_or(|own| **remove < own);
            for remove in self.unknown.iter().take_while(earlier) {
                if taken(*remove).is_some() {
                    continue;
                }
                if self.task.contradict([&rest[..], &[removed(*remove, *value)]].concat())? {
                    // Later ones allow less.
                    break;
                }
                resolved.push(others().chain([(*remove, *value)]).collect());
            }
        }
        Ok(resolved)
    }

    fn one_way_after_the_other(&self) -> Result<Answer, Spent> {
        let (values, removes) = (self.candidates.len() as u64, self.unknown.len() as u64);
        let count = values.min(removes);
        let most = values.max(removes);
        let ways = (0..count).try_fold(1u64, |ways, taken| ways.checked_mul(most - taken));
        if ways.is_none_or(|ways| ways > WAYS) {
            return Ok(Answer::HandOver("crashed removes may have taken too many values"));
        }
        let mut together: Vec<u32> = Vec::new();
        let mut stack: Vec<Vec<(u32, u32)>> = vec![Vec::new()];
        while let Some(way) = stack.pop() {
            if (way.len() as u64) < count {
                stack.extend(self.longer(&way));
                continue;
            }
            match self.solve(&way)? {
                (Solved::Order(order), _) => return Ok(Answer::Order(order)),
                (Solved::Conflict(conflict), given) => {
                    let Some(few) = given.few(self.task, conflict)? else {
                        return Ok(self.contradiction(None));
                    };
                    together.extend(few);
                }
            }
        }
        Ok(self.contradiction(Some(together)))
    }

    /// `way` with one more crashed remove given away, in every way: the next remove to a value, or
    /// the next value to a remove, whichever there are fewer of. The last is tried first.
    fn longer(&self, way: &[(u32, u32)]) -> Vec<Vec<(u32, u32)>> {
        let at = way.len();
        let extend = |pair: (u32, u32)| [way, &[pair]].concat();
        if self.unknown.len() <= self.candidates.len() {
            let remove = self.unknown[self.unknown.len() - 1 - at];
            let taken = |value: &u32| way.iter().any(|(_, other)| other == value);
            let values = self.candidates.iter().rev().filter(|value| !taken(value));
            values.map(|value| extend((remove, *value))).collect()
        } else {
            let taken = |remove: &u32| way.iter().any(|(other, _)| other == remove);
            let removes = self.unknown.iter().filter(|remove| !taken(remove));
            removes.map(|remove| extend((*remove, self.candidates[at]))).collect()
        }
    }

    /// `few` and every crashed remove: they may have taken what is left out, but not what is not.
    fn contradiction(&self, few: Option<Vec<u32>>) -> Answer {
        let Some(mut few) = few else {
            return Answer::HandOver("what contradicts itself could not be made small");
        };
        few.extend(&self.unknown);
        few.sort_unstable();
        few.dedup();
        Answer::Contradiction(few)
    }
}

/// New ranks that leave room behind calls that happen more than once.
struct Shift {
    calls: Vec<u32>,
}

impl Shift {
    /// `calls` is sorted.
    fn new(calls: impl Iterator<Item = u32>) -> Shift {
        Shift { calls: calls.collect() }
    }

    fn of(&self, rank: u32) -> u32 {
        rank + self.calls.partition_point(|call| *call < rank) as u32
    }
}
