//! The checker: partitions judged in parallel, merged in key order.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use tribunal_history::History;

use super::decide::{Case, Judged, Seen, internal};
use super::merge::merge;
use super::meter::{Ledger, vec_bytes};
use super::partition::{Component, components};
use super::prep::interpret;
use super::{Dialect, FromHistory, watch};
use crate::{
    Budget, CheckError, Checker, Cost, Coverage, Happened, ReasonClass, Report, Verdict, Watched,
};

/// Which bad keys are reported.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Which {
    /// Every one.
    #[default]
    All,
    /// The first in key order; keys after it may not be looked at, nor what they hold that is to
    /// be refused.
    First,
}

/// Which algorithms may decide.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Engines {
    /// A fast path where there is one, else the search.
    #[default]
    Auto,
    /// The search alone, as fast paths are measured and tested against.
    Search,
}

/// How a check is done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Options {
    /// Which bad keys are reported.
    pub which: Which,
    /// Whether orders that prove `Valid` are replayed. Counterexamples always are verified.
    pub verify: bool,
    /// Which algorithms may decide.
    pub engines: Engines,
    /// Whether a few operations that contradict each other whatever the rest does are looked for
    /// where the search takes long; off, to measure the search.
    pub quick: bool,
    /// Whether the report holds the orders that prove `Valid`: 4 bytes per operation.
    pub orders: bool,
}

/// Everything verified, every bad key reported.
impl Default for Options {
    fn default() -> Options {
        let (which, engines) = (Which::All, Engines::Auto);
        Options { which, verify: true, engines, quick: true, orders: false }
    }
}

/// Judges whether every object is one copy, operated on one step at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Linearizable<M> {
    model: M,
    dialect: Dialect,
    options: Options,
}

impl<M: FromHistory> Linearizable<M> {
    /// By `model`, under `dialect`.
    pub fn new(model: M, dialect: Dialect) -> Linearizable<M> {
        Linearizable { model, dialect, options: Options::default() }
    }

    /// The same check done another way.
    pub fn with_options(self, options: Options) -> Linearizable<M> {
        Linearizable { options, ..self }
    }
}

impl<M: FromHistory> Checker for Linearizable<M> {
    fn name(&self) -> &str {
        "linearizable"
    }

    fn check(&self, history: &History, budget: &Budget) -> Result<Report, CheckError> {
        judge(&self.model, history, self.dialect, budget, self.options)
    }

    fn is_live(&self) -> bool {
        true
    }

    fn watch(&self, events: &mut dyn Iterator<Item = Happened>, budget: &Budget) -> Watched {
        watch(&self.model, self.dialect, budget, events)
    }
}

/// Judges `history` by any data type. [`Linearizable`] is this as a [`Checker`].
///
/// With several threads the verdict, the findings and their evidence are those of one thread; a
/// budget that runs out may run out on another key.
///
/// A history without real time is not decided: linearizability speaks of nothing else. One without
/// operations is not exercised. One whose every operation failed is
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
    if !history.has_real_time() {
        let (coverage, cost) = (Coverage::default(), Cost::default());
        return Ok(Report::unknown(ReasonClass::Undecided, NO_REAL_TIME, coverage, cost));
    }
    let components = components(model, history);
    refuse_strays(model, history, dialect, &components)?;
    let ledger = Ledger::new(budget);
    let _held = ledger.hold(bytes(&components));
    let first_bad = AtomicUsize::new(usize::MAX);
    let case = Case { model, history, dialect, ledger: &ledger, options };
    let one = |at: usize| {
        if options.which == Which::First && first_bad.load(Ordering::Relaxed) < at {
            return Ok((Judged::Skipped, Seen::default()));
        }
        let judged = case.judge(&components[at]);
        if let Ok((Judged::Invalid { .. }, _)) = &judged {
            first_bad.fetch_min(at, Ordering::Relaxed);
        }
        judged
    };
    let judged = in_parallel(&components, budget.threads, one)?;
    merge(&components, judged, options)
}

const NO_REAL_TIME: &str = "the history does not say what of different sessions came first, and \
                            linearizability is about nothing else";

/// A verdict without evidence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bare {
    /// The worst of all partitions.
    pub verdict: Verdict,
    /// Configurations visited.
    pub configurations: u64,
    /// Most bytes one partition held, its entries included.
    pub peak_bytes: u64,
    /// Who decided the last partition.
    pub engine: &'static str,
}

/// What [`judge`] finds, on this thread and without evidence: nothing is replayed, and no
/// counterexample minimised. For measurements, and for callers that ask again where it matters.
///
/// # Errors
/// As [`judge`].
pub fn decide<M: FromHistory>(
    model: &M,
    history: &History,
    dialect: Dialect,
    budget: &Budget,
    options: Options,
) -> Result<Bare, CheckError> {
    let ledger = Ledger::new(budget);
    let case = Case { model, history, dialect, ledger: &ledger, options };
    let (verdict, engine) = (Verdict::Valid, "none");
    let mut bare = Bare { verdict, configurations: 0, peak_bytes: 0, engine };
    let components = components(model, history);
    refuse_strays(model, history, dialect, &components)?;
    let _held = ledger.hold(bytes(&components));
    if components.is_empty() || !history.has_real_time() {
        bare.verdict = Verdict::Unknown;
        return Ok(bare);
    }
    for component in &components {
        let (verdict, took) = case.verdict(component)?;
        bare.verdict = bare.verdict.max(verdict);
        bare.configurations += took.configurations;
        bare.peak_bytes = bare.peak_bytes.max(took.peak_bytes);
        bare.engine = took.engine;
    }
    Ok(bare)
}

/// Refuses operations that no partition has because the data type does not have them. Whatever a
/// model says of keys, nothing is left out without a word.
fn refuse_strays<M: FromHistory>(
    model: &M,
    history: &History,
    dialect: Dialect,
    components: &[Component],
) -> Result<(), CheckError> {
    let held: usize = components.iter().map(|component| component.operations.len()).sum();
    if held == history.len() {
        return Ok(());
    }
    let mut keys = Vec::new();
    for operation in history.operations() {
        keys.clear();
        model.keys(&operation, &mut keys);
        if keys.is_empty() {
            interpret(model, &operation, dialect)?;
        }
    }
    Ok(())
}

/// What partitions hold while they are decided.
fn bytes(components: &[Component]) -> u64 {
    components.iter().map(|component| vec_bytes(&component.operations, 0)).sum()
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
