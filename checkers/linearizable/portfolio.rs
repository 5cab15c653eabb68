//! Depth first and breadth first by turns: alone, the first loses two orders of magnitude on
//! invalid histories with crashed operations, the second three on valid ones.

use super::found::{Found, Took};
use super::mask::Mask;
use super::meter::Ledger;
use super::plan::Plan;
use super::rules::{Bug, Rules};
use super::search::{Order, Search};
use super::{Model, Problem};

/// A decision, the states it names, and what it took.
pub(super) struct Decision<S> {
    pub(super) found: Found,
    /// The states behind [`Dead::states`].
    pub(super) states: Vec<S>,
    pub(super) took: Took,
}

/// Decides one partition within `limit` configurations of its own.
pub(super) fn decide<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    ledger: &Ledger<'_>,
    limit: u64,
    rules: Rules,
) -> Decision<M::State> {
    decide_by(model, problem, ledger, limit, rules, None)
}

/// The same, by one order only.
pub(super) fn decide_by<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    ledger: &Ledger<'_>,
    limit: u64,
    rules: Rules,
    only: Option<Order>,
) -> Decision<M::State> {
    let planned;
    let problem = if rules.broken_by(Bug::RealTimeIgnored) {
        planned = without_real_time(problem);
        &planned
    } else {
        problem
    };
    let plan = Plan::new(model, problem);
    if plan.slots <= 64 {
        alternate::<M, u64>(model, problem, &plan, ledger, limit, rules, only)
    } else {
        alternate::<M, Box<[u64]>>(model, problem, &plan, ledger, limit, rules, only)
    }
}

/// For [`Bug::RealTimeIgnored`]: every operation is invoked before any returns.
fn without_real_time<O: Clone>(problem: &Problem<O>) -> Problem<O> {
    let mut problem = problem.clone();
    let calls = problem.entries.len() as u32;
    for (at, entry) in problem.entries.iter_mut().enumerate() {
        entry.call = at as u32;
        entry.ret = entry.ret.saturating_add(calls);
    }
    problem
}

/// The switch counts configurations, not time: the same history always has the same winner.
fn alternate<M: Model, K: Mask>(
    model: &M,
    problem: &Problem<M::Op>,
    plan: &Plan,
    ledger: &Ledger<'_>,
    limit: u64,
    rules: Rules,
    only: Option<Order>,
) -> Decision<M::State> {
    let search =
        |order| Search::<M, K>::new(model, problem, plan, order, ledger.meter(limit), rules);
    let mut searches = match only {
        Some(order) => vec![search(order)],
        None => vec![search(Order::Depth), search(Order::Breadth)],
    };
    let mut quota = 64 * (1 + plan.layers.len() as u64);
    loop {
        for at in 0..searches.len() {
            let Some(found) = searches[at].go_on(model, problem, quota) else { continue };
            let states = match &found {
                Found::Dead(dead) => {
                    dead.states.iter().map(|state| searches[at].state(*state).clone()).collect()
                }
                Found::Linearization(_) | Found::Spent(..) | Found::Impure(..) => Vec::new(),
            };
            let mut took = searches[at].took();
            took.configurations = searches.iter().map(|s| s.took().configurations).sum();
            took.peak_bytes = searches.iter().map(|s| s.took().peak_bytes).sum();
            return Decision { found, states, took };
        }
        quota = quota.saturating_mul(2);
    }
}
