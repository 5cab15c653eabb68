//! Contradictions about a few elements of what operations speak of as a whole.
//!
//! A data type names suspects ([`super::Model::suspects`]); what the operations say of these alone
//! ([`super::Model::about`]) is a history of its own, which a search decides and the verifier
//! proves like any other. If it has no legal order, the whole has none.

use super::decide::{Case, QUICK_LIMIT};
use super::found::Found;
use super::meter::Ledger;
use super::quick::Refutation;
use super::rules::Rules;
use super::{Entry, FromHistory, Problem, portfolio, shrink};

/// Where a history has no more operations, its own evidence is small enough.
pub(super) const SMALL: usize = 12;

/// A refutation, in terms of the problem it is about.
pub(super) struct Shown<O> {
    /// What the operations say of a few elements; `None`: the whole problem.
    pub(super) part: Option<Problem<O>>,
    pub(super) refutation: Refutation,
    /// The entry that nothing explains, in whatever order: there is nothing to be searched.
    pub(super) unexplained: Option<u32>,
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
        let part = problem.about(model, &model.suspects(entries, ops)?);
        let budget = ledger.spare();
        let few = Ledger::new(&budget);
        let rules = Rules::default();
        let Found::Dead(dead) = portfolio::decide(model, &part, &few, QUICK_LIMIT, rules).found
        else {
            return None;
        };
        let refutation = Refutation { kept: shrink::before(&part, dead.rank), rank: dead.rank };
        Some(Shown { part: Some(part), refutation, unexplained: None })
    }

    /// What no order of whatever was invoked before explains, with all that.
    pub(super) fn unexplained(&self, problem: &Problem<M::Op>) -> Option<Shown<M::Op>> {
        let model = self.model;
        let at = model.unexplained(&problem.entries, &problem.ops)?;
        let rank = problem.entries[at as usize].ret;
        let mut kept = shrink::before(problem, rank);
        kept.retain(|other| {
            let entry = &problem.entries[*other as usize];
            *other == at || !model.is_pure(problem.op(entry))
        });
        let refutation = Refutation { kept, rank };
        Some(Shown { part: None, refutation, unexplained: Some(at) })
    }
}
