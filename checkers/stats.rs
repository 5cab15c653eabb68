//! What the clients did: counts by operation and outcome, errors by class, contention by key.
//!
//! Decides whether the history is *worth judging*: a run whose every compare-and-set failed, or
//! whose operations never met, satisfies any promise about them. Such a run is unknown, never
//! invalid: nothing was broken, and nothing was shown.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use tribunal_history::{Code, F, History, Outcome};

use crate::{Budget, CheckError, Checker, Cost, Coverage, Fact, ReasonClass, Report};

/// Outcomes of one operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Happened.
    pub ok: u64,
    /// Did not happen.
    pub fail: u64,
    /// Unknown, said so.
    pub info: u64,
    /// Unknown because the record ends.
    pub open: u64,
}

/// A middle and an extreme.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spread {
    /// The lower median.
    pub median: u64,
    /// The largest.
    pub max: u64,
}

/// What the clients did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// By name of the operation.
    pub by_f: BTreeMap<&'static str, Counts>,
    /// By name of the operation and class of the error.
    pub errors: BTreeMap<(&'static str, String), u64>,
    /// Processes that asked for anything.
    pub processes: u64,
    /// Keys of single-key operations.
    pub keys: u64,
    /// Operations per key.
    pub per_key: Spread,
    /// Operations open on the key when one is invoked there, itself included.
    pub at_once: Spread,
    /// Operations invoked while another on the same key was open, one of the two writing.
    pub conflicts: u64,
    /// Compare-and-sets that ended `fail` because the value was another.
    pub cas_missed: u64,
}

impl Counts {
    /// How often it was asked for.
    pub fn invoked(&self) -> u64 {
        self.ok + self.fail + self.info + self.open
    }
}

impl Tally {
    /// Counts `history`. O(n log n).
    pub fn of(history: &History) -> Tally {
        let mut tally = Tally::default();
        let mut processes = BTreeSet::new();
        for operation in history.operations() {
            let f = operation.f().name();
            processes.insert(operation.process());
            let counts = tally.by_f.entry(f).or_default();
            match operation.outcome() {
                Outcome::Ok => counts.ok += 1,
                Outcome::Fail => counts.fail += 1,
                Outcome::Info => counts.info += 1,
                Outcome::Open => counts.open += 1,
            }
            if let Some(error) = operation.error() {
                let missed = error == tribunal_history::ErrorClass::MISMATCH;
                tally.cas_missed += u64::from(operation.f() == F::Cas && missed);
                *tally.errors.entry((f, error.to_string())).or_default() += 1;
            }
        }
        tally.processes = processes.len() as u64;
        tally.contention(history);
        tally
    }

    fn contention(&mut self, history: &History) {
        #[derive(Default)]
        struct Key {
            operations: u64,
            open: u64,
            open_writers: u64,
        }
        let mut keys: FxHashMap<Code, Key> = FxHashMap::default();
        let mut at_once = Vec::new();
        for rank in 0..history.event_count() {
            let (operation, completion) = history.owner(tribunal_history::EventId(rank));
            if operation.f() == F::Txn {
                continue;
            }
            let writes = operation.f().writes();
            let key = keys.entry(operation.key()).or_default();
            if completion {
                key.open -= 1;
                key.open_writers -= u64::from(writes);
                continue;
            }
            let meets = if writes { key.open } else { key.open_writers };
            self.conflicts += u64::from(meets > 0);
            key.operations += 1;
            key.open += 1;
            key.open_writers += u64::from(writes);
            at_once.push(key.open);
        }
        self.keys = keys.len() as u64;
        self.per_key = Spread::of(keys.values().map(|key| key.operations).collect());
        self.at_once = Spread::of(at_once);
    }
}

impl Spread {
    fn of(mut values: Vec<u64>) -> Spread {
        values.sort_unstable();
        let Some(max) = values.last() else { return Spread::default() };
        Spread { median: values[(values.len() - 1) / 2], max: *max }
    }
}

