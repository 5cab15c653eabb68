//! Mistakes one could make in the rules of a bank, made on purpose to see the tests find them.

/// Mistakes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(super) enum Bug {
    /// A transfer that failed may have happened.
    FailedMayHappen,
    /// One of unknown outcome did not happen.
    UnknownNeverHappened,
    /// One of unknown outcome happened.
    UnknownHappened,
    /// One that is under way while a read is has happened.
    UnderWayHappened,
    /// One that is under way has not happened.
    UnderWayNotYet,
    /// One that was over when a read began may have happened or not.
    OverIsOptional,
    /// One that began after a read had ended may be in it.
    LaterIsOptional,
    /// What a transfer says of its balances is taken for what it found.
    OwnNotTakenOff,
    /// A read of some accounts must add up, too.
    PartsAddUp,
    /// An account that a read of all of them lacks holds nothing.
    MissingIsNothing,
    /// Balances below zero are no finding.
    NegativeIgnored,
    /// Only the first account of a transaction's changes counts.
    FirstAccountOnly,
    /// What is reached by two transfers together is not looked for.
    OneAtATime,
}

#[cfg(test)]
impl Bug {
    pub(super) const ALL: &[Bug] = &[
        Bug::FailedMayHappen,
        Bug::UnknownNeverHappened,
        Bug::UnknownHappened,
        Bug::UnderWayHappened,
        Bug::UnderWayNotYet,
        Bug::OverIsOptional,
        Bug::LaterIsOptional,
        Bug::OwnNotTakenOff,
        Bug::PartsAddUp,
        Bug::MissingIsNothing,
        Bug::NegativeIgnored,
        Bug::FirstAccountOnly,
        Bug::OneAtATime,
    ];
}

pub(super) type Planted = crate::planted::Planted<Bug>;
