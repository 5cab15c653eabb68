//! What a fast path calls contradictory: decided again by the search, made smaller, and proved.
//!
//! A fast path names some operations of a partition, with what hides the others from them: the put
//! after which a get saw nothing older. A smaller part must not uncover what the whole hid, so
//! shrinking looks at all that any part of it may have seen, its *surroundings*. Knows no data
//! type and no fast path.

use tribunal_history::OpIndex;

use super::decide::{Case, Judged, refused_counterexample, too_many_crashed, unfinished};
use super::found::{Dead, Found, Took};
use super::partition::Component;
use super::portfolio::Decision;
use super::rules::Rules;
use super::shrink::{self, Counterexample};
use super::{FromHistory, Interpreted, NEVER, Problem, certificate, portfolio, prep};
use crate::CheckError;

/// A contradiction is made smaller where its operations times the configurations of its proof are
/// no more: each of thousands of probes costs that much.
const SHRUNK: u64 = 1 << 18;
/// And where no more pairs of an operation of it and of its surroundings are looked at by each.
const PAIRS: usize = 1 << 18;
/// Operations between two looks at the caller's flag.
const POLL: usize = 256;

/// A contradiction in what it was found in.
struct Proved<M: FromHistory> {
    problem: Problem<M::Op>,
    found: Counterexample<M::State>,
}

impl<M: FromHistory> Case<'_, M> {
    /// What a fast path names has no order, and neither has the smaller part that is shown.
    pub(super) fn prove_contradiction(
        &self,
        component: &Component,
        part: Component,
        took: Took,
    ) -> Result<Judged, CheckError> {
        let Case { model, history, dialect, ledger, .. } = *self;
        let key = &component.key;
        let problem = match prep::prepare(model, history, &part, dialect, ledger) {
            Ok(problem) => problem,
            Err(unready) => return self.undecided(component, took, unready),
        };
        let _held = ledger.hold(problem.ops_bytes(model));
        let Decision { found, states, complete, took: cost } =
            portfolio::decide(model, &problem, ledger, u64::MAX, Rules::default());
        let dead = match found {
            Found::Dead(dead) => dead,
            Found::Spent(spent, progress) => {
                let reason = unfinished(history, &problem, component, spent, &progress);
                let crashed = too_many_crashed(&problem, &progress);
                return Ok(Judged::Unknown { took, spent, reason, crashed });
            }
            Found::Linearization(_) | Found::Impure(..) => {
                let why = format!("{} names operations that some order explains", took.engine);
                return Err(refused_counterexample(key, &why));
            }
        };
        let smaller = self.smaller(component, &problem, &dead, cost.configurations);
        let Proved { problem, found } = smaller.unwrap_or_else(|| {
            let kept = shrink::before(&problem, dead.rank);
            let found = Counterexample { complete, ..Counterexample::of(kept, dead, states) };
            Proved { problem, found }
        });
        self.verify_closed(component, &problem, &found)?;
        self.refuted(key, (&problem, &problem), took, found)
    }

    /// Shrinks what of `problem` is dead at `dead`; `cost` is what that took. `None` where that
    /// would take too long.
    fn smaller(
        &self,
        component: &Component,
        problem: &Problem<M::Op>,
        dead: &Dead,
        cost: u64,
    ) -> Option<Proved<M>> {
        let Case { model, history, dialect, ledger, .. } = *self;
        if (problem.entries.len() as u64).saturating_mul(cost) > SHRUNK {
            return None;
        }
        let kept = shrink::before(problem, dead.rank);
        let origins = kept.iter().map(|at| problem.entries[*at as usize].origin);
        let mut origins: Vec<OpIndex> = origins.collect();
        origins.sort_unstable();
        let mut operations = self.surroundings(component, problem, &origins, dead.rank)?;
        operations.extend(&origins);
        operations.sort_unstable();
        let whole = Component { key: component.key.clone(), operations };
        let problem = prep::prepare(model, history, &whole, dialect, ledger).ok()?;
        let _held = ledger.hold(problem.ops_bytes(model));
        let all = (0..).zip(&problem.entries);
        let kept =
            all.filter(|(_, entry)| origins.binary_search(&entry.origin).is_ok()).map(|(at, _)| at);
        let kept = (kept.collect(), dead.rank);
        let found = shrink::shrink(model, &problem, ledger, kept, cost, Rules::default())?;
        Some(Proved { problem, found })
    }

    /// The operations of `component` beside `part` that some operation of it may have seen, or
    /// been consumed by, if nothing hid them, up to the event of rank `rank`. `None` if they are
    /// too many. O(n * distinct operations of the part).
    fn surroundings(
        &self,
        component: &Component,
        problem: &Problem<M::Op>,
        part: &[OpIndex],
        rank: u32,
    ) -> Option<Vec<OpIndex>> {
        let Case { model, history, dialect, ledger, .. } = *self;
        // Per distinct operation, the first call and the latest return.
        let mut inside: Vec<(&M::Op, u32, u32)> =
            problem.ops.iter().map(|op| (op, NEVER, 0)).collect();
        for entry in problem.entries.iter().filter(|entry| entry.call < rank) {
            let (_, first, latest) = &mut inside[entry.class as usize];
            (*first, *latest) = ((*first).min(entry.call), (*latest).max(entry.ret));
        }
        inside.retain(|(_, first, _)| *first != NEVER);
        let mut around = Vec::new();
        for (at, index) in component.operations.iter().enumerate() {
            let operation = history.operation(*index);
            let call = operation.call().0;
            if at % POLL == 0 && ledger.is_cancelled() || around.len() * part.len() > PAIRS {
                return None;
            }
            if call > rank || part.binary_search(index).is_ok() {
                continue;
            }
            let (op, ret) = match model.interpret(&operation, dialect).ok()? {
                Interpreted::Completed(op) => (op, operation.ret().map_or(NEVER, |ret| ret.0)),
                Interpreted::Crashed(op) => (op, NEVER),
                Interpreted::Nothing => continue,
            };
            let matters = |(own, first, latest): &(&M::Op, u32, u32)| {
                *latest >= call && model.observes(own, &op)
                    || ret >= *first && model.consumes(&op, own)
            };
            if !model.is_pure(&op) && inside.iter().any(matters) {
                around.push(*index);
            }
        }
        Some(around)
    }

    fn verify_closed(
        &self,
        component: &Component,
        problem: &Problem<M::Op>,
        found: &Counterexample<M::State>,
    ) -> Result<(), CheckError> {
        let Case { model, history, dialect, .. } = *self;
        let origin = |at: &u32| problem.entries[*at as usize].origin;
        let kept: Vec<OpIndex> = found.kept.iter().map(origin).collect();
        let (all, end) = (&component.operations, found.dead.rank);
        certificate::verify_closed(model, history, all, dialect, &kept, end)
            .map_err(|why| refused_counterexample(&component.key, &why))
    }
}
