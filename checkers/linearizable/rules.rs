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
    /// Counters are compared as one number: the last class decides.
    LanesAsOneNumber,
    /// A configuration that took the place of an expanded one, because it used less, is not
    /// expanded.
    ReplacedNotExpanded,
    /// A refused configuration is remembered without its bits.
    MaskForgotten,
    /// A crashed operation is tried only where the operation that returns is legal right after it.
    CrashedHelpsAtOnce,
    /// Relevance asks only what changes the state, and forgets who looks at it.
    RelevanceForgetsObservers,
    /// Relevance forgets the operation that returns next.
    RelevanceEndsEarly,
    /// The counter of a crashed class is dropped while the class is still of use.
    LanesDropped,
    /// A crashed class stands in for another though it is not legal everywhere that one is.
    CoversSomewhere,
    /// Of operations that are alike the one that returns last goes first.
    LaterTwinFirst,
    /// A crashed operation waits for one that is alike and was linearized already.
    DoneTwinInTheWay,
    /// What is illegal now is illegal for ever.
    IllegalIsLost,
    /// Crashed operations observe nothing.
    CrashedSeeNothing,
    /// Quick rule 1 forgets that an operation may look at one that is still pending.
    ProducedBeforeCall,
    /// Quick rule 2 forgets that the initial state is there once for nothing.
    InitialForgotten,
    /// Quick rule 3 takes an operation that begins inside a zone for one that lies inside it.
    ZoneNotClosed,
}

/// Which of them, if any.
pub(super) type Rules = crate::planted::Planted<Bug>;
