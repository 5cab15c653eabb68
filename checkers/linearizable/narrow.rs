//! Contradictions about a few elements of what operations speak of as a whole.
//!
//! A data type names suspects ([`super::Model::suspects`]); what the operations say of these alone
//! ([`super::Model::about`]) is a history of its own, which a search decides and the verifier
//! proves like any other. If it has no legal order, the whole has none.

use tribunal_history::Value;

use super::decide::{Case, QUICK_LIMIT};
use super::found::Found;
use super::meter::Ledger;
use super::quick::Refutation;
use super::rules::Rules;
use super::sums::Sum;
use super::{Entry, FromHistory, Problem, portfolio, shrink, sums};

/// Where a history has no more operations, its own evidence is small enough.
pub(super) const SMALL: usize = 12;

/// More operations than anybody reads: fewer that fail later say more.
pub(super) const MANY: usize = 4 * SMALL;

/// A return that sums may refute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Return {
    /// The one of this rank.
    At(u32),
    /// The first that they do.
    First,
    /// The one that takes the fewest operations.
    OfFewest,
}

/// A refutation, in terms of the problem it is about.
pub(super) struct Shown<O> {
    /// What the operations say of a few elements, and these; `None`: the whole problem.
    pub(super) part: Option<(Problem<O>, Vec<Value>)>,
    pub(super) refutation: Refutation,
    /// The proof, where that is a sum: there is nothing to be searched.
    pub(super) sum: Option<Sum>,
}

impl<M: FromHistory> Case<'_, M> {
    /// What contradicts itself about a few elements, if that could be decided.
    pub(super) fn narrow(&self, problem: &Problem<M::Op>) -> Option<Shown<M::Op>> {
        let Case { model, ledger, .. } = *self;
        let (entries, ops) = (&problem.entries, &problem.ops);
        // Numbers for all that is said, and the entries again.
        let numbers = problem.ops_bytes(model) / 4;
        let bytes = (entries.len() * 2 * size_of::<Entry>()) as u64 + numbers;
        ledger.allows(bytes).ok()?;
        let _held = ledger.hold(bytes);
        let elements = model.suspects(entries, ops)?;
        let part = problem.about(model, &elements, &|| ledger.is_cancelled())?;
        let budget = ledger.spare();
        let few = Ledger::new(&budget);
        let rules = Rules::default();
        let Found::Dead(dead) = portfolio::decide(model, &part, &few, QUICK_LIMIT, rules).found
        else {
            return None;
        };
        let refutation = Refutation { kept: shrink::before(&part, dead.rank), rank: dead.rank };
        Some(Shown { part: Some((part, elements)), refutation, sum: None })
    }

    /// What sums refute there, if there is room to look.
    pub(super) fn summed(&self, problem: &Problem<M::Op>, at: Return) -> Option<Shown<M::Op>> {
        let number = self.model.number()?;
        let bytes = problem.entries.len() as u64 * sums::BYTES;
        self.ledger.allows(bytes).ok()?;
        let _held = self.ledger.hold(bytes);
        let rank = match at {
            Return::At(rank) => rank,
            Return::First => sums::beyond(&number, problem)?,
            Return::OfFewest => sums::fewest(&number, problem, sums::HintSlips::default())?,
        };
        let sum = sums::find(&number, problem, rank)?;
        let refutation = Refutation { kept: sum.kept.clone(), rank };
        Some(Shown { part: None, refutation, sum: Some(sum) })
    }

    /// What sums refute at another return where that takes at most half of `operations`, if these
    /// are more than anybody reads.
    pub(super) fn shorter(
        &self,
        problem: &Problem<M::Op>,
        operations: usize,
    ) -> Option<Shown<M::Op>> {
        if operations <= MANY {
            return None;
        }
        let shown = self.summed(problem, Return::OfFewest)?;
        (shown.refutation.kept.len() <= operations / 2).then_some(shown)
    }
}
