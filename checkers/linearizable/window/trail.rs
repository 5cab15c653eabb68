//! How a configuration came about: the operations that were chosen, one after the other.
//!
//! Pure operations are not written down; [`replay`] finds them again, because when they are
//! linearized is a function of the rest.

use rustc_hash::FxHashMap;

use super::super::meter::{Meter, map_bytes};
use super::super::rules::Rules;
use super::moves::Moves;
use super::plan::Plan;
use super::table::{Grid, INITIAL};
use super::word::{Layout, Word};
use crate::Spent;

/// A chosen operation: an entry, or [`CRASHED`] and a lane; and which of its next states.
pub(crate) type Choice = (u32, u32);

/// Bit of a [`Choice`] that is a crashed class.
pub(crate) const CRASHED: u32 = 1 << 31;

/// The end of an order that was written down before.
pub(crate) const ROOT: u32 = u32::MAX;

/// A tree of choices, 8 bytes each, cut back to what is alive.
#[derive(Default)]
pub(crate) struct Trail {
    /// What every live order begins with.
    common: Vec<Choice>,
    /// (Choice before, operation chosen).
    nodes: Vec<(u32, u32)>,
    /// Nodes that took another than the first next state.
    branches: FxHashMap<u32, u32>,
    /// Nodes that were alive when it was last cut back.
    alive: usize,
}

impl Trail {
    pub(crate) fn push(
        &mut self,
        before: u32,
        (chosen, branch): Choice,
        meter: &mut Meter<'_, '_>,
    ) -> Result<u32, Spent> {
        if self.nodes.len() == self.nodes.capacity() {
            let more = (self.nodes.len() / 2).max(8);
            meter.reserve((more * size_of::<(u32, u32)>()) as u64)?;
            self.nodes.reserve_exact(more);
        }
        let node = self.nodes.len() as u32;
        assert!(node < ROOT, "2^32 choices are 32 GiB");
        self.nodes.push((before, chosen));
        if branch > 0 {
            let before = map_bytes(&self.branches, 0);
            self.branches.insert(node, branch);
            meter.reserve(map_bytes(&self.branches, 0) - before)?;
        }
        Ok(node)
    }

    /// The choices that lead to `node`.
    pub(crate) fn to(&self, node: u32) -> Vec<Choice> {
        let mut choices = self.since(node);
        choices.splice(0..0, self.common.iter().copied());
        choices
    }

    fn since(&self, mut node: u32) -> Vec<Choice> {
        let mut choices = Vec::new();
        while node != ROOT {
            let (before, chosen) = self.nodes[node as usize];
            choices.push((chosen, self.branches.get(&node).copied().unwrap_or(0)));
            node = before;
        }
        choices.reverse();
        choices
    }

    /// Everything alive ends at `ends`, one of them per configuration. Forgets the rest, if that
    /// is worth it.
    pub(crate) fn cut_back<'a>(
        &mut self,
        ends: impl ExactSizeIterator<Item = &'a mut u32>,
        meter: &mut Meter<'_, '_>,
    ) -> Result<(), Spent> {
        let mut ends = ends;
        if ends.len() == 1 {
            let end = ends.next().expect("one");
            if *end != ROOT {
                let choices = self.since(*end);
                let before = self.common.capacity();
                self.common.extend(choices);
                let more = self.common.capacity() - before;
                meter.reserve((more * size_of::<Choice>()) as u64)?;
                *end = ROOT;
            }
            self.nodes.clear();
            self.branches.clear();
            self.alive = 0;
            return Ok(());
        }
        if self.nodes.len() < 2 * self.alive + 8 * ends.len() + (1 << 12) {
            return Ok(());
        }
        let marks = 4 * self.nodes.len() as u64 + 8 * ends.len() as u64;
        meter.reserve(marks)?;
        self.collect(ends);
        meter.give_back(marks);
        Ok(())
    }

    /// Nodes come after what they point to, so one pass back marks and one pass forth moves.
    fn collect<'a>(&mut self, ends: impl Iterator<Item = &'a mut u32>) {
        let mut ends: Vec<&mut u32> = ends.collect();
        let mut place = vec![0_u32; self.nodes.len()];
        for end in ends.iter().filter(|end| ***end != ROOT) {
            place[**end as usize] = 1;
        }
        for at in (0..self.nodes.len()).rev() {
            let before = self.nodes[at].0;
            if place[at] == 1 && before != ROOT {
                place[before as usize] = 1;
            }
        }
        let mut kept = 0;
        let branches = std::mem::take(&mut self.branches);
        for at in 0..self.nodes.len() {
            if place[at] == 0 {
                continue;
            }
            let (before, chosen) = self.nodes[at];
            let before = if before == ROOT { ROOT } else { place[before as usize] };
            self.nodes[kept] = (before, chosen);
            if let Some(branch) = branches.get(&(at as u32)) {
                self.branches.insert(kept as u32, *branch);
            }
            place[at] = kept as u32;
            kept += 1;
        }
        for end in ends.iter_mut().filter(|end| ***end != ROOT) {
            **end = place[**end as usize];
        }
        self.nodes.truncate(kept);
        self.alive = kept;
    }
}

/// The order of entries that `choices` make, pure operations included.
pub(crate) fn replay<W: Word>(
    plan: &Plan<'_>,
    grid: &mut Grid<'_>,
    layout: &Layout<W>,
    choices: &[Choice],
    rules: Rules,
) -> Vec<u32> {
    if rules.is_set() {
        return Vec::new();
    }
    let mut moves = Moves::<W>::new();
    let mut cursor = plan.cursor();
    let mut state = INITIAL;
    let mut word = layout.empty();
    let mut order = Vec::with_capacity(plan.returns.len());
    let mut choices = choices.iter();
    while cursor.layer < plan.layers() {
        let window = &cursor.window;
        let mut closed = word.clone();
        moves.close(grid, window, layout, rules, state, &mut closed);
        let new = window.open.iter().rev();
        let new = new.filter(|open| closed.has(open.slot) && !word.has(open.slot));
        order.extend(new.map(|open| open.entry));
        word = closed;
        let own = window.next_return();
        if word.has(own.slot) {
            word.clear(own.slot);
            cursor.forward(plan);
            continue;
        }
        let Some((chosen, branch)) = choices.next() else { break };
        let class = if chosen & CRASHED != 0 {
            let lane = layout.shape.lanes[(chosen & !CRASHED) as usize];
            let crashed = &plan.crashed[(chosen & !CRASHED) as usize];
            order.push(crashed.entries[word.get(lane) as usize]);
            word.count(lane);
            crashed.class
        } else {
            let open = window.open.iter().find(|open| open.entry == *chosen);
            let open = open.expect("what was chosen was pending");
            word.set(open.slot);
            order.push(open.entry);
            open.class
        };
        state = grid.branch(state, class, *branch).expect("what was chosen was legal");
    }
    order
}
