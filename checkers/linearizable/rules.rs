//! A switch for tests: the mistakes one could make in a pruning rule, made on purpose.

/// A mistake planted by a test, to see the tests find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bug {
    /// Crashed operations are judged as if they had returned at the end.
    CrashedMustHappen,
    /// A later call may be linearized before an earlier return.
    RealTimeIgnored,
    /// A write of the value already held counts as pure there.
    WriteOfSameIsPure,
    /// At most one crashed operation of a class may be used.
    CountersSaturate,
    /// The memo keeps the larger counters.
    DominanceReversed,
    /// A refused configuration is remembered without its bits.
    MaskForgotten,
}

/// What the search may be made to do wrong; nothing, outside tests.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Rules {
    #[cfg(test)]
    pub(super) planted: Option<Bug>,
}

impl Rules {
    #[cfg(test)]
    pub(super) fn broken_by(self, bug: Bug) -> bool {
        self.planted == Some(bug)
    }

    #[cfg(not(test))]
    pub(super) fn broken_by(self, _bug: Bug) -> bool {
        false
    }
}
