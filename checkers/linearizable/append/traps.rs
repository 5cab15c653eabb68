//! A switch for tests: the mistakes one could make in a rule of the sweep, made on purpose.

/// A mistake planted by a test, to see the tests find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::linearizable) enum Trap {
    /// A read need not be a prefix of the longest one.
    AnyOrder,
    /// An element that nobody appended is explained.
    UnknownIsFine,
    /// An element may be seen twice.
    TwiceIsFine,
    /// Versions are bounded by their own append only: no running maximum.
    SweepForgets,
    /// Reads do not bound the append that follows them.
    ReadsDoNotBound,
    /// A completed append that no read shows may have come at any time.
    UnseenAnyTime,
    /// A crashed append that no read shows must have come.
    CrashedMustHappen,
}

/// Which of them, if any.
pub(in crate::linearizable) type Planted = crate::planted::Planted<Trap>;
