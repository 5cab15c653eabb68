//! A switch for tests: the mistakes one could make in a rule of the zone test, made on purpose.

/// A mistake planted by a test, to see the tests find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::linearizable) enum Trap {
    /// Two zones that both need the register may intersect.
    ForwardMayMeet,
    /// A cluster that needs one instant may lie inside a zone that leaves none.
    BackwardMayHide,
    /// A read may return before its value was sent.
    ReadBeforeWrite,
    /// A value that nobody wrote is explained.
    UnwrittenIsFine,
    /// A crashed compare-and-set is kept if anybody observed it, even another crashed one.
    RingKept,
    /// A crashed write counts as returned where it was invoked.
    CrashedReturns,
    /// Only the first operations of a chain bound the later ones: no running maximum.
    ChainForgets,
    /// Two compare-and-sets may follow one value.
    TwoSuccessors,
    /// The register holds nothing before the first write.
    InitialUnbound,
    /// A failed compare-and-set is never refuted and never placed: it is dropped.
    MissedDropped,
    /// A failed compare-and-set is refuted where it only overlaps the zone of its value.
    MissedOverlaps,
    /// A read of a repeated value means the first write of it.
    RepeatedMeansFirst,
}

/// Which of them, if any.
pub(in crate::linearizable) type Planted = crate::planted::Planted<Trap>;
