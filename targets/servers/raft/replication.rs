//! Entries from leader to followers, and when they are committed (paper, 5.3, 5.4.2, 7).

use super::core::{Progress, Raft, Role};
use super::types::{Entry, Message, Output, Peer, Snapshot};
use crate::bugs::Bug;
use crate::kv::Command;

/// Most entries in one message.
const BATCH: usize = 256;

/// Most entries on the way to a follower without an answer.
const WINDOW: u64 = 4096;

/// How long a probe may be under way before it is sent again.
const PROBE_PATIENCE_MS: u64 = 200;

/// How long a snapshot may be under way before it is sent again.
const SNAPSHOT_PATIENCE_MS: u64 = 1000;

impl Progress {
    /// Whether entries may be sent now.
    fn ready(&self, now: u64) -> bool {
        let under_way = (self.next - 1).saturating_sub(self.matched);
        match self.probing {
            true => self.probe_until.max(self.snapshot_until) <= now,
            false => under_way < WINDOW,
        }
    }
}

impl Raft {
    pub(super) fn propose(&mut self, token: u64, command: Command) {
        if !self.is_leader() {
            self.out.push(Output::Refused { token, leader: self.leader() });
            return;
        }
        let index = self.append(command);
        if let Role::Leader(lead) = &mut self.role {
            lead.pending.push_back((index, token));
        }
    }

    /// Sends each follower what it lacks, and a heartbeat where one is due.
    pub(super) fn flush(&mut self) {
        self.start_round();
        let last = self.log.last_index();
        for to in self.others() {
            let Role::Leader(lead) = &mut self.role else { return };
            let progress = &lead.peers[to];
            let behind = progress.next <= last && progress.ready(self.now);
            if behind || lead.heartbeat_due {
                self.send_to(to, behind);
            }
        }
        if let Role::Leader(lead) = &mut self.role {
            lead.heartbeat_due = false;
        }
        self.confirm_reads();
    }

    fn send_to(&mut self, to: Peer, behind: bool) {
        let (term, commit) = (self.term, self.commit);
        let Role::Leader(lead) = &mut self.role else { return };
        let (round, progress) = (lead.round, &mut lead.peers[to]);
        let base = self.log.base();
        let message = if behind && progress.next <= base {
            progress.snapshot_until = self.now + SNAPSHOT_PATIENCE_MS;
            progress.next = base + 1;
            progress.probing = true;
            Message::Install { term, snapshot: self.log.snapshot().clone(), round }
        } else {
            let prev_index = (progress.next - 1).max(base);
            let prev_term = self.log.term(prev_index).expect("between base and end");
            let limit = if behind { BATCH } else { 0 };
            let entries = self.log.slice(prev_index + 1, limit);
            if !progress.probing {
                progress.next = prev_index + 1 + entries.len() as u64;
            } else if behind {
                progress.probe_until = self.now + PROBE_PATIENCE_MS;
            }
            Message::Append { term, prev_index, prev_term, entries, commit, round }
        };
        self.out.push(Output::Send { to, message });
    }

    pub(super) fn on_append(
        &mut self,
        from: Peer,
        term: u64,
        prev: (u64, u64),
        entries: Vec<Entry>,
        commit: u64,
        round: u64,
    ) {
        let Some((prev_index, prev_term)) = self.heed(from, term).then_some(prev) else {
            return self.answer(from, false, 0, prev.0, 0);
        };
        // Entries up to the base are committed, so they match whatever a leader holds there.
        let known = prev_index <= self.log.base() || self.log.term(prev_index) == Some(prev_term);
        if !known {
            let hint = match self.log.last_index() < prev_index {
                true => self.log.last_index(),
                false => self.log.run_start(prev_index) - 1,
            };
            return self.answer(from, false, hint, prev_index, round);
        }
        let matched = prev_index + entries.len() as u64;
        for entry in entries {
            self.store(entry);
        }
        let commit = commit.min(matched);
        if commit > self.commit {
            self.commit = commit.min(self.log.last_index());
            self.emit_applies();
        }
        self.answer(from, true, matched, prev_index, round);
    }

