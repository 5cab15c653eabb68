//! A choice for every pair that is left, or the proof that there is none.
//!
//! Conflict-driven clause learning (Marques-Silva & Sakallah 1996) over one choice for each pair,
//! with circles as conflicts. A choice is made only for a pair of which neither order goes along
//! the present order of all vertices; when every pair goes along it, it is the answer. The choices
//! on a circle can never be made together: that is learnt, and the first decision that alone
//! implies the conflict is taken back.

use super::build::Polygraph;
use super::dynamic::Dynamic;
use super::traps::Trap;
use crate::{Budget, Spent};

/// Pair times two, plus one if the second of the pair comes first.
type Choice = u32;

type Clause = Vec<Choice>;

const NO_CLAUSE: u32 = u32::MAX;

/// Conflicts until all choices are taken back, times a number of Luby's sequence.
const RESTART: u64 = 128;

/// What the search came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All vertices in an order that every pair goes along.
    Order(Vec<u32>),
    /// There is none; vertices that were on circles.
    None {
        involved: Vec<u32>,
    },
    Spent(Spent),
}

pub(super) struct Search<'s, 'f> {
    polygraph: &'s Polygraph<'f>,
    pairs: &'s [(u32, u32)],
    dynamic: Dynamic,
    /// By pair: the choice, if one is made, its level, and the clause it follows from.
    chosen: Vec<Option<Choice>>,
    level: Vec<u32>,
    reason: Vec<u32>,
    /// Choices as they were made, with the number of edges each added.
    trail: Vec<(Choice, u8)>,
    /// By level: where its choices begin.
    levels: Vec<usize>,
    /// How much of the trail was propagated.
    propagated: usize,
    clauses: Vec<Clause>,
    /// By choice: clauses that must be looked at when it can no longer be made.
    watches: Vec<Vec<u32>>,
    involved: Vec<bool>,
    learnt: u64,
    bytes: u64,
}

impl<'s, 'f> Search<'s, 'f> {
    /// Over pairs of blocks, `dynamic` being the graph of what is known.
    pub(super) fn new(
        polygraph: &'s Polygraph<'f>,
        pairs: &'s [(u32, u32)],
        dynamic: Dynamic,
    ) -> Search<'s, 'f> {
        Search {
            polygraph,
            pairs,
            dynamic,
            chosen: vec![None; pairs.len()],
            level: vec![0; pairs.len()],
            reason: vec![NO_CLAUSE; pairs.len()],
            trail: Vec::new(),
            levels: Vec::new(),
            propagated: 0,
            clauses: Vec::new(),
            watches: vec![Vec::new(); 2 * pairs.len()],
            involved: vec![false; polygraph.vertices as usize],
            learnt: 0,
            bytes: 0,
        }
    }

    /// Until there is an answer, or the budget ends: [`Budget::configurations`] conflicts.
    pub(super) fn run(mut self, budget: &Budget) -> Outcome {
        let (mut cursor, mut restarts) = (0, 1);
        let mut restart = RESTART * luby(restarts);
        loop {
            let mut conflict = self.propagate();
            if conflict.is_none() {
                let Some(choice) = self.next(&mut cursor) else {
                    return Outcome::Order(self.dynamic.order());
                };
                self.levels.push(self.trail.len());
                conflict = self.choose(choice, NO_CLAUSE);
            }
            while let Some(clause) = conflict {
                if self.levels.is_empty() {
                    let involved = (0..).zip(&self.involved).filter(|(_, it)| **it);
                    return Outcome::None { involved: involved.map(|(it, _)| it).collect() };
                }
                let (choice, index) = self.learn(clause);
                conflict = self.choose(choice, index);
                if let Some(spent) = self.spent(budget) {
                    return Outcome::Spent(spent);
                }
            }
            if self.learnt >= restart {
                restarts += 1;
                restart = self.learnt + RESTART * luby(restarts);
                self.back_to(0);
            }
            // Choices without conflicts take time as well.
            if budget.is_cancelled() {
                return Outcome::Spent(Spent::Time);
            }
        }
    }

    fn spent(&self, budget: &Budget) -> Option<Spent> {
        if budget.is_cancelled() {
            Some(Spent::Time)
        } else if self.learnt > budget.configurations {
            Some(Spent::Configurations)
        } else {
            (self.bytes > budget.bytes).then_some(Spent::Memory)
        }
    }

    /// The edges of a choice.
    fn edges(&self, choice: Choice) -> impl Iterator<Item = super::build::Edge> + use<> {
        let (one, other) = self.pairs[(choice / 2) as usize];
        let (earlier, later) = if choice.is_multiple_of(2) { (one, other) } else { (other, one) };
        self.polygraph.choice(earlier, later).into_iter().flatten()
    }

    /// How far the edges of a choice go against the order; nothing if they go along it.
    fn against(&self, choice: Choice) -> u64 {
        let wrong = self.edges(choice).filter(|edge| !self.dynamic.goes_along(*edge));
        wrong.map(|(from, to)| u64::from(self.dynamic.place(from) - self.dynamic.place(to))).sum()
    }

    /// The next choice that has to be made, going round from where the last one was.
    fn next(&self, cursor: &mut usize) -> Option<Choice> {
        for step in 0..self.pairs.len() {
            let pair = (*cursor + step) % self.pairs.len();
            if self.chosen[pair].is_some() {
                continue;
            }
            let one = 2 * pair as Choice;
            let (first, second) = (self.against(one), self.against(one + 1));
            if first > 0 && second > 0 {
                *cursor = pair;
                return Some(if first <= second { one } else { one + 1 });
            }
        }
        None
    }

