//! Time-outs, candidates and votes (paper, 5.2 and 5.4.1).

use std::collections::{BTreeSet, VecDeque};

use super::core::{Lead, Progress, Raft, Role};
use super::types::{Message, Output, Peer};
use crate::kv::Command;

impl Raft {
    pub(super) fn tick(&mut self) {
        let lost = match &mut self.role {
            Role::Leader(lead) => {
                if self.now >= lead.heartbeat_at {
                    lead.heartbeat_at = self.now + self.config.heartbeat_ms;
                    lead.heartbeat_due = true;
                }
                self.out_of_touch()
            }
            Role::Follower { .. } | Role::Candidate { .. } => {
                if self.now >= self.deadline {
                    self.campaign();
                }
                false
            }
        };
        if lost {
            self.follow(self.term, None);
        }
    }

    /// Check-quorum: a leader that has not heard a majority for the longest election timeout stops
    /// leading. Its clients would wait for nothing, and there is a newer leader by then.
    fn out_of_touch(&self) -> bool {
        let Role::Leader(lead) = &self.role else { return false };
        let since = self.now.saturating_sub(self.config.election_ms.1);
        let heard = self.others().filter(|peer| lead.peers[*peer].heard_at >= since).count();
        heard + 1 < self.majority()
    }

    fn campaign(&mut self) {
        self.term += 1;
        self.vote = Some(self.config.id);
        self.save();
        self.rest();
        self.role = Role::Candidate { votes: BTreeSet::from([self.config.id]) };
        let message = Message::Vote {
            term: self.term,
            last_index: self.log.last_index(),
            last_term: self.log.last_term(),
        };
        for to in self.others() {
            self.out.push(Output::Send { to, message: message.clone() });
        }
        self.count_votes();
    }

    pub(super) fn on_vote(&mut self, from: Peer, term: u64, last: (u64, u64)) {
        let free = self.vote.is_none_or(|vote| vote == from);
        let up_to_date = last >= (self.log.last_term(), self.log.last_index());
        let granted = term == self.term && free && up_to_date;
        if granted {
            self.vote = Some(from);
            self.save();
            self.rest();
        }
        let message = Message::Voted { term: self.term, granted };
        self.out.push(Output::Send { to: from, message });
    }

    pub(super) fn on_voted(&mut self, from: Peer, term: u64, granted: bool) {
        if let Role::Candidate { votes } = &mut self.role
            && term == self.term
            && granted
        {
            votes.insert(from);
            self.count_votes();
        }
    }

    fn count_votes(&mut self) {
        if let Role::Candidate { votes } = &self.role
            && votes.len() >= self.majority()
        {
            self.lead();
        }
    }

    fn lead(&mut self) {
        let progress = Progress {
            next: self.log.last_index() + 1,
            matched: 0,
            heard_at: self.now,
            round: 0,
            probing: true,
            probe_until: 0,
            snapshot_until: 0,
        };
        self.role = Role::Leader(Lead {
            peers: vec![progress; self.config.members],
            synced: 0,
            first: self.log.last_index() + 1,
            heartbeat_at: self.now + self.config.heartbeat_ms,
            heartbeat_due: true,
            round: 0,
            pending: VecDeque::new(),
            waiting: Vec::new(),
            reads: VecDeque::new(),
        });
        self.append(Command::Noop);
    }
}
