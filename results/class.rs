//! The outcome of one run, from what each guarantee came to and what went wrong around it.
//!
//! Nothing here reads a clock, a history or a fault: it composes words. See `docs/models.md` for
//! the words and the README for the table of exit codes.

use serde::{Deserialize, Serialize};
use tribunal_checkers::{ReasonClass, Verdict};

/// The outcome of one run. Ordered by precedence: the worst reason wins.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Every requested guarantee held, with its required coverage.
    Pass,
    /// All that was exercised is decided, but something asked for was not exercised.
    Vacuous,
    /// Something is undecided. Never read as a pass.
    Unknown,
    /// The experiment failed, so its history says little.
    Infra,
    /// A guarantee was violated, with evidence. Nothing downgrades it.
    Anomaly,
}

/// What one guarantee came to, as far as the class is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The checker's answer.
    pub verdict: Verdict,
    /// Which kind of unknown; `None` of an unknown counts as undecided.
    pub reason: Option<ReasonClass>,
    /// Whether a required coverage fact was not reached.
    pub uncovered: bool,
}

/// What the class depends on besides the guarantees.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Circumstances {
    /// The experiment failed: setup, lost control link, client defect, assumption not met.
    pub infra: bool,
    /// Operations that ended `ok`.
    pub ok: u64,
    /// Faults that were planned.
    pub planned: u64,
    /// Faults that were verified as biting.
    pub bit: u64,
}

impl Class {
    /// Every class, best first.
    pub const ALL: [Class; 5] =
        [Class::Pass, Class::Vacuous, Class::Unknown, Class::Infra, Class::Anomaly];

    /// The word used in every format.
    pub fn name(self) -> &'static str {
        match self {
            Class::Pass => "pass",
            Class::Vacuous => "vacuous",
            Class::Unknown => "unknown",
            Class::Infra => "infra",
            Class::Anomaly => "anomaly",
        }
    }

    /// The process' exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Class::Pass => 0,
            Class::Anomaly => 1,
            Class::Unknown => 2,
            Class::Vacuous => 3,
            Class::Infra => 69,
        }
    }
}

/// The class of one guarantee alone.
pub fn of_guarantee(outcome: Outcome) -> Class {
    match (outcome.verdict, outcome.reason) {
        (Verdict::Invalid, _) => Class::Anomaly,
        (Verdict::Unknown, Some(ReasonClass::NotExercised)) => Class::Vacuous,
        (Verdict::Unknown, Some(ReasonClass::Undecided) | None) => Class::Unknown,
        (Verdict::Valid, _) if outcome.uncovered => Class::Vacuous,
        (Verdict::Valid, _) => Class::Pass,
    }
}

/// The class of a run. A run that judged nothing is `Unknown`: no answer is not a good answer.
pub fn of_run(outcomes: &[Outcome], around: Circumstances) -> Class {
    let judged = outcomes.iter().copied().map(of_guarantee).max().unwrap_or(Class::Unknown);
    let vacuous = around.ok == 0 || (around.planned > 0 && around.bit == 0);
    let exercised = if vacuous { Class::Vacuous } else { Class::Pass };
    let experiment = if around.infra { Class::Infra } else { Class::Pass };
    judged.max(exercised).max(experiment)
}

/// What a negative suite asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Any anomaly will do.
    Any,
    /// An anomaly of this kind.
    Kind(String),
}

