//! From "no order passes this return" to the few operations that show it.
//!
//! Removal is by closed sets: with an operation go all that may have seen its effect, otherwise
//! the absence itself would be the contradiction. `certificate` states the rule and checks it.

use super::found::{Dead, Found};
use super::meter::Ledger;
use super::portfolio::decide;
use super::rules::Rules;
use super::{Model, NEVER, Problem};

/// Most searches one counterexample may cost.
const PROBES: usize = 3_000;

/// A counterexample, by positions in the whole partition.
pub(super) struct Counterexample<S> {
    /// Positions, by invocation.
    pub(super) kept: Vec<u32>,
    /// Where every order of them dies; entries are positions in the whole partition.
    pub(super) dead: Dead,
    /// The states behind `dead.states`.
    pub(super) states: Vec<S>,
    /// Whether every smaller closed set was tried and is no proof.
    pub(super) minimal: bool,
    /// Configurations spent.
    pub(super) configurations: u64,
}

struct Shrinker<'a, M: Model> {
    model: &'a M,
    problem: &'a Problem<M::Op>,
    ledger: &'a Ledger<'a>,
    limit: u64,
    rules: Rules,
    probes: usize,
    best: Counterexample<M::State>,
    undecided: bool,
}

/// Shrinks `kept`, a counterexample of which no order passes the return of rank `rank`; `cost` is
/// what deciding took. `None` if not even that could be decided again within the budget.
pub(super) fn shrink<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    ledger: &Ledger<'_>,
    (kept, rank): (Vec<u32>, u32),
    cost: u64,
    rules: Rules,
) -> Option<Counterexample<M::State>> {
    let dead = Dead { entry: 0, rank, prefix: Vec::new(), states: Vec::new() };
    let best = Counterexample {
        kept: kept.clone(),
        dead,
        states: Vec::new(),
        minimal: false,
        configurations: 0,
    };
    let limit = cost.saturating_mul(4).saturating_add(10_000);
    let mut shrinker =
        Shrinker { model, problem, ledger, limit, rules, probes: 0, best, undecided: false };
    if !shrinker.probe(kept) {
        return None;
    }
    shrinker.by_window();
    shrinker.by_chunks();
    Some(shrinker.best)
}

/// Positions of the operations invoked before the event of rank `rank`.
pub(super) fn before<O>(problem: &Problem<O>, rank: u32) -> Vec<u32> {
    positions(problem).filter(|at| call(problem, *at) < rank).collect()
}

fn positions<O>(problem: &Problem<O>) -> impl Iterator<Item = u32> {
    0..problem.entries.len() as u32
}

fn call<O>(problem: &Problem<O>, at: u32) -> u32 {
    problem.entries[at as usize].call
}

impl<M: Model> Shrinker<'_, M> {
    /// Tries the operations that returned last, few and then more: most contradictions are local.
    fn by_window(&mut self) {
        let mut by_return = self.best.kept.clone();
        by_return.sort_by_key(|at| std::cmp::Reverse(self.problem.entries[*at as usize].ret));
        let crashed = by_return.iter().take_while(|at| self.ret(**at) == NEVER).count();
        let mut size = 8;
        while crashed + size < by_return.len() {
            let mut window = by_return[..crashed + size].to_vec();
            window.sort_unstable();
            if self.probe_closed(window) {
                return;
            }
            size *= 2;
        }
    }

    /// Delta debugging: crashed operations first, then halves, quarters, single operations.
    fn by_chunks(&mut self) {
        let mut size = self.best.kept.len().div_ceil(2).max(1);
        loop {
            let removed = self.remove_chunks(size);
            if self.probes >= PROBES || self.ledger.is_cancelled() {
                return;
            }
            if size > 1 {
                size = size.div_ceil(2);
            } else if !removed {
                self.best.minimal = !self.undecided;
                return;
            }
        }
    }

    fn remove_chunks(&mut self, size: usize) -> bool {
        self.undecided = false;
        let mut removed = false;
        let mut candidates = self.best.kept.clone();
        candidates.sort_by_key(|at| (self.ret(*at) != NEVER, *at));
        for chunk in candidates.chunks(size) {
            let left: Vec<u32> =
                self.best.kept.iter().copied().filter(|at| !chunk.contains(at)).collect();
            if left.len() < self.best.kept.len() {
                removed |= self.probe_closed(left);
            }
        }
        removed
    }

    fn ret(&self, at: u32) -> u32 {
        let ret = self.problem.entries[at as usize].ret;
        if ret > self.best.dead.rank { NEVER } else { ret }
    }

    fn probe_closed(&mut self, kept: Vec<u32>) -> bool {
        let kept = self.close(kept);
        !kept.is_empty() && self.probe(kept)
    }

    /// Removes from `kept` whatever may have seen an operation that is not in it.
    fn close(&self, mut kept: Vec<u32>) -> Vec<u32> {
        loop {
            let before = kept.len();
            let barriers: Vec<(u32, u32)> = kept
                .iter()
                .filter(|at| self.ret(**at) != NEVER && self.model.is_blind(self.op(**at)))
                .map(|at| (call(self.problem, *at), self.ret(*at)))
                .collect();
            let end = self.best.dead.rank;
            let mut keep = kept.iter().copied().peekable();
            let mut dropped = Vec::new();
            for at in positions(self.problem).take_while(|at| call(self.problem, *at) < end) {
                if keep.next_if_eq(&at).is_none() && !self.model.is_pure(self.op(at)) {
                    dropped.push(at);
                }
            }
            for at in dropped {
                let (from, to) = (call(self.problem, at), self.problem.entries[at as usize].ret);
                let hidden = barriers.iter().filter(|(call, _)| *call > to).map(|(_, ret)| *ret);
                let hidden_from = hidden.min().unwrap_or(NEVER);
                kept.retain(|other| {
                    self.ret(*other) < from
                        || call(self.problem, *other) > hidden_from
                        || !self.model.observes(self.op(*other), self.op(at))
                });
            }
            if kept.len() == before {
                return kept;
            }
        }
    }

    fn op(&self, at: u32) -> &M::Op {
        self.problem.op(&self.problem.entries[at as usize])
    }

    /// Whether `kept` is a counterexample too; if so it is the best so far.
    fn probe(&mut self, kept: Vec<u32>) -> bool {
        if self.probes >= PROBES || self.ledger.is_cancelled() {
            self.undecided = true;
            return false;
        }
        self.probes += 1;
        let is_kept = |at: usize| kept.binary_search(&(at as u32)).is_ok();
        let part = self.problem.prefix(self.model, is_kept, self.best.dead.rank);
        let decision = decide(self.model, &part, self.ledger, self.limit, self.rules);
        self.best.configurations += decision.took.configurations;
        let mut dead = match decision.found {
            Found::Dead(dead) => dead,
            Found::Linearization(_) => return false,
            Found::Spent(..) | Found::Impure(..) => {
                self.undecided = true;
                return false;
            }
        };
        let position = |at: u32| {
            let call = part.entries[at as usize].call;
            let found = self.problem.entries.binary_search_by_key(&call, |entry| entry.call);
            found.expect("an entry of the part is one of the whole") as u32
        };
        dead.entry = position(dead.entry);
        dead.prefix.iter_mut().for_each(|at| *at = position(*at));
        let within = |at: &u32| call(&part, *at) < dead.rank;
        self.best.kept = positions(&part).filter(within).map(position).collect();
        self.best.dead = dead;
        self.best.states = decision.states;
        true
    }
}