    /// Stores a leader's entry, unless it is there. Only a conflict truncates: an older message
    /// that arrives late must not remove what a newer one brought.
    fn store(&mut self, entry: Entry) {
        if entry.index <= self.log.base() || self.log.term(entry.index) == Some(entry.term) {
            return;
        }
        if entry.index <= self.log.last_index() {
            let last = entry.index - 1;
            assert!(last >= self.commit || self.config.bugs.any(), "a committed entry is final");
            // Only with a planted bug: go on as a server without the assertion would.
            self.commit = self.commit.min(last);
            self.applied = self.applied.min(last);
            self.log.truncate(entry.index);
        }
        self.log.push(entry.clone());
        self.out.push(Output::Append(entry));
    }

    pub(super) fn on_install(&mut self, from: Peer, term: u64, snapshot: Snapshot, round: u64) {
        if !self.heed(from, term) {
            return self.answer(from, false, 0, 0, 0);
        }
        let index = snapshot.index;
        if index > self.commit {
            self.log.install(snapshot.clone());
            self.commit = index;
            self.applied = index;
            self.out.push(Output::Install { snapshot });
        }
        self.answer(from, true, index, index, round);
    }

    /// Accepts `from` as the leader of `term`; `false` when that term is over.
    fn heed(&mut self, from: Peer, term: u64) -> bool {
        if term < self.term {
            return false;
        }
        assert!(!self.is_leader() || self.config.bugs.any(), "one leader in a term");
        self.follow(term, Some(from));
        self.rest();
        true
    }

    fn answer(&mut self, to: Peer, ok: bool, index: u64, prev_index: u64, round: u64) {
        let message = Message::Appended { term: self.term, ok, index, prev_index, round };
        self.out.push(Output::Send { to, message });
    }

    pub(super) fn on_appended(
        &mut self,
        from: Peer,
        ok: bool,
        index: u64,
        prev_index: u64,
        round: u64,
    ) {
        let last = self.log.last_index();
        let Role::Leader(lead) = &mut self.role else { return };
        let progress = &mut lead.peers[from];
        progress.heard_at = self.now;
        progress.round = progress.round.max(round);
        if ok {
            progress.matched = progress.matched.max(index.min(last));
            progress.next = progress.next.max(progress.matched + 1);
            if progress.matched >= self.log.base() {
                progress.snapshot_until = 0;
                progress.probing = false;
            }
            self.advance_commit();
        } else if progress.snapshot_until <= self.now {
            // A refusal that does not answer the probe is old.
            let current = !progress.probing || prev_index == progress.next - 1;
            if current && prev_index > progress.matched {
                let back = (index + 1).min(prev_index).max(progress.matched + 1);
                progress.next = progress.next.min(back);
                progress.probing = true;
                progress.probe_until = 0;
            }
        }
        self.confirm_reads();
    }

    pub(super) fn synced(&mut self, index: u64) {
        let last = self.log.last_index();
        if let Role::Leader(lead) = &mut self.role {
            lead.synced = index.min(last);
            self.advance_commit();
        }
    }

    /// Commits what a majority has stored, if it is of this term: an older entry on a majority may
    /// still be overwritten (figure 8), and is committed with the first one of this term.
    fn advance_commit(&mut self) {
        let Role::Leader(lead) = &self.role else { return };
        let id = self.config.id;
        let mut stored: Vec<u64> = lead.peers.iter().map(|progress| progress.matched).collect();
        stored[id] = lead.synced;
        stored.sort_unstable_by(|a, b| b.cmp(a));
        let index = match self.config.bugs.has(Bug::LostWrite) {
            true => lead.synced,
            false => stored[self.majority() - 1],
        };
        if index > self.commit && self.log.term(index) == Some(self.term) {
            self.commit = index;
            self.emit_applies();
        }
    }

    fn emit_applies(&mut self) {
        while self.applied < self.commit {
            let Some(entry) = self.log.get(self.applied + 1).cloned() else { return };
            self.applied += 1;
            let token = match &mut self.role {
                Role::Leader(lead) => {
                    let next = lead.pending.front().filter(|(index, _)| *index == entry.index);
                    let token = next.map(|(_, token)| *token);
                    if token.is_some() {
                        lead.pending.pop_front();
                    }
                    token
                }
                Role::Follower { .. } | Role::Candidate { .. } => None,
            };
            self.out.push(Output::Apply { entry, token });
        }
    }
}
