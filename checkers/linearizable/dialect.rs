//! What the answers of a history mean. Wrong choices are silent, so every check names one: with
//! etcd's meaning of `nil`, three quarters of Knossos' own histories get a wrong verdict.

use tribunal_history::ErrorClass;

/// What a read that found nothing asserts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum NilRead {
    /// There was nothing there.
    Asserts,
    /// Nothing: the read was not answered.
    Unknown,
}

/// What a compare-and-set that ended `fail` asserts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FailedCas {
    /// The register did not hold the expected value at some instant of the operation, unless it
    /// timed out.
    Observation,
    /// That, if its error class is `mismatch`; otherwise that it did not happen.
    ObservationIfMismatch,
    /// That it did not happen.
    DidNotHappen,
}

/// The reading of a history: required of every check.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Dialect {
    /// What a read that found nothing asserts.
    pub nil_read: NilRead,
    /// What a failed compare-and-set asserts.
    pub failed_cas: FailedCas,
}

impl Dialect {
    /// Porcupine's etcd logs: `nil` and a failed cas are observations.
    pub const ETCD: Dialect =
        Dialect { nil_read: NilRead::Asserts, failed_cas: FailedCas::Observation };
    /// Knossos' histories: `nil` is an unanswered read, and no `fail` happened.
    pub const KNOSSOS: Dialect =
        Dialect { nil_read: NilRead::Unknown, failed_cas: FailedCas::DidNotHappen };
    /// Our own runs: `nil` is an observation, and a failed cas is one if it says `mismatch`.
    pub const TRIBUNAL: Dialect =
        Dialect { nil_read: NilRead::Asserts, failed_cas: FailedCas::ObservationIfMismatch };

    /// Every named dialect.
    pub const NAMED: [(&'static str, Dialect); 3] =
        [("tribunal", Dialect::TRIBUNAL), ("etcd", Dialect::ETCD), ("knossos", Dialect::KNOSSOS)];

    /// Its name; `other` where it has none.
    pub fn name(self) -> &'static str {
        let named = Dialect::NAMED.iter().find(|(_, dialect)| *dialect == self);
        named.map_or("other", |(name, _)| *name)
    }

    /// The dialect called `name`.
    pub fn named(name: &str) -> Option<Dialect> {
        Dialect::NAMED.iter().find(|(known, _)| *known == name).map(|(_, dialect)| *dialect)
    }
}

impl FailedCas {
    /// Whether a cas that ended `fail` with `error` observed another value.
    pub fn is_observation(self, error: Option<&ErrorClass>) -> bool {
        match self {
            FailedCas::Observation => error != Some(&ErrorClass::TIMEOUT),
            FailedCas::ObservationIfMismatch => error == Some(&ErrorClass::MISMATCH),
            FailedCas::DidNotHappen => false,
        }
    }
}
