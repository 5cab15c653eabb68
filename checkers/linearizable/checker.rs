//! The checker: partitions judged in parallel, merged in key order.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use tribunal_history::{History, Outcome, Value};

use super::found::{Found, Progress, Took};
use super::meter::Ledger;
use super::partition::{Component, components};
use super::rules::Rules;
use super::shrink::Counterexample;
use super::{
    CasRegister, Dialect, FromHistory, NEVER, Problem, Register, certificate, explain, portfolio,
    prep, quick, shrink,
};
use crate::{
    Anomaly, Budget, CheckError, Checker, Cost, Coverage, Fact, ReasonClass, Report, Spent,
};

/// The data types a history can be judged as.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ModelChoice {
    /// Read and write.
    Register,
    /// Read, write, compare-and-set.
    CasRegister,
}

/// Which bad keys are reported.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Which {
    /// Every one.
    #[default]
    All,
    /// The first in key order; keys after it may not be judged.
    First,
}

/// How a check is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Options {
    /// Which bad keys are reported.
    pub which: Which,
    /// Whether orders that prove `Valid` are replayed. Counterexamples always are verified.
    pub verify: bool,
}

/// Everything verified, every bad key reported.
impl Default for Options {
    fn default() -> Options {
        Options { which: Which::All, verify: true }
    }
}

/// Judges whether every key is one copy, operated on one step at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Linearizable {
    model: ModelChoice,
    dialect: Dialect,
    initial: Value,
    options: Options,
}

impl Linearizable {
    /// Under `dialect`, with every key holding `initial` before the first operation.
    pub fn new(model: ModelChoice, dialect: Dialect, initial: Value) -> Linearizable {
        Linearizable { model, dialect, initial, options: Options::default() }
    }

    /// The same check done another way.
    pub fn with_options(self, options: Options) -> Linearizable {
        Linearizable { options, ..self }
    }
}

impl Checker for Linearizable {
    fn name(&self) -> &str {
        "linearizable"
    }

    fn check(&self, history: &History, budget: &Budget) -> Result<Report, CheckError> {
        let initial = self.initial.clone();
        let (dialect, options) = (self.dialect, self.options);
        match self.model {
            ModelChoice::Register => {
                judge(&Register { initial }, history, dialect, budget, options)
            }
            ModelChoice::CasRegister => {
                judge(&CasRegister { initial }, history, dialect, budget, options)
            }
        }
    }
}

/// Configurations a search may visit where a refutation without search is at hand.
const PATIENCE: u64 = 1 << 17;

/// What became of one partition.
enum Judged {
    Valid {
        took: Took,
        verified: bool,
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
    },
    /// Not looked at: an earlier key is bad, and one is enough.
    Skipped,
}

/// Facts of one partition.
#[derive(Clone, Copy, Default)]
struct Seen {
    answered: u64,
    completed: u64,
    crashed: u64,
}

impl Seen {
    fn of<O>(history: &History, component: &Component, problem: &Problem<O>) -> Seen {
        let completed = problem.completed() as u64;
        let answered = component.operations.iter();
        let answered = answered.filter(|at| history.operation(**at).outcome() == Outcome::Ok);
        Seen {
            answered: answered.count() as u64,
            completed,
            crashed: problem.entries.len() as u64 - completed,
        }
    }
}

/// Judges `history` by any data type. [`Linearizable`] is this for the data types we ship.
///
/// With several threads the verdict, the findings and their evidence are those of one thread; a
/// budget that runs out may run out on another key.
///
/// A history without operations is not exercised. One whose every operation failed is
/// linearizable, trivially; that it shows nothing is what [`crate::stats::Stats`] says.
///
/// # Errors
/// An operation the data type does not have, or a certificate that was refused.
pub fn judge<M: FromHistory>(
    model: &M,
    history: &History,
    dialect: Dialect,
    budget: &Budget,
    options: Options,
) -> Result<Report, CheckError> {
    let components = components(model, history);
    let ledger = Ledger::new(budget);
    let first_bad = AtomicUsize::new(usize::MAX);
    let one = |at: usize| {
        if options.which == Which::First && first_bad.load(Ordering::Relaxed) < at {
            return Ok((Judged::Skipped, Seen::default()));
        }
        let judged = partition(model, history, &components[at], dialect, &ledger, options);
        if let Ok((Judged::Invalid { .. }, _)) = &judged {
            first_bad.fetch_min(at, Ordering::Relaxed);
        }
        judged
    };
    let judged = in_parallel(&components, budget.threads, one)?;
    merge(&components, judged, options)
}

/// Largest first, so that the last one to finish is small; results in key order.
fn in_parallel<T: Send>(
    components: &[Component],
    threads: usize,
    one: impl Fn(usize) -> Result<T, CheckError> + Sync,
) -> Result<Vec<T>, CheckError> {
    if threads <= 1 || components.len() <= 1 {
        return (0..components.len()).map(one).collect();
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(components.len()))
        .build()
        .map_err(|error| internal(format!("no threads: {error}")))?;
    let mut order: Vec<usize> = (0..components.len()).collect();
    order.sort_by_key(|at| (std::cmp::Reverse(components[*at].operations.len()), *at));
    let mut judged: Vec<(usize, Result<T, CheckError>)> =
        pool.install(|| order.into_par_iter().with_max_len(1).map(|at| (at, one(at))).collect());
    judged.sort_by_key(|(at, _)| *at);
    judged.into_iter().map(|(_, judged)| judged).collect()
}

