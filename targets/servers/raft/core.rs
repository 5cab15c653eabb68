//! State of a member, and the dispatch of what happens to it.

use std::collections::{BTreeSet, VecDeque};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::log::Log;
use super::types::{Entry, HardState, Input, Message, Output, Peer, Recovered, Snapshot};
use crate::bugs::{Bug, BugSet};
use crate::kv::Command;

/// Who a member is, and its times in milliseconds.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its position.
    pub id: Peer,
    /// Number of members.
    pub members: usize,
    /// Shortest and longest election timeout.
    pub election_ms: (u64, u64),
    /// Between heartbeats.
    pub heartbeat_ms: u64,
    /// Of the election timeouts.
    pub seed: u64,
    /// Bugs that are on.
    pub bugs: BugSet,
}

/// One member of the group.
#[derive(Debug)]
pub struct Raft {
    pub(super) config: Config,
    pub(super) term: u64,
    pub(super) vote: Option<Peer>,
    pub(super) log: Log,
    pub(super) commit: u64,
    pub(super) applied: u64,
    pub(super) role: Role,
    /// When to stand for election, unless a leader is heard before.
    pub(super) deadline: u64,
    pub(super) now: u64,
    pub(super) out: Vec<Output>,
    rng: ChaCha8Rng,
}

#[derive(Debug)]
pub(super) enum Role {
    Follower { leader: Option<Peer> },
    Candidate { votes: BTreeSet<Peer> },
    Leader(Lead),
}

/// What only a leader keeps.
#[derive(Debug)]
pub(super) struct Lead {
    pub(super) peers: Vec<Progress>,
    /// Last entry on the leader's own disk.
    pub(super) synced: u64,
    /// Its first entry: before that is committed it does not know what is.
    pub(super) first: u64,
    pub(super) heartbeat_at: u64,
    pub(super) heartbeat_due: bool,
    pub(super) round: u64,
    /// Proposals not yet committed: index and token, in order.
    pub(super) pending: VecDeque<(u64, u64)>,
    /// Reads without a round.
    pub(super) waiting: Vec<u64>,
    /// Reads that wait for their round: round and token, in order.
    pub(super) reads: VecDeque<(u64, u64)>,
}

/// What a leader knows of a follower.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) next: u64,
    pub(super) matched: u64,
    pub(super) heard_at: u64,
    pub(super) round: u64,
    /// Where the logs part is being searched for: one message at a time, the next one when it is
    /// answered. Otherwise a follower that refuses would get more messages the more it refuses.
    pub(super) probing: bool,
    /// No answer to the probe is awaited after this time.
    pub(super) probe_until: u64,
    /// A snapshot is under way until then.
    pub(super) snapshot_until: u64,
}

impl Raft {
    /// A member as it comes up at `now`.
    pub fn new(config: Config, recovered: Recovered, now: u64) -> Raft {
        let log = Log::new(recovered.snapshot, recovered.entries);
        let HardState { term, vote } = match config.bugs.has(Bug::NoFsyncVote) {
            true => HardState::default(),
            false => recovered.hard,
        };
        assert!(term >= log.last_term() || config.bugs.any(), "the disk forgot a term");
        let base = log.base();
        let stream = ChaCha8Rng::seed_from_u64(config.seed ^ ((config.id as u64 + 1) << 48));
        let mut raft = Raft {
            config,
            term,
            vote,
            log,
            commit: base,
            applied: base,
            role: Role::Follower { leader: None },
            deadline: 0,
            now,
            out: Vec::new(),
            rng: stream,
        };
        raft.rest();
        raft
    }

    /// Takes one thing that happened at `now`, in milliseconds that never go back.
    pub fn step(&mut self, now: u64, input: Input) -> Vec<Output> {
        self.now = self.now.max(now);
        match input {
            Input::Tick => self.tick(),
            Input::Message { from, message } => self.message(from, message),
            Input::Propose { token, command } => self.propose(token, command),
            Input::Read { token } => self.read(token),
            Input::Synced { index } => self.synced(index),
            Input::Flush => self.flush(),
        }
        std::mem::take(&mut self.out)
    }

