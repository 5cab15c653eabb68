//! What a polygraph is asked: which level, and which order of the transactions it must keep.

/// Which edges a version order makes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Form {
    /// One point in time for each transaction.
    Serializable,
    /// Two: reads see what was committed before the first, and of two that write a key one
    /// commits before the other begins.
    Snapshot,
    /// Two, and writers of a key may overlap.
    Prefix,
}

/// Which order must be kept beside what was read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kept {
    /// None.
    Nothing,
    /// That of every session.
    Sessions,
    /// That of every session, and real time: who completed before another was invoked comes first.
    RealTime,
}

/// One question.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Question {
    pub(crate) form: Form,
    pub(crate) kept: Kept,
}

impl Form {
    /// Whether a reader that overwrites what it read follows its writer immediately.
    pub(super) fn contracts(self) -> bool {
        self != Form::Prefix
    }

    /// Points in time of a transaction.
    pub(super) fn points(self) -> u32 {
        if self == Form::Serializable { 1 } else { 2 }
    }

    /// The vertex where a transaction begins: what it reads was there then.
    #[inline]
    pub(super) fn begin(self, txn: u32) -> u32 {
        if self == Form::Serializable { txn } else { 2 * txn }
    }

    /// The vertex where its writes are there.
    #[inline]
    pub(super) fn commit(self, txn: u32) -> u32 {
        if self == Form::Serializable { txn } else { 2 * txn + 1 }
    }

    /// Where an edge from an earlier writer's commit to a later writer of the key leads.
    #[inline]
    pub(super) fn overwrites(self, later: u32) -> u32 {
        match self {
            Form::Serializable | Form::Snapshot => self.begin(later),
            Form::Prefix => self.commit(later),
        }
    }
}
