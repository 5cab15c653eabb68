//! The role every checker plays.

use tribunal_history::{ErrorClass, History, Kind, Op, OpIndex, Process};

use crate::{Anomaly, Budget, Consistency, Spent, Verdict};

/// Judges one promise on one history.
pub trait Checker: Send + Sync {
    /// Stable name, as on the command line and in every format.
    fn name(&self) -> &str;

    /// Decides. Pure: depends on the history, the checker's own parameters and the budget only.
    ///
    /// # Errors
    /// A history this checker cannot read (an operation outside its family, say). That is an
    /// error, never a verdict.
    fn check(&self, history: &History, budget: &Budget) -> Result<Report, CheckError>;

    /// Whether [`Checker::watch`] looks at events.
    fn is_live(&self) -> bool {
        false
    }

    /// Reads events as they come, until one breaks the promise or they end. What it finds is
    /// final; that it finds nothing means nothing. The default reads none.
    fn watch(&self, _events: &mut dyn Iterator<Item = Happened>, _budget: &Budget) -> Watched {
        Watched::Nothing { why: None }
    }
}

/// One event of a history that is being made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Happened {
    /// Who.
    pub process: Process,
    /// Asked, happened, did not happen, unknown.
    pub kind: Kind,
    /// What; a completion is its invocation filled in.
    pub op: Op,
    /// Why it did not end `ok`.
    pub error: Option<ErrorClass>,
}

/// What a checker saw while a history was being made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Watched {
    /// The promise is broken, whatever comes.
    Violation {
        /// One sentence; the evidence is for the check of the whole history.
        summary: String,
    },
    /// Nothing, which says nothing.
    Nothing {
        /// Why it stopped looking before the events ended.
        why: Option<String>,
    },
}

/// What a checker says.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// The answer.
    pub verdict: Verdict,
    /// Why the answer is `Unknown`, as a sentence; `None` otherwise.
    pub reason: Option<String>,
    /// Which kind of `Unknown`.
    pub reason_class: Option<ReasonClass>,
    /// The findings, worst first; non-empty iff the verdict is `Invalid`.
    pub anomalies: Vec<Anomaly>,
    /// Orders that prove parts of the history linearizable, where they were asked for.
    pub linearizations: Vec<Linearization>,
    /// What came of every level the checker decides, where it decides several; stronger ones
    /// first.
    pub levels: Vec<LevelAnswer>,
    /// What was and was not exercised.
    pub coverage: Coverage,
    /// What it took.
    pub cost: Cost,
}

/// What a history says about one level.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LevelAnswer {
    /// Which level.
    pub level: Consistency,
    /// Whether it holds, is ruled out, or is not decided.
    pub verdict: Verdict,
    /// The kind of finding that rules it out, or why it is not decided; empty where it holds.
    pub because: String,
}

/// A legal order of the operations of one object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Linearization {
    /// The key or object, as shown to people.
    pub subject: String,
    /// Every completed operation once; crashed ones that took effect.
    pub order: Vec<OpIndex>,
}

/// Two kinds of not knowing, with two exit codes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum ReasonClass {
    /// Exercised but not decided: budget, truncated history, missing final reads.
    Undecided,
    /// Decided as far as it goes, but what the checker is about never happened.
    NotExercised,
}

/// "Sometimes" facts: situations without which a pass means nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    /// In a fixed order.
    pub facts: Vec<Fact>,
}

/// One situation, how often it was required and how often it was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// Stable name (`cas-succeeded`).
    pub name: &'static str,
    /// Least count for a pass; 0 is informational.
    pub required: u64,
    /// Count in this history.
    pub seen: u64,
}

/// What a check took, without any clock: the caller times it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Configurations visited.
    pub configurations: u64,
    /// Largest number of bytes of memo and frontier that one partition held at once.
    pub peak_bytes: u64,
    /// Which limit was hit.
    pub spent: Option<Spent>,
    /// Crashed operations that are so many that more of what was spent is not likely to help; 0
    /// where they are not to blame.
    pub too_many_crashed: u64,
    /// Which algorithm decided how many partitions, in a fixed order.
    pub engines: Vec<(&'static str, u64)>,
    /// Certificates that a separate verifier accepted.
    pub certificates_verified: u64,
}

/// Why a history could not be judged at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CheckError {
    /// An operation this checker has no meaning for.
    #[error("{checker}: {what} at {event}; choose a model that has it, or filter it out")]
    Unsupported {
        /// Checker name.
        checker: String,
        /// The operation.
        what: String,
        /// Where.
        event: String,
    },
    /// The checker contradicted itself: a defect of the checker, never a verdict.
    #[error("{checker}: internal error: {what}; please report it with the history")]
    Internal {
        /// Checker name.
        checker: String,
        /// What went wrong.
        what: String,
    },
}

impl Coverage {
    /// Names of the facts that were required and not seen often enough.
    pub fn missing(&self) -> Vec<&'static str> {
        self.facts.iter().filter(|fact| fact.seen < fact.required).map(|fact| fact.name).collect()
    }

    /// `Valid` if every required fact was seen often enough; otherwise `Unknown`, not exercised.
    pub fn report(self, cost: Cost) -> Report {
        let short = self.facts.iter().filter(|fact| fact.seen < fact.required);
        let short: Vec<String> =
            short.map(|fact| format!("{} {} of {}", fact.name, fact.seen, fact.required)).collect();
        if short.is_empty() {
            return Report::valid(self, cost);
        }
        let reason = format!("not exercised: {}", short.join(", "));
        Report::unknown(ReasonClass::NotExercised, reason, self, cost)
    }
}

impl Report {
    /// A decided report without anomalies.
    pub fn valid(coverage: Coverage, cost: Cost) -> Report {
        Report {
            verdict: Verdict::Valid,
            reason: None,
            reason_class: None,
            anomalies: Vec::new(),
            linearizations: Vec::new(),
            levels: Vec::new(),
            coverage,
            cost,
        }
    }

    /// `Invalid` with its findings.
    ///
    /// # Panics
    /// Without a finding: an accusation needs proof.
    pub fn invalid(anomalies: Vec<Anomaly>, coverage: Coverage, cost: Cost) -> Report {
        assert!(!anomalies.is_empty(), "an invalid report needs an anomaly");
        Report {
            verdict: Verdict::Invalid,
            reason: None,
            reason_class: None,
            anomalies,
            linearizations: Vec::new(),
            levels: Vec::new(),
            coverage,
            cost,
        }
    }

    /// `Unknown`, and why.
    pub fn unknown(
        class: ReasonClass,
        reason: impl Into<String>,
        coverage: Coverage,
        cost: Cost,
    ) -> Report {
        Report {
            verdict: Verdict::Unknown,
            reason: Some(reason.into()),
            reason_class: Some(class),
            anomalies: Vec::new(),
            linearizations: Vec::new(),
            levels: Vec::new(),
            coverage,
            cost,
        }
    }
}