/// Exit code and sentence of a run that was expected to find something.
///
/// Only a found anomaly of the right kind is 0. A run that held, or that found something else, is
/// 1; a run that decided nothing stays what it is, because it refutes nothing.
pub fn expect_anomaly(class: Class, found: &[String], expected: &Expected) -> (u8, String) {
    let wanted = match expected {
        Expected::Any => "an anomaly",
        Expected::Kind(kind) => kind.as_str(),
    };
    match class {
        Class::Anomaly => {
            let hit = match expected {
                Expected::Any => !found.is_empty(),
                Expected::Kind(kind) => found.contains(kind),
            };
            if hit {
                (0, format!("expected {wanted}: found"))
            } else {
                (1, format!("expected {wanted}, found {} instead", found.join(", ")))
            }
        }
        Class::Pass => (1, format!("expected {wanted}, not found: every guarantee held")),
        Class::Vacuous | Class::Unknown | Class::Infra => {
            (class.exit_code(), format!("expected {wanted}; the run is {}", class.name()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Circumstances, Class, Expected, Outcome, expect_anomaly, of_guarantee, of_run};
    use tribunal_checkers::{ReasonClass, Verdict};

    const FINE: Circumstances = Circumstances { infra: false, ok: 10, planned: 2, bit: 1 };

    fn every_outcome() -> Vec<Outcome> {
        let reasons = [None, Some(ReasonClass::Undecided), Some(ReasonClass::NotExercised)];
        let mut all = Vec::new();
        for verdict in [Verdict::Valid, Verdict::Unknown, Verdict::Invalid] {
            for reason in reasons {
                for uncovered in [false, true] {
                    all.push(Outcome { verdict, reason, uncovered });
                }
            }
        }
        all
    }

    #[test]
    fn only_valid_and_covered_passes() {
        for outcome in every_outcome() {
            let passes = outcome.verdict == Verdict::Valid && !outcome.uncovered;
            assert_eq!(of_guarantee(outcome) == Class::Pass, passes, "{outcome:?}");
        }
    }

    #[test]
    fn every_pair_under_every_circumstance_follows_the_precedence() {
        for one in every_outcome() {
            for other in every_outcome() {
                for bits in 0..8u64 {
                    let around = Circumstances {
                        infra: bits & 1 == 1,
                        ok: bits >> 1 & 1,
                        planned: 1,
                        bit: bits >> 2 & 1,
                    };
                    let class = of_run(&[one, other], around);
                    let invalid =
                        one.verdict == Verdict::Invalid || other.verdict == Verdict::Invalid;
                    assert_eq!(class == Class::Anomaly, invalid);
                    if !invalid {
                        assert_eq!(class == Class::Infra, around.infra);
                    }
                    let pass = [one, other].map(of_guarantee) == [Class::Pass; 2]
                        && !around.infra
                        && around.ok > 0
                        && around.bit > 0;
                    assert_eq!(class == Class::Pass, pass, "{one:?} {other:?} {around:?}");
                    assert_eq!(class, of_run(&[other, one], around), "order does not matter");
                }
            }
        }
    }

    #[test]
    fn a_run_that_judged_nothing_is_unknown() {
        assert_eq!(of_run(&[], FINE), Class::Unknown);
    }

    #[test]
    fn faults_that_did_not_bite_are_vacuous_and_no_faults_are_not() {
        let held = Outcome { verdict: Verdict::Valid, reason: None, uncovered: false };
        assert_eq!(of_run(&[held], Circumstances { bit: 0, ..FINE }), Class::Vacuous);
        assert_eq!(of_run(&[held], Circumstances { bit: 0, planned: 0, ..FINE }), Class::Pass);
        assert_eq!(of_run(&[held], Circumstances { ok: 0, ..FINE }), Class::Vacuous);
    }

    #[test]
    fn codes_are_those_of_the_manual() {
        assert_eq!(Class::ALL.map(Class::exit_code), [0, 3, 2, 69, 1]);
    }

    #[test]
    fn an_expectation_inverts_only_what_was_decided() {
        let found = ["stale-read".to_owned()];
        let kind = |name: &str| Expected::Kind(name.to_owned());
        let code =
            |class, found: &[String], expected: &Expected| expect_anomaly(class, found, expected).0;
        assert_eq!(code(Class::Anomaly, &found, &Expected::Any), 0);
        assert_eq!(code(Class::Anomaly, &found, &kind("stale-read")), 0);
        assert_eq!(code(Class::Anomaly, &found, &kind("lost-write")), 1);
        assert_eq!(code(Class::Pass, &[], &Expected::Any), 1);
        assert_eq!(code(Class::Unknown, &[], &Expected::Any), 2);
        assert_eq!(code(Class::Vacuous, &[], &Expected::Any), 3);
        assert_eq!(code(Class::Infra, &[], &Expected::Any), 69);
    }
}
