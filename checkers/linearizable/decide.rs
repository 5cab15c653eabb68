//! One partition: the fast path of its data type, the search where that hands over, and the proof.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_history::{History, OpIndex, Outcome, Value};

use super::fast::{Allowance, Decided, Fast, Partition, Proof, Tally};
use super::found::{Dead, Found, Progress, Took};
use super::meter::Ledger;
use super::narrow::Shown;
use super::partition::Component;
use super::parts::{interleaved, parts};
use super::portfolio::Decision;
use super::prep::Unready;
use super::quick::Refutation;
use super::rules::Rules;
use super::shrink::Counterexample;
use super::{
    Dialect, Engines, FromHistory, Model, NEVER, Options, Problem, certificate, explain, prep,
    shrink, unseen,
};
use crate::{Anomaly, CheckError, Spent, Verdict};

/// Configurations it may take to decide what a quick refutation claims.
pub(super) const QUICK_LIMIT: u64 = 1 << 16;
/// The name of those in reports.
const QUICK: &str = "quick";

/// What became of one partition.
pub(super) enum Judged {
    Valid {
        took: Took,
        verified: bool,
        /// Kept only where the caller wants it.
        order: Vec<OpIndex>,
    },
    Invalid {
        took: Took,
        anomaly: Box<Anomaly>,
        verified: bool,
    },
    Unknown {
        took: Took,
        spent: Spent,
        reason: String,
        /// As [`Cost::too_many_crashed`](crate::Cost::too_many_crashed).
        crashed: u64,
    },
    /// Not looked at: an earlier key is bad, and one is enough.
    Skipped,
}

/// Facts of one partition.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen {
    pub(super) answered: u64,
    pub(super) completed: u64,
    pub(super) crashed: u64,
}

/// What all partitions of a check share.
pub(super) struct Case<'a, M> {
    pub(super) model: &'a M,
    pub(super) history: &'a History,
    pub(super) dialect: Dialect,
    pub(super) ledger: &'a Ledger<'a>,
    pub(super) options: Options,
}

