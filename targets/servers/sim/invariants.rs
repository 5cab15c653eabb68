//! What figure 3 of the paper promises, checked after every step of a clean cluster.

use std::collections::BTreeMap;

use super::disk::SimDisk;
use crate::engine::Engine;
use crate::kv::Command;

/// What the whole cluster has done so far, seen by nobody but the test.
#[derive(Debug, Default)]
pub(super) struct Invariants {
    leaders: BTreeMap<u64, usize>,
    committed: BTreeMap<u64, (u64, Command)>,
    checked: Vec<u64>,
}

impl Invariants {
    pub(super) fn new(nodes: usize) -> Invariants {
        Invariants { checked: vec![0; nodes], ..Invariants::default() }
    }

    /// A node that restarts shows its log again from the snapshot on.
    pub(super) fn restarted(&mut self, node: usize) {
        self.checked[node] = 0;
    }

    /// Looks at `node` after a step.
    ///
    /// # Panics
    /// When a promise is broken.
    pub(super) fn look(&mut self, node: usize, engine: &Engine<SimDisk>) {
        let raft = engine.raft();
        let log = raft.log();
        if raft.is_leader() && self.leaders.get(&raft.term()) != Some(&node) {
            let other = self.leaders.insert(raft.term(), node);
            assert_eq!(other, None, "election safety: two leaders in term {}", raft.term());
            for (index, (term, _)) in self.committed.range(log.base() + 1..) {
                assert_eq!(log.term(*index), Some(*term), "leader completeness: {index}");
            }
        }
        let from = self.checked[node].max(log.base());
        for entry in log.after(from).take_while(|entry| entry.index <= raft.commit()) {
            let now = (entry.term, entry.command.clone());
            let before = self.committed.entry(entry.index).or_insert_with(|| now.clone());
            assert_eq!(*before, now, "state machine safety: entry {}", entry.index);
        }
        self.checked[node] = from.max(raft.commit());
    }

    /// Log matching: equal index and term means equal logs up to there.
    ///
    /// # Panics
    /// When they are not.
    pub(super) fn logs_match(engines: &[&Engine<SimDisk>]) {
        for (i, a) in engines.iter().enumerate() {
            for b in &engines[i + 1..] {
                let (a, b) = (a.raft().log(), b.raft().log());
                let mut index = a.last_index().min(b.last_index());
                let base = a.base().max(b.base());
                while index > base && a.term(index) != b.term(index) {
                    index -= 1;
                }
                for index in base + 1..=index {
                    assert_eq!(a.get(index), b.get(index), "log matching: entry {index}");
                }
            }
        }
    }
}
