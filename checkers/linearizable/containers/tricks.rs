//! A switch for tests: the mistakes one could make in these algorithms, made on purpose.

/// A mistake planted by a test, to see the tests find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bug {
    /// Values that nobody removed are removed one after the other behind the end.
    VirtualRemovesSuccessive,
    /// A value's operations are taken as recorded, although one bounds the other.
    TuningLeftOut,
    /// Observations of emptiness are believed.
    EmptiesIgnored,
    /// A peek takes the value away.
    PeekRemoves,
    /// Peeks of a queue do not say who is at the front.
    PeeksIgnored,
    /// What was last inserted comes out first only where priorities differ: equal ones count as
    /// greater.
    EqualPrioritiesBlock,
    /// Crashed inserts that somebody saw count as never done.
    CrashedInsertsDropped,
    /// Crashed removes cannot have taken anything.
    CrashedRemovesIgnored,
    /// One crashed remove may have taken everything.
    CrashedRemovesShared,
    /// Of a gap that one value covers, every operation may be taken out.
    CoveredGapIsFree,
    /// The delayed values of the front are forgotten when its owner goes.
    DelayedForgotten,
    /// An element that is absent once is absent for ever.
    AbsentAlwaysLegal,
}

/// Which of them, if any.
pub(super) type Tricks = crate::planted::Planted<Bug>;
