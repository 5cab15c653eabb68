//! The log in memory: a snapshot and the entries after it.

use std::collections::VecDeque;

use super::types::{Entry, Snapshot};

/// Entries after a snapshot, without a gap.
#[derive(Clone, Debug, Default)]
pub struct Log {
    snapshot: Snapshot,
    entries: VecDeque<Entry>,
}

impl Log {
    /// From what the disk gave back.
    ///
    /// # Panics
    /// When there is a gap: recovery must have cut it.
    pub fn new(snapshot: Snapshot, entries: Vec<Entry>) -> Log {
        let mut log = Log { snapshot, entries: VecDeque::new() };
        for entry in entries {
            log.push(entry);
        }
        log
    }

    /// The snapshot beneath the entries.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Index the entries start after.
    pub fn base(&self) -> u64 {
        self.snapshot.index
    }

    /// Index of the last entry.
    pub fn last_index(&self) -> u64 {
        self.base() + self.entries.len() as u64
    }

    /// Term of the last entry.
    pub fn last_term(&self) -> u64 {
        self.entries.back().map_or(self.snapshot.term, |entry| entry.term)
    }

    /// Term of entry `index`; `None` when it is compacted or not there.
    pub fn term(&self, index: u64) -> Option<u64> {
        match index == self.base() {
            true => Some(self.snapshot.term),
            false => self.get(index).map(|entry| entry.term),
        }
    }

    /// Entry `index`; `None` when it is compacted or not there.
    pub fn get(&self, index: u64) -> Option<&Entry> {
        let position = index.checked_sub(self.base() + 1)?;
        self.entries.get(position as usize)
    }

    /// Entries from `from` on, at most `limit`.
    pub fn slice(&self, from: u64, limit: usize) -> Vec<Entry> {
        let skip = from.saturating_sub(self.base() + 1) as usize;
        self.entries.iter().skip(skip).take(limit).cloned().collect()
    }

    /// Entries after `index`.
    pub fn after(&self, index: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().skip(index.saturating_sub(self.base()) as usize)
    }

    /// Adds the next entry.
    ///
    /// # Panics
    /// When it is not the next one.
    pub fn push(&mut self, entry: Entry) {
        assert_eq!(entry.index, self.last_index() + 1, "the log has no gaps");
        self.entries.push_back(entry);
    }

    /// Drops entry `from` and all beyond it.
    pub fn truncate(&mut self, from: u64) {
        self.entries.truncate(from.saturating_sub(self.base() + 1) as usize);
    }

    /// Replaces everything up to `snapshot.index` by the snapshot; entries beyond it stay if they
    /// continue it.
    pub fn install(&mut self, snapshot: Snapshot) {
        let keep = self.term(snapshot.index) == Some(snapshot.term);
        if keep {
            self.entries.drain(..(snapshot.index - self.base()) as usize);
        } else {
            self.entries.clear();
        }
        self.snapshot = snapshot;
    }

    /// First index of the run of entries with the term of `index` that ends there.
    pub fn run_start(&self, index: u64) -> u64 {
        let term = self.term(index);
        let mut first = index;
        while first > self.base() + 1 && self.term(first - 1) == term {
            first -= 1;
        }
        first
    }
}