fn partition<M: FromHistory>(
    model: &M,
    history: &History,
    component: &Component,
    dialect: Dialect,
    ledger: &Ledger<'_>,
    options: Options,
) -> Result<(Judged, Seen), CheckError> {
    let problem = prep::prepare(model, "linearizable", history, component, dialect)?;
    let seen = Seen::of(history, component, &problem);
    let key = &component.key;
    let rules = Rules::default();
    let refuted = |took: Took, found: Counterexample<M::State>| {
        let took = Took { configurations: took.configurations + found.configurations, ..took };
        let subject = key.to_string();
        let (anomaly, verified) = explain::anomaly(model, history, &subject, &problem, &found)
            .map_err(|why| {
                internal(format!("the counterexample for key {subject} is none: {why}"))
            })?;
        Ok((Judged::Invalid { took, anomaly: Box::new(anomaly), verified }, seen))
    };
    // The search names the earliest return that no order passes, so it is asked first; but where
    // something is out of thin air it need not be asked for ever.
    let unexplained = quick::unexplained(model, &problem);
    let limit = if unexplained.is_some() { PATIENCE } else { u64::MAX };
    let decision = portfolio::decide(model, &problem, ledger, limit, rules);
    let took = decision.took;
    let judged = match decision.found {
        Found::Linearization(order) => {
            let verified = options.verify || cfg!(debug_assertions);
            if verified {
                certificate::verify_linearization(model, &problem, &order)
                    .map_err(|why| internal(format!("the order for key {key} is none: {why}")))?;
            }
            Judged::Valid { took, verified }
        }
        Found::Spent(spent, progress) => {
            let alone = unexplained.map(|at| (vec![at], problem.entries[at as usize].ret));
            let found = alone.and_then(|alone| {
                shrink::shrink(model, &problem, ledger, alone, took.configurations, rules)
            });
            if let Some(found) = found {
                return refuted(Took { engine: "unexplained", ..took }, found);
            }
            let reason = unfinished(history, &problem, component, spent, &progress);
            Judged::Unknown { took, spent, reason }
        }
        Found::Impure(state, op) => {
            return Err(internal(format!("the model calls `{op}` pure but it changes {state}")));
        }
        Found::Dead(dead) => {
            let whole = (shrink::before(&problem, dead.rank), dead.rank);
            let cost = took.configurations;
            let found = shrink::shrink(model, &problem, ledger, whole.clone(), cost, rules);
            // Where the budget leaves nothing to shrink with, the search's own words are the
            // evidence, and still a proof.
            let kept = whole.0;
            let (states, minimal, configurations) = (decision.states, false, 0);
            let own = || Counterexample { kept, dead, states, minimal, configurations };
            return refuted(took, found.unwrap_or_else(own));
        }
    };
    Ok((judged, seen))
}

fn internal(what: String) -> CheckError {
    CheckError::Internal { checker: "linearizable".into(), what }
}

fn unfinished<O>(
    history: &History,
    problem: &Problem<O>,
    component: &Component,
    spent: Spent,
    progress: &Progress,
) -> String {
    let Progress { layer, layers, frontier, crashed } = progress;
    let mut reason = format!(
        "key {}: {} budget spent with {layer} of {layers} completions passed and {frontier} \
         configurations at the next one",
        component.key,
        spent.name(),
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

fn merge(
    components: &[Component],
    judged: Vec<(Judged, Seen)>,
    options: Options,
) -> Result<Report, CheckError> {
    let mut cost = Cost::default();
    let (mut anomalies, mut unknown) = (Vec::new(), Vec::new());
    let mut engines = [("unexplained", 0), ("wgl-depth", 0), ("wgl-breadth", 0)];
    let mut decided = 0;
    let mut seen = Seen::default();
    for (judged, facts) in judged {
        if options.which == Which::First && !anomalies.is_empty() {
            break;
        }
        seen.answered += facts.answered;
        seen.completed += facts.completed;
        seen.crashed += facts.crashed;
        let (took, verified) = match judged {
            Judged::Skipped => continue,
            Judged::Valid { took, verified } => (took, verified),
            Judged::Invalid { took, anomaly, verified } => {
                anomalies.push(*anomaly);
                (took, verified)
            }
            Judged::Unknown { took, spent, reason } => {
                cost.configurations += took.configurations;
                cost.peak_bytes = cost.peak_bytes.max(took.peak_bytes);
                cost.spent.get_or_insert(spent);
                unknown.push(reason);
                continue;
            }
        };
        decided += 1;
        cost.configurations += took.configurations;
        cost.peak_bytes = cost.peak_bytes.max(took.peak_bytes);
        cost.certificates_verified += u64::from(verified);
        for (engine, partitions) in &mut engines {
            *partitions += u64::from(*engine == took.engine);
        }
    }
    cost.engines = engines.into_iter().filter(|(_, partitions)| *partitions > 0).collect();
    let fact = |name, required, seen| Fact { name, required, seen };
    let coverage = Coverage {
        facts: vec![
            // A comparison that missed is an answer too, though it ended `fail`.
            fact("operation-completed", 0, seen.answered.max(seen.completed)),
            fact("operation-crashed", 0, seen.crashed),
            fact("key", 0, components.len() as u64),
        ],
    };
    if !anomalies.is_empty() {
        return Ok(Report::invalid(anomalies, coverage, cost));
    }
    if let Some(first) = unknown.first() {
        let keys = components.len();
        let reason = format!("{first}; {decided} of {keys} keys decided");
        return Ok(Report::unknown(ReasonClass::Undecided, reason, coverage, cost));
    }
    if components.is_empty() {
        let class = ReasonClass::NotExercised;
        return Ok(Report::unknown(class, "no operations", coverage, cost));
    }
    Ok(Report::valid(coverage, cost))
}
