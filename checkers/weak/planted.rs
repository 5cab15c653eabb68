//! A switch for tests: a mistake one could make in a rule, made on purpose, to see the tests find
//! it.

/// Mistakes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Bug {
    /// Reads of transactions that failed are no anomaly.
    AbortedReadsIgnored,
    /// A transaction of unknown outcome is left out though it was seen.
    UnknownNeverHappened,
    /// A clock knows whom it read from and not what that one had seen.
    ClocksNotJoined,
    /// The initial transaction is not before every session.
    InitialIsOneSession,
    /// Of a key the last two reads are kept, not the last two that differ.
    LastTwoReads,
    /// Only the first read of a transaction counts as one that saw another.
    FirstReadOnly,
    /// Earlier ones of the session are not seen.
    SessionNotSeen,
    /// A session has not seen what it wrote.
    OwnWritesNotSeen,
    /// What was seen by another key than the one that is read is forgotten.
    OtherKeysForgotten,
    /// Whoever sees a write has not seen what its session had read.
    ReadsNotFollowed,
    /// Of causal memory only what follows at once is looked at.
    MemoryOfOneRound,
    /// What a predicate did not find says nothing.
    NotFoundIgnored,
    /// A predicate may match what is at the end of its range.
    EndIsWithin,
    /// What predicates did not find counts at repeatable read.
    PhantomsAreItems,
    /// Whoever writes what a predicate had not found has overwritten what it read.
    InsertsLoseUpdates,
    /// Monotonic views go by the order in which matches are told.
    MatchesAreInOrder,
}

#[cfg(test)]
impl Bug {
    pub(super) const ALL: &[Bug] = &[
        Bug::AbortedReadsIgnored,
        Bug::UnknownNeverHappened,
        Bug::ClocksNotJoined,
        Bug::InitialIsOneSession,
        Bug::LastTwoReads,
        Bug::FirstReadOnly,
        Bug::SessionNotSeen,
        Bug::OwnWritesNotSeen,
        Bug::OtherKeysForgotten,
        Bug::ReadsNotFollowed,
        Bug::MemoryOfOneRound,
    ];

    /// Those that need a predicate.
    pub(super) const OF_PREDICATES: &[Bug] = &[
        Bug::NotFoundIgnored,
        Bug::EndIsWithin,
        Bug::PhantomsAreItems,
        Bug::InsertsLoseUpdates,
        Bug::MatchesAreInOrder,
    ];
}

/// What an algorithm is made to do wrong; nothing, outside tests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Planted {
    #[cfg(test)]
    pub(super) bug: Option<Bug>,
}

impl Planted {
    /// Whether this mistake is to be made.
    #[inline]
    pub(super) fn has(self, bug: Bug) -> bool {
        #[cfg(test)]
        return self.bug == Some(bug);
        #[cfg(not(test))]
        {
            let _ = bug;
            false
        }
    }
}
