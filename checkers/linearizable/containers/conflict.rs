//! From many values that contradict each other to few.
//!
//! Fewer values have more orders (see the head of this module), so "these contradict each other"
//! is monotone, and the least contradictory beginning of a list names one value that is needed.
//! Junker's QuickXplain (AAAI 2004) without the recursion: the needed ones stay, the list is what
//! was before the last of them, read from the other end. Most contradictions are local, so the
//! beginnings are tried from short to long. What is left is minimal, unless the work has a limit.

use super::decide::{Kind, solve};
use super::prep::{Act, Acts, Conflict, Solved, Watch, What};
use super::tricks::Tricks;
use crate::Spent;

/// Operations that all probes together may look at, for each operation there is.
const WORK: usize = 64;

/// More operations than this are not few.
const FEW: usize = 4_000;

/// What is asked of every part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) kind: Kind,
    pub(super) priorities: &'a [u32],
    pub(super) watch: Watch<'a>,
    pub(super) tricks: Tricks,
}

/// Operations that stay or go together.
type Unit = Vec<u32>;

struct Search<'a> {
    task: Task<'a>,
    acts: &'a Acts,
    /// Operations of which every probe holds all.
    base: Vec<u32>,
    work: usize,
}

impl Task<'_> {
    /// Whether no order of these operations is legal. O(n log n) in their number.
    pub(super) fn contradict(self, mut part: Vec<Act>) -> Result<bool, Spent> {
        let mut values: Vec<u32> = part.iter().map(|act| act.value).collect();
        values.sort_unstable();
        values.dedup();
        for act in &mut part {
            let index = values.binary_search(&act.value);
            act.value = index.expect("every value is in the list") as u32;
        }
        let priority = |value: &u32| self.priorities.get(*value as usize).copied();
        let priorities: Vec<u32> = values.iter().filter_map(priority).collect();
        let (part, _) = Acts::compressed(part, values.len());
        let solved = solve(&part, self.kind, &priorities, self.watch, self.tricks)?;
        Ok(matches!(solved, Solved::Conflict(_)))
    }

    /// Few operations of `acts` that contradict each other, sorted; `None` if none were found
    /// within the work allowed.
    pub(super) fn few(self, acts: &Acts, conflict: Conflict) -> Result<Option<Vec<u32>>, Spent> {
        let values = match conflict {
            Conflict::Acts(few) => return Ok(Some(sorted(few))),
            Conflict::Values(values) => values,
        };
        let work = acts.acts.len().saturating_mul(WORK) + (1 << 20);
        let mut search = Search { task: self, acts, base: Vec::new(), work };
        let mut units = vec![Unit::new(); values.len()];
        for (at, act) in (0u32..).zip(&acts.acts) {
            if matches!(act.what, What::Insert | What::Remove | What::Peek)
                && let Ok(index) = values.binary_search(&act.value)
            {
                units[index].push(at);
            }
        }
        // A search over values, then one over the peeks of those that are needed.
        units.sort_unstable();
        let needed = search.least(units)?;
        let is_peek = |at: &u32| acts.acts[*at as usize].what == What::Peek;
        let needed = needed.into_iter().flatten();
        let (peeks, base): (Vec<u32>, Vec<u32>) = needed.partition(is_peek);
        search.base = base;
        let peeks = search.least(peeks.into_iter().map(|peek| vec![peek]).collect())?;
        let mut few = search.base;
        few.extend(peeks.into_iter().flatten());
        Ok((few.len() <= FEW).then(|| sorted(few)))
    }
}

fn sorted(mut acts: Vec<u32>) -> Vec<u32> {
    acts.sort_unstable();
    acts.dedup();
    acts
}

impl Search<'_> {
    /// The units that are needed, of some that contradict each other together with the base.
    fn least(&mut self, mut pool: Vec<Unit>) -> Result<Vec<Unit>, Spent> {
        let mut needed: Vec<Unit> = Vec::new();
        while self.work > 0 && !self.contradict(&needed)? {
            let (mut fine, mut size) = (0, 4);
            while size < pool.len() && !self.contradict_with(&needed, &pool[..size])? {
                (fine, size) = (size, size * 4);
            }
            let mut bad = size.min(pool.len());
            while bad - fine > 1 && self.work > 0 {
                let middle = fine + (bad - fine) / 2;
                if self.contradict_with(&needed, &pool[..middle])? {
                    bad = middle;
                } else {
                    fine = middle;
                }
            }
            pool.truncate(bad);
            needed.extend(pool.pop());
            pool.reverse();
        }
        if self.work == 0 {
            needed.append(&mut pool);
        }
        Ok(needed)
    }

    fn contradict(&mut self, units: &[Unit]) -> Result<bool, Spent> {
        self.contradict_with(units, &[])
    }

    fn contradict_with(&mut self, needed: &[Unit], more: &[Unit]) -> Result<bool, Spent> {
        let units = needed.iter().chain(more).flatten();
        let ids = self.base.iter().chain(units);
        let part: Vec<Act> = ids.map(|at| self.acts.acts[*at as usize]).collect();
        self.work = self.work.saturating_sub(part.len());
        self.task.contradict(part)
    }
}