impl<M: FromHistory> Case<'_, M> {
    /// Judges one partition.
    pub(super) fn judge(&self, component: &Component) -> Result<(Judged, Seen), CheckError> {
        if self.options.engines == Engines::Auto {
            let (history, dialect) = (self.history, self.dialect);
            let partition = Partition { history, operations: &component.operations, dialect };
            let tally = Tally::default();
            let allowance = Allowance::new(self.ledger).telling(&tally);
            match self.model.fast(&partition, allowance) {
                Fast::HandOver(_) => {}
                Fast::Decided(decided) => return self.prove(component, decided),
                Fast::Spent(spent, progress) => {
                    let key = &component.key;
                    let (spent_on, done) = (spent.name(), tally.words(component.operations.len()));
                    let reason =
                        format!("key {key}: {spent_on} budget spent with {done}; {progress}");
                    let took = Took { configurations: 0, peak_bytes: 0, engine: "none" };
                    let seen = self.seen(component, 0, 0);
                    return Ok((Judged::Unknown { took, spent, reason, crashed: 0 }, seen));
                }
            }
        }
        match parts(self.model, self.history, component) {
            Some(parts) => self.search_parts(&parts),
            None => self.search(component),
        }
    }

    /// The first part that is bad decides, and without one the first that is unknown.
    fn search_parts(&self, parts: &[Component]) -> Result<(Judged, Seen), CheckError> {
        let (mut all, mut verified, mut orders) = (Took::default(), true, Vec::new());
        let (mut seen, mut unknown) = (Seen::default(), None);
        for part in parts {
            let (judged, facts) = self.search(part)?;
            seen.answered += facts.answered;
            seen.completed += facts.completed;
            seen.crashed += facts.crashed;
            match judged {
                Judged::Invalid { took, anomaly, verified } => {
                    all.add(took);
                    return Ok((Judged::Invalid { took: all, anomaly, verified }, seen));
                }
                Judged::Valid { took, verified: accepted, order } => {
                    all.add(took);
                    verified &= accepted;
                    orders.push(order);
                }
                Judged::Unknown { took, spent, reason, crashed } => {
                    all.add(took);
                    unknown.get_or_insert((spent, reason, crashed));
                }
                Judged::Skipped => unreachable!("a search is never skipped"),
            }
        }
        let judged = match unknown {
            Some((spent, reason, crashed)) => Judged::Unknown { took: all, spent, reason, crashed },
            None => Judged::Valid { took: all, verified, order: interleaved(self.history, orders) },
        };
        Ok((judged, seen))
    }

    /// No search was begun.
    pub(super) fn undecided(
        &self,
        component: &Component,
        took: Took,
        unready: Unready,
    ) -> Result<Judged, CheckError> {
        let (spent, laid_out, bytes) = match unready {
            Unready::Unsupported(error) => return Err(error),
            Unready::Spent(spent, laid_out, bytes) => (spent, laid_out, bytes),
        };
        let reason = format!(
            "key {}: {} budget spent with {laid_out} of {} operations laid out, {} KiB held",
            component.key,
            spent.name(),
            component.operations.len(),
            bytes / 1024,
        );
        Ok(Judged::Unknown { took, spent, reason, crashed: 0 })
    }

    fn seen(&self, component: &Component, completed: u64, crashed: u64) -> Seen {
        let answered = component.operations.iter();
        let answered = answered.filter(|at| self.history.operation(**at).outcome() == Outcome::Ok);
        Seen { answered: answered.count() as u64, completed, crashed }
    }

    /// A decision of a fast path is a claim until its proof is accepted.
    fn prove(&self, component: &Component, decided: Decided) -> Result<(Judged, Seen), CheckError> {
        let Case { model, history, dialect, options, .. } = *self;
        let Decided { engine, completed, crashed, peak_bytes, proof } = decided;
        let seen = self.seen(component, completed, crashed);
        let took = Took { configurations: 0, peak_bytes, engine };
        let key = &component.key;
        match proof {
            Proof::Order(order) => {
                let verified = options.verify || cfg!(debug_assertions);
                if verified {
                    let operations = &component.operations;
                    certificate::verify_order(model, history, operations, dialect, &order)
                        .map_err(|why| refused_order(key, &why))?;
                }
                let order = if options.orders { order } else { Vec::new() };
                Ok((Judged::Valid { took, verified, order }, seen))
            }
            Proof::Contradiction(mut operations) => {
                operations.sort_unstable();
                operations.dedup();
                let part = Component { key: key.clone(), operations };
                self.prove_contradiction(component, part, took).map(|judged| (judged, seen))
            }
        }
    }

    /// `found` is of `problem`: of `whole`, or of what that says of some elements.
    pub(super) fn refuted(
        &self,
        key: &Value,
        (problem, whole): (&Problem<M::Op>, &Problem<M::Op>),
        took: Took,
        found: Counterexample<M::State>,
    ) -> Result<Judged, CheckError> {
        let took = Took { configurations: took.configurations + found.configurations, ..took };
        let (parties, subject) = ((self.model, self.history), key.to_string());
        let found = (&found, took.configurations);
        let (anomaly, verified) =
            explain::anomaly(parties, self.ledger, &subject, (problem, whole), found)
                .map_err(|why| refused_counterexample(key, &why))?;
        Ok(Judged::Invalid { took, anomaly: Box::new(anomaly), verified })
    }

    fn search(&self, component: &Component) -> Result<(Judged, Seen), CheckError> {
        let Case { model, history, dialect, ledger, options } = *self;
        let problem = match prep::prepare(model, history, component, dialect, ledger) {
            Ok(problem) => problem,
            Err(unready) => {
                let took = Took { engine: "none", ..Took::default() };
                return Ok((self.undecided(component, took, unready)?, self.seen(component, 0, 0)));
            }
        };
        let _held = ledger.hold(problem.ops_bytes(model));
        let completed = problem.completed() as u64;
        let seen = self.seen(component, completed, problem.entries.len() as u64 - completed);
        let key = &component.key;
        if let Some(judged) = self.alone(key, &problem)? {
            return Ok((judged, seen));
        }
        let (decision, refutation) = self.conclude(&problem);
        let (took, refuted) = (decision.took, refutation.is_some());
        if let Some(shown) = refutation
            && let Some(judged) = self.shown(key, &problem, took, shown)?
        {
            return Ok((judged, seen));
        }
        let judged = match decision.found {
            Found::Linearization(order) => {
                let verified = options.verify || cfg!(debug_assertions);
                if verified {
                    certificate::verify_linearization(model, &problem, &order)
                        .map_err(|why| refused_order(key, &why))?;
                }
                let origin = |at: &u32| problem.entries[*at as usize].origin;
                let order =
                    if options.orders { order.iter().map(origin).collect() } else { Vec::new() };
                Judged::Valid { took, verified, order }
            }
            Found::Spent(spent, progress) => {
                // Its patience, where there was a refutation that is too much to be shown.
                let spent = match refuted {
                    false => spent,
                    true if ledger.is_cancelled() => Spent::Time,
                    true => Spent::Memory,
                };
                let reason = unfinished(history, &problem, component, spent, &progress);
                let crashed = too_many_crashed(&problem, &progress);
                Judged::Unknown { took, spent, reason, crashed }
            }
            Found::Impure(state, op) => {
                return Err(internal(format!(
                    "the model calls `{op}` pure but it changes {state}"
                )));
            }
            Found::Dead(dead) => {
                let Decision { states, complete, .. } = decision;
                self.died(key, &problem, took, (dead, states, complete))?
            }
        };
        Ok((judged, seen))
    }

    /// A refutation, if it could be decided again.
    fn shown(
        &self,
        key: &Value,
        problem: &Problem<M::Op>,
        took: Took,
        Shown { part, refutation: Refutation { kept, rank }, sum }: Shown<M::Op>,
    ) -> Result<Option<Judged>, CheckError> {
        let (narrow, cost) = (part.is_some(), took.configurations);
        let (part, about) = part.unzip();
        let part = part.as_ref().unwrap_or(problem);
        let found = match sum {
            Some(sum) => Some(Counterexample::summed(sum, rank)),
            None => {
                let (kept, rules) = ((kept, rank), Rules::default());
                shrink::shrink(self.model, part, self.ledger, kept, cost, rules)
            }
        };
        let Some(mut found) = found else { return Ok(None) };
        // Of these elements nothing can be left out; where operations speak of others, too, by one
        // of these less may do.
        let whole = |at: &u32| said_whole(part, problem, *at);
        let narrow = narrow && !found.kept.iter().all(whole);
        found.minimal &= !narrow || found.kept.len() == 1;
        found.about = about.filter(|_| narrow).unwrap_or_default();
        let took = Took { engine: QUICK, ..took };
        self.refuted(key, (part, problem), took, found).map(Some)
    }

    /// What is legal in no state, where there is such an operation.
    fn alone(&self, key: &Value, problem: &Problem<M::Op>) -> Result<Option<Judged>, CheckError> {
        let at = if self.options.quick { impossible(self.model, problem) } else { None };
        let Some(at) = at else { return Ok(None) };
        let found = Counterexample::alone(at, problem.entries[at as usize].ret);
        let took = Took { engine: QUICK, ..Took::default() };
        self.refuted(key, (problem, problem), took, found).map(Some)
    }

    /// The smallest counterexample within what the search ended with.
    fn died(
        &self,
        key: &Value,
        problem: &Problem<M::Op>,
        took: Took,
        (dead, states, complete): (Dead, Vec<M::State>, bool),
    ) -> Result<Judged, CheckError> {
        let (rank, rules) = (dead.rank, Rules::default());
        let mut kept = shrink::before(problem, rank);
        if let Some(seen) = unseen::seen(self.model, problem, rules, &|| self.ledger.is_cancelled())
        {
            kept.retain(|at| seen.binary_search(at).is_ok());
        }
        let (cost, whole) = (took.configurations, (kept.clone(), rank));
        let found = shrink::shrink(self.model, problem, self.ledger, whole, cost, rules);
        // Where the budget leaves nothing to shrink with, the search's own words are the evidence,
        // and still a proof.
        let own = || Counterexample { complete, ..Counterexample::of(kept, dead, states) };
        let found = self.clearer(problem, rank, found.unwrap_or_else(own));
        self.refuted(key, (problem, problem), took, found)
    }

    /// The verdict on one partition, without evidence.
    pub(super) fn verdict(&self, component: &Component) -> Result<(Verdict, Took), CheckError> {
        let Case { model, history, dialect, .. } = *self;
        if self.options.engines == Engines::Auto {
            let partition = Partition { history, operations: &component.operations, dialect };
            let took = |peak_bytes, engine| Took { configurations: 0, peak_bytes, engine };
            match self.model.fast(&partition, Allowance::new(self.ledger)) {
                Fast::HandOver(_) => {}
                Fast::Decided(Decided { engine, peak_bytes, proof, .. }) => {
                    let verdict = match proof {
                        Proof::Order(_) => Verdict::Valid,
                        Proof::Contradiction(_) => Verdict::Invalid,
                    };
                    return Ok((verdict, took(peak_bytes, engine)));
                }
                Fast::Spent(..) => return Ok((Verdict::Unknown, took(0, "none"))),
            }
        }
        let problem = match prep::prepare(model, history, component, dialect, self.ledger) {
            Ok(problem) => problem,
            Err(Unready::Unsupported(error)) => return Err(error),
            Err(Unready::Spent(_, _, peak_bytes)) => {
                let took = Took { configurations: 0, peak_bytes, engine: "none" };
                return Ok((Verdict::Unknown, took));
            }
        };
        let _held = self.ledger.hold(problem.ops_bytes(model));
        let (Decision { found, took, .. }, refutation) = self.conclude(&problem);
        Ok(match found {
            _ if refutation.is_some() => (Verdict::Invalid, Took { engine: QUICK, ..took }),
            Found::Linearization(_) => (Verdict::Valid, took),
            Found::Dead(_) => (Verdict::Invalid, took),
            Found::Spent(..) => (Verdict::Unknown, took),
            Found::Impure(state, op) => {
                return Err(internal(format!(
                    "the model calls `{op}` pure but it changes {state}"
                )));
            }
        })
    }
}