    /// Makes a choice.
    fn choose(&mut self, choice: Choice, reason: u32) -> Option<Clause> {
        let pair = (choice / 2) as usize;
        self.chosen[pair] = Some(choice);
        self.level[pair] = self.levels.len() as u32;
        self.reason[pair] = reason;
        self.trail.push((choice, 0));
        for edge in self.edges(choice) {
            match self.dynamic.add(edge, choice) {
                Ok(()) => {
                    if let Some((_, added)) = self.trail.last_mut() {
                        *added += 1;
                    }
                }
                Err(circle) => {
                    circle.vertices.iter().for_each(|it| self.involved[*it as usize] = true);
                    let mut clause: Clause = circle.tags.iter().map(|tag| tag ^ 1).collect();
                    if self.polygraph.planted.has(Trap::ClauseTooShort) {
                        clause.pop();
                    }
                    clause.push(choice ^ 1);
                    clause.sort_unstable();
                    clause.dedup();
                    return Some(clause);
                }
            }
        }
        None
    }

    /// Makes the choices that clauses leave no other way; the clause that leaves none at all.
    fn propagate(&mut self) -> Option<Clause> {
        while let Some((made, _)) = self.trail.get(self.propagated).copied() {
            self.propagated += 1;
            let gone = made ^ 1;
            let watching = std::mem::take(&mut self.watches[gone as usize]);
            let mut kept = Vec::with_capacity(watching.len());
            let mut conflict = None;
            for (at, index) in watching.iter().copied().enumerate() {
                if self.moves(index, gone) {
                    continue;
                }
                kept.push(index);
                let first = self.clauses[index as usize][0];
                conflict = match self.chosen[(first / 2) as usize] {
                    Some(chosen) if chosen == first => continue,
                    Some(_) => Some(self.clauses[index as usize].clone()),
                    None => self.choose(first, index),
                };
                if conflict.is_some() {
                    kept.extend(&watching[at + 1..]);
                    break;
                }
            }
            self.watches[gone as usize].extend(kept);
            if conflict.is_some() {
                return conflict;
            }
        }
        None
    }

    /// Whether a clause that watched `gone` watches another one now. If not, `gone` is its second.
    fn moves(&mut self, index: u32, gone: Choice) -> bool {
        let chosen = &self.chosen;
        let is_gone = |choice: Choice| chosen[(choice / 2) as usize] == Some(choice ^ 1);
        let clause = &mut self.clauses[index as usize];
        if clause.len() < 2 {
            return false;
        }
        if clause[0] == gone {
            clause.swap(0, 1);
        }
        if chosen[(clause[0] / 2) as usize] == Some(clause[0]) {
            return false;
        }
        let Some(other) = (2..clause.len()).find(|at| !is_gone(clause[*at])) else { return false };
        clause.swap(1, other);
        let watched = clause[1];
        self.watches[watched as usize].push(index);
        true
    }

    /// Learns from a conflict: back to the level where what is learnt leaves one choice. That, and
    /// the clause it follows from.
    fn learn(&mut self, conflict: Clause) -> (Choice, u32) {
        let now = self.levels.len() as u32;
        let mut seen = vec![false; self.pairs.len()];
        let mut clause: Clause = vec![0];
        let (mut open, mut at) = (0_u32, self.trail.len());
        let mut reason = conflict;
        let asserted = loop {
            for choice in reason {
                let pair = (choice / 2) as usize;
                if std::mem::replace(&mut seen[pair], true) || self.level[pair] == 0 {
                    continue;
                }
                if self.level[pair] == now { open += 1 } else { clause.push(choice) }
            }
            let made = loop {
                at -= 1;
                let (made, _) = self.trail[at];
                if seen[(made / 2) as usize] && self.level[(made / 2) as usize] == now {
                    break made;
                }
            };
            open -= 1;
            if open == 0 {
                break made;
            }
            let index = self.reason[(made / 2) as usize];
            let others = self.clauses[index as usize].iter().filter(|choice| **choice != made);
            reason = others.copied().collect();
        };
        clause[0] = asserted ^ 1;
        let level = |choice: &Choice| self.level[(choice / 2) as usize];
        // The second watch is of the level that is gone back to.
        let second = (1..clause.len()).max_by_key(|at| level(&clause[*at]));
        let back = second.map_or(0, |at| level(&clause[at]));
        if let Some(at) = second {
            clause.swap(1, at);
        }
        self.back_to(back);
        let index = self.clauses.len() as u32;
        self.learnt += 1;
        self.bytes += 64 + 4 * clause.len() as u64;
        let asserting = clause[0];
        for watched in clause.iter().take(2) {
            self.watches[*watched as usize].push(index);
        }
        self.clauses.push(clause);
        (asserting, index)
    }

    /// Takes back every choice of higher levels.
    fn back_to(&mut self, level: u32) {
        let Some(from) = self.levels.get(level as usize).copied() else { return };
        self.levels.truncate(level as usize);
        while self.trail.len() > from {
            let Some((choice, added)) = self.trail.pop() else { break };
            let edges: Vec<_> = self.edges(choice).take(usize::from(added)).collect();
            if !self.polygraph.planted.has(Trap::EdgesStay) {
                edges.into_iter().rev().for_each(|edge| self.dynamic.take_back(edge));
            }
            self.chosen[(choice / 2) as usize] = None;
        }
        self.propagated = self.propagated.min(from);
    }
}

/// 1 1 2 1 1 2 4 1 1 2 1 1 2 4 8 ... (Luby, Sinclair & Zuckerman 1993), from 1 on.
fn luby(mut at: u64) -> u64 {
    loop {
        let power = (at + 1).next_power_of_two();
        if power == at + 1 {
            return power / 2;
        }
        at -= power / 2 - 1;
    }
}