/// Requires that every operation that was asked for succeeded once, and that operations met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stats {
    /// Least number of conflicting operations at once, where there is more than one process.
    pub conflicts: u64,
}

/// One conflict.
impl Default for Stats {
    fn default() -> Stats {
        Stats { conflicts: 1 }
    }
}

impl Checker for Stats {
    fn name(&self) -> &str {
        "stats"
    }

    fn check(&self, history: &History, _budget: &Budget) -> Result<Report, CheckError> {
        let tally = Tally::of(history);
        let coverage = self.coverage(&tally);
        let cost = Cost::default();
        if history.is_empty() {
            let class = ReasonClass::NotExercised;
            return Ok(Report::unknown(class, "no operations", coverage, cost));
        }
        Ok(coverage.report(cost))
    }
}

impl Stats {
    fn coverage(&self, tally: &Tally) -> Coverage {
        let fact = |name, required, seen| Fact { name, required, seen };
        let mut facts = Vec::new();
        let succeeded = [
            ("read", "read-succeeded"),
            ("write", "write-succeeded"),
            ("cas", "cas-succeeded"),
            ("txn", "txn-succeeded"),
        ];
        for (f, name) in succeeded {
            if let Some(counts) = tally.by_f.get(f) {
                facts.push(fact(name, 1, counts.ok));
            }
        }
        let single_key = tally.keys > 0 && tally.processes > 1;
        let conflicts = if single_key { self.conflicts } else { 0 };
        facts.push(fact("concurrent-conflict", conflicts, tally.conflicts));
        facts.push(fact("cas-missed", 0, tally.cas_missed));
        facts.push(fact("key", 0, tally.keys));
        facts.push(fact("operations-per-key-median", 0, tally.per_key.median));
        facts.push(fact("concurrency-per-key-median", 0, tally.at_once.median));
        facts.push(fact("concurrency-per-key-max", 0, tally.at_once.max));
        Coverage { facts }
    }
}

#[cfg(test)]
mod tests {
    use super::{Spread, Stats, Tally};
    use crate::testing::drawn;
    use crate::{Budget, Checker, ReasonClass, Verdict};

    fn check(drawing: &str) -> crate::Report {
        Stats::default().check(&drawn(drawing), &Budget::unlimited()).expect("a history")
    }

    #[test]
    fn an_operation_that_never_succeeds_makes_the_run_vacuous_and_not_invalid() {
        let report = check(
            "
            p0 |--w1--|   |--c7:1--x
            p1    |--r1--|                ",
        );
        assert_eq!(report.verdict, Verdict::Unknown);
        assert_eq!(report.reason_class, Some(ReasonClass::NotExercised));
        assert_eq!(report.reason.as_deref(), Some("not exercised: cas-succeeded 0 of 1"));
    }

    #[test]
    fn operations_that_never_meet_make_the_run_vacuous() {
        let report = check(
            "
            p0 |--w1--|
            p1           |--r1--|  ",
        );
        assert_eq!(report.reason.as_deref(), Some("not exercised: concurrent-conflict 0 of 1"));
    }

    #[test]
    fn readers_do_not_conflict() {
        let tally = Tally::of(&drawn(
            "
            p0 |--r0--|
            p1   |--r0--|
            p2     |--r0--|   ",
        ));
        assert_eq!((tally.conflicts, tally.at_once), (0, Spread { median: 2, max: 3 }));
    }

    #[test]
    fn a_contended_run_passes() {
        let report = check(
            "
            p0 |--w1--|   |--r1--|
            p1    |--r1--|            ",
        );
        assert_eq!(report.verdict, Verdict::Valid);
    }

    #[test]
    fn the_empty_history_is_not_exercised() {
        let report = check("");
        assert_eq!(report.reason.as_deref(), Some("no operations"));
        assert_eq!(report.reason_class, Some(ReasonClass::NotExercised));
    }
}