    fn message(&mut self, from: Peer, message: Message) {
        if message.term() > self.term {
            self.follow(message.term(), None);
        }
        match message {
            Message::Vote { term, last_index, last_term } => {
                self.on_vote(from, term, (last_term, last_index));
            }
            Message::Voted { term, granted } => self.on_voted(from, term, granted),
            Message::Append { term, prev_index, prev_term, entries, commit, round } => {
                self.on_append(from, term, (prev_index, prev_term), entries, commit, round);
            }
            Message::Install { term, snapshot, round } => {
                self.on_install(from, term, snapshot, round);
            }
            Message::Appended { term, ok, index, prev_index, round } => {
                if term == self.term {
                    self.on_appended(from, ok, index, prev_index, round);
                }
            }
        }
    }

    /// Replaces the entries up to `index`, which must be applied, by the state `data` after them.
    pub fn compact(&mut self, index: u64, data: String) {
        let Some(term) = self.log.term(index) else { return };
        self.log.install(Snapshot { index, term, data });
    }

    /// Becomes a follower in `term`, of `leader` if it is known. Open requests are dropped.
    pub(super) fn follow(&mut self, term: u64, leader: Option<Peer>) {
        if term > self.term {
            self.term = term;
            self.vote = None;
            self.save();
        }
        let before = std::mem::replace(&mut self.role, Role::Follower { leader });
        if let Role::Leader(lead) = before {
            self.rest();
            let writes = lead.pending.into_iter().map(|(_, token)| token);
            let reads = lead.reads.into_iter().map(|(_, token)| token);
            for token in writes.chain(reads).chain(lead.waiting) {
                self.out.push(Output::Dropped { token });
            }
        }
    }

    /// Puts off the next election by a random time.
    pub(super) fn rest(&mut self) {
        let (least, most) = self.config.election_ms;
        let spread = most.saturating_sub(least) + 1;
        self.deadline = self.now + least + self.rng.next_u64() % spread;
    }

    /// Stores term and vote.
    pub(super) fn save(&mut self) {
        if !self.config.bugs.has(Bug::NoFsyncVote) {
            self.out.push(Output::Save(self.hard_state()));
        }
    }

    /// Adds an entry of the current term to the leader's own log.
    pub(super) fn append(&mut self, command: Command) -> u64 {
        let entry = Entry { index: self.log.last_index() + 1, term: self.term, command };
        self.log.push(entry.clone());
        let index = entry.index;
        self.out.push(Output::Append(entry));
        index
    }

    /// Term and vote as the disk holds them.
    pub fn hard_state(&self) -> HardState {
        match self.config.bugs.has(Bug::NoFsyncVote) {
            true => HardState::default(),
            false => HardState { term: self.term, vote: self.vote },
        }
    }

    /// Members that decide together.
    pub(super) fn majority(&self) -> usize {
        self.config.members / 2 + 1
    }

    /// All members but this one.
    pub(super) fn others(&self) -> impl Iterator<Item = Peer> + use<> {
        let id = self.config.id;
        (0..self.config.members).filter(move |peer| *peer != id)
    }

    /// Whether it believes that it leads.
    pub fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// Who leads, as far as it knows.
    pub fn leader(&self) -> Option<Peer> {
        match &self.role {
            Role::Follower { leader } => *leader,
            Role::Candidate { .. } => None,
            Role::Leader(_) => Some(self.config.id),
        }
    }

    /// `follower`, `candidate` or `leader`.
    pub fn role_name(&self) -> &'static str {
        match &self.role {
            Role::Follower { .. } => "follower",
            Role::Candidate { .. } => "candidate",
            Role::Leader(_) => "leader",
        }
    }

    /// Current term.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Last entry known to be committed.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Last entry handed out to be applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }
}
