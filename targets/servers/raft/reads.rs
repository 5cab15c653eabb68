//! Linearizable reads without a log entry: read-index (Ongaro's dissertation, 6.4).

use super::core::{Raft, Role};
use super::types::Output;
use crate::bugs::Bug;

impl Raft {
    pub(super) fn read(&mut self, token: u64) {
        if self.config.bugs.has(Bug::StaleRead) {
            self.out.push(Output::ReadReady { token });
            return;
        }
        let leader = self.leader();
        match &mut self.role {
            Role::Leader(lead) => lead.waiting.push(token),
            Role::Follower { .. } | Role::Candidate { .. } => {
                self.out.push(Output::Refused { token, leader });
            }
        }
    }

    /// Gives waiting reads the next round. Not before an entry of this term is committed: until
    /// then a new leader may not know of writes its predecessor acknowledged.
    pub(super) fn start_round(&mut self) {
        let commit = self.commit;
        let Role::Leader(lead) = &mut self.role else { return };
        if lead.waiting.is_empty() || commit < lead.first {
            return;
        }
        lead.round += 1;
        lead.heartbeat_due = true;
        let round = lead.round;
        lead.reads.extend(lead.waiting.drain(..).map(|token| (round, token)));
    }

    /// Answers the reads whose round a majority has echoed in this term: at the time of the echo
    /// no newer leader had been elected by it, so nothing newer was committed when the read came.
    pub(super) fn confirm_reads(&mut self) {
        let (id, majority) = (self.config.id, self.majority());
        let Role::Leader(lead) = &mut self.role else { return };
        let peers = &lead.peers;
        let echoed = |round: u64| {
            let peers = peers.iter().enumerate();
            peers.filter(|(peer, progress)| *peer == id || progress.round >= round).count()
        };
        while let Some((round, token)) = lead.reads.front().copied() {
            if echoed(round) < majority {
                return;
            }
            lead.reads.pop_front();
            self.out.push(Output::ReadReady { token });
        }
    }
}
