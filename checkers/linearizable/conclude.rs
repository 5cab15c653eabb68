//! What is asked first, and for how long: the search, or what needs none.
//!
//! The search names the earliest return that no order passes, so it is asked first; but it need
//! not be asked for ever where few operations contradict each other. So at first it may visit a
//! few configurations for each operation and hold a part of the memory, whichever ends first. What
//! it held is given back before anything else is tried, and at last it may take all that is left.

use super::decide::{Case, QUICK_LIMIT};
use super::found::{Found, Progress, Took};
use super::meter::Ledger;
use super::narrow::{MANY, Return, SMALL, Shown};
use super::portfolio::Decision;
use super::rules::Rules;
use super::shrink::Counterexample;
use super::sums::Sum;
use super::{FromHistory, Problem, portfolio, quick, shrink};
use crate::Spent;

/// Configurations a search may visit before a refutation without search is tried, beside two for
/// each operation.
const PATIENCE: u64 = 1 << 8;
/// Bytes it may hold then: twice what a table of transitions grows to, and for each configuration
/// what a state of thousands of elements takes beside those that it shares. A state takes as long
/// to make as memory to fill, so this bounds the time, too.
const BYTES: u64 = 1 << 26;
const EACH: u64 = 1 << 12;

/// Of the memory that is allowed, the part that a refutation without search may hold.
const QUICK_SHARE: u64 = 16;

/// Operations from which on a counterexample is not made as small as it could be.
const LONG: usize = 1 << 13;

/// Operations of which a counterexample shows at a glance what no sum would.
const FEW: usize = 8;

impl<M: FromHistory> Case<'_, M> {
    /// A decision of the search, and a refutation that goes before it.
    pub(super) fn conclude(
        &self,
        problem: &Problem<M::Op>,
    ) -> (Decision<M::State>, Option<Shown<M::Op>>) {
        let Case { model, ledger, options, .. } = *self;
        let rules = Rules::default();
        if !options.quick {
            return (portfolio::decide(model, problem, ledger, u64::MAX, rules), None);
        }
        let long = problem.entries.len() > LONG;
        // Two configurations for each of so many operations may take all the time there is where
        // the states are as long as these. What is narrow is shown before what the search finds
        // (below), so nothing is lost; and it takes as long as reading the history did.
        let narrow = || self.narrow(problem);
        if long && let Some(shown) = narrow() {
            return (unasked(problem), Some(shown));
        }
        let patience = PATIENCE + 2 * problem.entries.len() as u64;
        let part = ledger.part(BYTES + EACH * patience);
        let decision = portfolio::decide(model, problem, &part, patience, rules);
        let late = || if long { None } else { narrow() };
        match decision.found {
            Found::Dead(ref dead) if problem.entries.len() > SMALL => {
                // To make what is long smaller takes longer than to say why at once.
                let at_once = self.summed(problem, Return::At(dead.rank)).filter(|shown| {
                    let sum = shown.sum.as_ref();
                    sum.is_some_and(|sum| {
                        long && sum.best || sum.minimal && sum.kept.len() <= SMALL
                    })
                });
                let shown = at_once.map(|shown| self.shortest(problem, shown)).or_else(late);
                return (decision, shown);
            }
            Found::Spent(Spent::Configurations | Spent::Memory, _) => {}
            Found::Linearization(_) | Found::Spent(..) | Found::Impure(..) | Found::Dead(_) => {
                return (decision, None);
            }
        }
        let summed = self.summed(problem, Return::First);
        let summed = summed.map(|shown| self.shortest(problem, shown));
        let shown = summed.or_else(late).or_else(|| self.quick(problem));
        if shown.is_some() {
            return (decision, shown);
        }
        let first = decision.took;
        let mut decision = portfolio::decide(model, problem, ledger, u64::MAX, rules);
        decision.took.configurations += first.configurations;
        decision.took.peak_bytes = decision.took.peak_bytes.max(first.peak_bytes);
        (decision, None)
    }

    /// What it claims is decided by a search over the few operations it names.
    fn quick(&self, problem: &Problem<M::Op>) -> Option<Shown<M::Op>> {
        let Case { model, ledger, .. } = *self;
        let (rules, stop) = (Rules::default(), || ledger.is_cancelled());
        // On nobody's account: a part of what is allowed, and of what is left.
        let bytes = (ledger.most_bytes() / QUICK_SHARE).min(ledger.spare().bytes);
        let refutation = quick::refute(model, problem, rules, bytes, &stop)?;
        let part = shrink::cut(model, problem, &refutation.kept, refutation.rank);
        let _held = ledger.hold(part.ops_bytes(model));
        let budget = ledger.spare();
        let few = Ledger::new(&budget);
        let decision = portfolio::decide(model, &part, &few, QUICK_LIMIT, rules);
        let is_dead = matches!(decision.found, Found::Dead(_));
        is_dead.then_some(Shown { part: None, refutation, sum: None })
    }

    /// What sums refute later instead, where that is much shorter.
    fn shortest(&self, problem: &Problem<M::Op>, shown: Shown<M::Op>) -> Shown<M::Op> {
        self.shorter(problem, shown.refutation.kept.len()).unwrap_or(shown)
    }

    /// The proof by a sum that no smaller one can replace instead of one that is much longer, or by
    /// any instead of a long one that is not much shorter: it says why. Of what is long even so,
    /// one that ends later where that is short.
    pub(super) fn clearer(
        &self,
        problem: &Problem<M::Op>,
        rank: u32,
        found: Counterexample<M::State>,
    ) -> Counterexample<M::State> {
        let length = found.kept.len();
        if length <= FEW {
            return found;
        }
        let clearer = |sum: &Sum| match length > MANY {
            true => sum.kept.len() <= 2 * length,
            false => sum.minimal && sum.kept.len() <= length / 2,
        };
        let summed = self.summed(problem, Return::At(rank)).and_then(|shown| shown.sum);
        let found = match summed.filter(clearer) {
            Some(sum) => Counterexample::summed(sum, rank),
            None => found,
        };
        match self.shorter(problem, found.kept.len()) {
            Some(Shown { sum: Some(sum), refutation, .. }) => {
                Counterexample::summed(sum, refutation.rank)
            }
            Some(_) | None => found,
        }
    }
}

/// Of a search that was not begun.
fn unasked<O, S>(problem: &Problem<O>) -> Decision<S> {
    let (layers, crashed) = (problem.completed() as u32, Vec::new());
    let progress = Progress { layer: 0, layers, frontier: 0, bytes: 0, crashed };
    let found = Found::Spent(Spent::Memory, progress);
    Decision { found, states: Vec::new(), complete: false, took: Took::default() }
}
