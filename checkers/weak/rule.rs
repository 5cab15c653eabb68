//! The promises that are judged by what a read must not miss, and what each calls visible.
//!
//! Terry et al., "Session Guarantees for Weakly Consistent Replicated Data" (PDIS 1994); Viotti &
//! Vukolić (2016): the guarantees ask for one order of all writes. What a session wrote, or had
//! read when it wrote, binds others only through what they have seen, so that monotonic writes and
//! writes follow reads are judged together with monotonic reads.

use crate::txn::edges::{Kind, Kinds};

/// One promise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Rule {
    /// Whom the transaction read from before (read committed as Biswas & Enea define it).
    Monotonic,
    /// Whom it read from, and those before it in its session (read atomic).
    Atomic,
    /// All that happened before it.
    Causal,
    /// All that happened before it, or must have for what its session read (causal memory).
    Memory,
    /// Own earlier ones, whom the session read from before, and those before these in theirs.
    Pram,
    /// Own earlier ones.
    ReadYourWrites,
    /// Whom the session read from before.
    MonotonicReads,
    /// The same, and those before these in their sessions.
    MonotonicWrites,
    /// Whom the session read from before, what their sessions had read from when they wrote, and
    /// so on.
    WritesFollowReads,
}

/// A path along sessions and reads that is being walked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Walked {
    /// It begins here.
    Nothing,
    /// Steps of a session, and no other.
    Session,
    /// A read among them.
    Read,
}

/// What a path that leads somewhere looks like.
pub(super) const ENDS: [Walked; 2] = [Walked::Session, Walked::Read];

impl Rule {
    /// One more step; `None` if no path of this promise goes there.
    #[inline]
    pub(super) fn step(self, walked: Walked, kind: Kind) -> Option<Walked> {
        if self == Rule::Memory && kind == Kind::Ww {
            return Some(Walked::Read);
        }
        let read = match kind {
            Kind::Session => false,
            Kind::Wr => true,
            Kind::Ww | Kind::Rw | Kind::RealTime => return None,
        };
        match (self, walked, read) {
            (Rule::Monotonic, ..) => None,
            (Rule::Causal | Rule::Memory, ..) => Some(Walked::Read),
            (Rule::Atomic, Walked::Nothing, true) => Some(Walked::Read),
            (Rule::Atomic | Rule::ReadYourWrites, Walked::Nothing | Walked::Session, false) => {
                Some(Walked::Session)
            }
            (Rule::Atomic | Rule::ReadYourWrites, ..) => None,
            (_, Walked::Nothing, true) => Some(Walked::Read),
            (Rule::Pram | Rule::MonotonicWrites, Walked::Session, true) => Some(Walked::Read),
            (Rule::Pram | Rule::MonotonicWrites, Walked::Nothing | Walked::Session, false) => {
                Some(Walked::Session)
            }
            (Rule::WritesFollowReads, Walked::Read, true) => Some(Walked::Read),
            (_, Walked::Read, false) => Some(Walked::Read),
            (_, Walked::Nothing | Walked::Session, _) | (_, Walked::Read, true) => None,
        }
    }

    /// Whether what a path so far leads to has seen where it began.
    pub(super) fn sees(self, walked: Walked) -> bool {
        match (self, walked) {
            (_, Walked::Nothing) | (Rule::MonotonicWrites, Walked::Session) => false,
            (_, Walked::Session | Walked::Read) => true,
        }
    }

    /// Whether reads of one transaction see what those before them saw, and not all of it at once.
    pub(super) fn read_by_read(self) -> bool {
        !matches!(self, Rule::Atomic | Rule::Causal | Rule::Memory)
    }

    /// What orders transactions beside what is forced. Of writes follow reads a session counts
    /// after a read only.
    pub(super) fn base(self, sessions: bool) -> Kinds {
        match self {
            Rule::Monotonic | Rule::Atomic | Rule::Causal => Rule::steps(sessions),
            Rule::WritesFollowReads | Rule::Memory => Rule::steps(true),
            Rule::Pram | Rule::MonotonicWrites => Kinds::SESSION,
            Rule::ReadYourWrites | Rule::MonotonicReads => Kinds::NONE,
        }
    }

    /// What is forced.
    pub(super) fn forced() -> Kinds {
        Kinds::of(Kind::Ww)
    }

    /// What paths go along.
    pub(super) fn steps(sessions: bool) -> Kinds {
        let reads = Kinds::of(Kind::Wr);
        if sessions { reads.and(Kinds::SESSION) } else { reads }
    }
}
