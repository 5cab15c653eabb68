//! A switch for tests: the mistakes one could make in these rules, made on purpose.

/// A mistake planted by a test, to see the tests find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::linearizable) enum Trap {
    /// A text is cut into what was written even if there are several ways to do so.
    AnyCode,
    /// A get of what nobody can have built is explained.
    UnknownIsFine,
    /// What a put hides is what returned before it returned, not before it was called.
    HiddenTooEarly,
    /// Gets of one put need not be prefixes of each other.
    AnyOrder,
    /// One append may show twice.
    TwiceIsFine,
    /// An append may show before it was called.
    ShownBeforeCall,
    /// Where several operations wrote a text, the first one is meant for certain.
    RepeatedMeansFirst,
    /// Versions are bounded by their own append and gets only: no running maximum.
    SweepForgets,
    /// Gets do not bound the append that follows them.
    GetsDoNotBound,
    /// A crashed write counts as returned where it was invoked.
    CrashedReturns,
    /// The initial text need not have been there from the beginning.
    InitialUnbound,
    /// Two blocks that both need the text may intersect.
    ForwardMayMeet,
    /// A block that needs one instant may lie inside one that leaves none.
    BackwardMayHide,
    /// A completed append that no get shows never happened.
    UnseenDropped,
}

/// Which of them, if any.
pub(in crate::linearizable) type Planted = crate::planted::Planted<Trap>;
