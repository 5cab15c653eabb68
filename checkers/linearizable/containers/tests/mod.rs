//! The near-linear deciders against an oracle written from the definitions, order by order.

mod differential;
mod generate;
mod golden;
mod histories;
mod oracle;

use super::decide::{Answer, Input, Kind, decide};
use super::prep::{Act, What};
use super::tricks::Tricks;
use crate::Budget;
use crate::linearizable::Allowance;
use crate::linearizable::meter::Ledger;
pub(super) use crate::testing::histories;

/// Knuth's MMIX generator: tests need variety, not quality, and the same numbers every time.
pub(in crate::linearizable) struct Random(pub(in crate::linearizable) u64);

impl Random {
    pub(in crate::linearizable) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub(super) const KINDS: [Kind; 4] = [Kind::Set, Kind::Queue, Kind::Stack, Kind::PriorityQueue];

/// A history of one container.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) kind: Kind,
    pub(super) acts: Vec<Act>,
    /// By value; only a priority queue looks at them.
    pub(super) priorities: Vec<u32>,
}

impl World {
    fn events(&self) -> u32 {
        let ends = self.acts.iter().flat_map(|act| [act.call, act.ret]);
        ends.filter(|rank| *rank != u32::MAX).max().map_or(0, |last| last + 1)
    }

    pub(super) fn input(&self) -> Result<Input, &'static str> {
        let input = Input::new(self.acts.clone(), self.priorities.len() as u32, self.events())?;
        Ok(input.with_priorities(self.priorities.clone()))
    }

    pub(super) fn judge(&self, tricks: Tricks) -> Answer {
        let budget = Budget::unlimited();
        let ledger = Ledger::new(&budget);
        match self.input() {
            Ok(input) => {
                decide(&input, self.kind, Allowance::new(&ledger), tricks).expect("no limit")
            }
            Err(why) => Answer::HandOver(why),
        }
    }

    /// Only these operations; ranks stay as they are.
    pub(super) fn part(&self, of: &[u32]) -> World {
        let acts = of.iter().map(|at| self.acts[*at as usize]).collect();
        World { acts, ..self.clone() }
    }
}

/// Whether what goes with what is there: what a contradiction must hold.
pub(super) fn is_closed(world: &World, kept: &[u32]) -> bool {
    let changes = |act: &Act| matches!(act.what, What::Insert | What::Remove);
    let is_kept = |at: usize| kept.binary_search(&(at as u32)).is_ok();
    world.acts.iter().enumerate().all(|(at, act)| {
        let touched = || {
            kept.iter().map(|at| &world.acts[*at as usize]).any(|other| {
                !matches!(other.what, What::Empty | What::Unknown) && other.value == act.value
            })
        };
        is_kept(at) || !(act.what == What::Unknown || (changes(act) && touched()))
    })
}