/// Of the completed operations that are legal in no state the one that returned first, if there is
/// one. O(n).
pub(super) fn impossible<M: Model>(model: &M, problem: &Problem<M::Op>) -> Option<u32> {
    let bad = |op: &M::Op| model.impossible(op).is_some();
    let classes: Vec<bool> = problem.ops.iter().map(bad).collect();
    let bad = (0..)
        .zip(&problem.entries)
        .filter(|(_, entry)| entry.ret != NEVER && classes[entry.class as usize]);
    bad.min_by_key(|(_, entry)| entry.ret).map(|(at, _)| at)
}

/// Whether an entry of `part`, which is what `whole` says of some elements, says all that it says.
pub(super) fn said_whole<O: PartialEq>(part: &Problem<O>, whole: &Problem<O>, at: u32) -> bool {
    let entry = &part.entries[at as usize];
    let own = whole.entries.partition_point(|other| other.call < entry.call);
    part.op(entry) == whole.op(&whole.entries[own])
}

fn refused_order(key: &Value, why: &str) -> CheckError {
    internal(format!("the order for key {key} is none: {why}"))
}

pub(super) fn refused_counterexample(key: &Value, why: &str) -> CheckError {
    internal(format!("the counterexample for key {key} is none: {why}"))
}

pub(super) fn internal(what: String) -> CheckError {
    CheckError::Internal { checker: "linearizable".into(), what }
}

