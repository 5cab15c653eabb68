//! What goes into the core, what comes out, and what peers say to each other.

use serde::{Deserialize, Serialize};

use crate::kv::Command;

/// A member, by position in the list of members that all of them were started with.
pub type Peer = usize;

/// One line of the replicated log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Position, from 1.
    pub index: u64,
    /// Term of the leader that made it.
    pub term: u64,
    /// What to do.
    pub command: Command,
}

/// What a member must never forget.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HardState {
    /// Latest term seen.
    pub term: u64,
    /// Whom it voted for in that term.
    pub vote: Option<Peer>,
}

/// The state after entry `index`, in place of all entries up to it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Last entry it covers; 0 is the empty state.
    pub index: u64,
    /// Term of that entry.
    pub term: u64,
    /// The state machine's own text.
    pub data: String,
}

/// What the disk gave back at start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// Term and vote.
    pub hard: HardState,
    /// Latest snapshot.
    pub snapshot: Snapshot,
    /// Entries after it, without a gap.
    pub entries: Vec<Entry>,
}

/// From member to member. May be lost, delayed, repeated and reordered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// A candidate asks for a vote.
    Vote {
        /// Candidate's term.
        term: u64,
        /// Its last entry.
        last_index: u64,
        /// Term of that entry.
        last_term: u64,
    },
    /// The answer.
    Voted {
        /// Voter's term.
        term: u64,
        /// Whether the vote was given.
        granted: bool,
    },
    /// A leader sends entries, or none as a heartbeat.
    Append {
        /// Leader's term.
        term: u64,
        /// Entry before the first one sent.
        prev_index: u64,
        /// Its term.
        prev_term: u64,
        /// Entries, without a gap.
        entries: Vec<Entry>,
        /// What the leader knows to be committed.
        commit: u64,
        /// Confirmation round, echoed.
        round: u64,
    },
    /// A leader sends its snapshot, because the entries are gone.
    Install {
        /// Leader's term.
        term: u64,
        /// The snapshot, whole.
        snapshot: Snapshot,
        /// Confirmation round, echoed.
        round: u64,
    },
    /// The answer to both.
    Appended {
        /// Follower's term.
        term: u64,
        /// Whether `prev` matched.
        ok: bool,
        /// If `ok`: last entry known to match. If not: where to try next.
        index: u64,
        /// `prev_index` of the message answered.
        prev_index: u64,
        /// Echo.
        round: u64,
    },
}

impl Message {
    /// Sender's term.
    pub fn term(&self) -> u64 {
        match self {
            Message::Vote { term, .. }
            | Message::Voted { term, .. }
            | Message::Append { term, .. }
            | Message::Install { term, .. }
            | Message::Appended { term, .. } => *term,
        }
    }

    /// Whether the message promises something that must be on disk first. What a leader sends is
    /// no promise: its term and vote were stored before it asked for votes, and its own copy of an
    /// entry counts only after [`Input::Synced`]. So followers may write while the leader does.
    pub fn needs_sync(&self) -> bool {
        match self {
            Message::Vote { .. } | Message::Voted { .. } | Message::Appended { .. } => true,
            Message::Append { .. } | Message::Install { .. } => false,
        }
    }
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Time passed.
    Tick,
    /// A message arrived.
    Message {
        /// From whom.
        from: Peer,
        /// What.
        message: Message,
    },
    /// A client wants `command` in the log.
    Propose {
        /// Comes back in the output that answers it.
        token: u64,
        /// What.
        command: Command,
    },
    /// A client wants to read the newest state.
    Read {
        /// Comes back in the output that answers it.
        token: u64,
    },
    /// Everything put out so far is on disk; the log ends at `index` there.
    Synced {
        /// Last entry on disk.
        index: u64,
    },
    /// The batch is complete: send what it amounts to.
    Flush,
}

/// What to do, in this order. `Save`, `Append` and `Install` are durable before any later output
/// is acted upon, except messages that do not [need it](Message::needs_sync).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Store term and vote.
    Save(HardState),
    /// Store an entry; stored entries at its index and beyond are void.
    Append(Entry),
    /// Store a snapshot and the log as it now is, and take over the snapshot's state.
    Install {
        /// What.
        snapshot: Snapshot,
    },
    /// Send a message; it may get lost.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        message: Message,
    },
    /// An entry is committed: apply it, and answer `token` with the result.
    Apply {
        /// What.
        entry: Entry,
        /// Whose proposal it was, if it was made here in this term.
        token: Option<u64>,
    },
    /// Answer a read from the state as it is now.
    ReadReady {
        /// Which.
        token: u64,
    },
    /// Nothing was done and nothing will be: this node does not lead.
    Refused {
        /// Which.
        token: u64,
        /// Who does, as far as known.
        leader: Option<Peer>,
    },
    /// Leadership was lost with the request open: its fate is unknown.
    Dropped {
        /// Which.
        token: u64,
    },
}