pub(super) fn unfinished<O>(
    history: &History,
    problem: &Problem<O>,
    component: &Component,
    spent: Spent,
    progress: &Progress,
) -> String {
    let Progress { layer, layers, frontier, bytes, crashed } = progress;
    let mut reason = format!(
        "key {}: {} budget spent with {layer} of {layers} completions passed and {frontier} \
         configurations at the next one, {} KiB held",
        component.key,
        spent.name(),
        bytes / 1024,
    );
    let mut multiply: Vec<(u32, String)> = crashed
        .iter()
        .filter(|(_, used)| *used > 0)
        .map(|(entry, used)| {
            let entry = &problem.entries[*entry as usize];
            let same = problem.entries.iter();
            let same = same.filter(|other| other.ret == NEVER && other.class == entry.class);
            let op = history.operation(entry.origin).op();
            (*used, format!("{used} of {} crashed `{op}`", same.count()))
        })
        .collect();
    multiply.sort_by(|one, other| other.cmp(one));
    if !multiply.is_empty() {
        let words: Vec<String> = multiply.into_iter().take(5).map(|(_, words)| words).collect();
        reason += &format!("; multiplied by {}", words.join(", "));
    }
    reason
}

/// Crashed operations by whose number what there is to tell apart is multiplied more than a
/// million times, while a tenth of the history or more is left: then twice the time or the memory
/// is for one of them more. Those that are alike are told apart by how many happened alone. 0 where
/// they are not to blame.
pub(super) fn too_many_crashed<O>(problem: &Problem<O>, progress: &Progress) -> u64 {
    const MANY: f64 = 20.0;
    let classes = progress.crashed.iter().filter(|(_, used)| *used > 0);
    let classes = classes.map(|(entry, _)| problem.entries[*entry as usize].class);
    let classes: BTreeSet<u32> = classes.collect();
    let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
    for entry in problem.entries.iter().filter(|entry| entry.ret == NEVER) {
        if classes.contains(&entry.class) {
            *counts.entry(entry.class).or_default() += 1;
        }
    }
    let factor: f64 = counts.values().map(|count| ((count + 1) as f64).log2()).sum();
    let far = u64::from(progress.layer) * 10 > u64::from(progress.layers) * 9;
    if factor > MANY && !far { counts.values().sum() } else { 0 }
}
