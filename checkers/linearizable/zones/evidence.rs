//! From a contradiction to the operations that show it: the few that contradict each other, what
//! they saw, and why crashed ones among them took effect.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use tribunal_history::{Code, OpIndex};

use super::chains::Chains;
use super::clusters::Clusters;
use super::missed::end;
use super::relabel::Barriers;
use super::rows::{Reader, Row, Values};
use crate::linearizable::codes::NONE;

/// Operations a contradiction may name. Long chains of compare-and-sets make long ones: without
/// its head none of them is explained.
const NAMED: usize = 1 << 12;

/// A contradiction, by operation or by rank of one of its events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refuted {
    operations: Vec<u32>,
    /// 0 is the beginning, which is no operation's.
    ranks: Vec<u32>,
}

impl Refuted {
    pub(super) fn operations(operations: &[u32]) -> Refuted {
        Refuted { operations: operations.to_vec(), ranks: Vec::new() }
    }

    pub(super) fn events(ranks: &[u32]) -> Refuted {
        Refuted { operations: Vec::new(), ranks: ranks.to_vec() }
    }
}

/// What is known of a partition when a contradiction is found.
pub(super) struct Known<'k> {
    pub(super) reader: &'k Reader<'k>,
    pub(super) operations: &'k [OpIndex],
    pub(super) values: &'k Values,
    pub(super) clusters: &'k Clusters,
    pub(super) chains: &'k Chains,
    /// Sorted.
    pub(super) repeated: &'k [Code],
}

/// The operations of a contradiction with all they depend on; `None` if these are too many. O(n).
pub(super) fn close(known: &Known<'_>, refuted: Refuted) -> Option<Vec<OpIndex>> {
    let mut closing =
        Closing { known, found: BTreeSet::new(), left: Vec::new(), needed: None, barriers: None };
    refuted.operations.iter().for_each(|op| closing.add(*op));
    closing.add_owners(&refuted.ranks);
    while let Some(op) = closing.left.pop() {
        if closing.found.len() > NAMED {
            return None;
        }
        closing.explain(op);
    }
    Some(closing.found.into_iter().map(OpIndex).collect())
}

struct Closing<'k> {
    known: &'k Known<'k>,
    found: BTreeSet<u32>,
    left: Vec<u32>,
    /// By value: an operation for which it must have been written.
    needed: Option<FxHashMap<u32, u32>>,
    barriers: Option<Barriers>,
}

impl Closing<'_> {
    fn add(&mut self, op: u32) {
        if self.found.insert(op) {
            self.left.push(op);
        }
    }

    fn add_owners(&mut self, ranks: &[u32]) {
        let reader = self.known.reader;
        let ranks: Vec<u32> = ranks.iter().copied().filter(|rank| *rank != 0).collect();
        if ranks.is_empty() {
            return;
        }
        for index in self.known.operations {
            if ranks.contains(&reader.call(index.0)) || ranks.contains(&reader.ret(index.0)) {
                self.add(index.0);
            }
        }
    }

    /// Adds what the operation at `op` saw, and what needs it if it crashed.
    fn explain(&mut self, op: u32) {
        let values = self.known.values;
        match self.known.reader.at(OpIndex(op)) {
            Row::Read(code) => self.add_producers(op, code, true),
            Row::Write { value, completed } => {
                if !completed {
                    self.add_needing(values.produced(op, value));
                }
            }
            Row::Cas { from, to, completed } => {
                self.add_producers(op, from, completed);
                if !completed {
                    self.add_needing(values.produced(op, to));
                }
            }
            Row::Missed(code) => self.add_visible(op, true, |produced| produced != code),
            Row::Nothing | Row::Foreign => {}
        }
    }

    fn add_producers(&mut self, op: u32, code: Code, completed: bool) {
        if self.known.repeated.binary_search(&code).is_ok() {
            self.add_visible(op, completed, |produced| produced == code);
            return;
        }
        let value = self.known.values.observed(op, code);
        let cluster = self.known.clusters.of.get(value as usize);
        let Some(cluster) = cluster.filter(|cluster| cluster.is_written()) else { return };
        let reader = self.known.reader;
        if reader.call(cluster.producer) < end(reader, op, completed) {
            self.add(cluster.producer);
        }
    }

    /// Adds every producer of a value that is `wanted` and that the operation at `op` may have
    /// seen, with the write that hides the others.
    fn add_visible(&mut self, op: u32, completed: bool, wanted: impl Fn(Code) -> bool) {
        let Known { reader, operations, .. } = *self.known;
        let barriers = self.barriers.get_or_insert_with(|| Barriers::new(reader, operations));
        let barrier = barriers.before(reader.call(op));
        let hidden = barrier.map_or(0, |(call, _)| call);
        let end = end(reader, op, completed);
        if let Some((_, barrier)) = barrier {
            self.add(barrier);
        }
        for index in operations {
            let (code, completed) = match reader.at(*index) {
                Row::Write { value, completed } | Row::Cas { to: value, completed, .. } => {
                    (value, completed)
                }
                Row::Read(_) | Row::Missed(_) | Row::Nothing | Row::Foreign => continue,
            };
            if reader.call(index.0) > end || self.found.len() > NAMED {
                return;
            }
            let gone = completed && hidden != 0 && reader.ret(index.0) < hidden;
            if wanted(code) && !gone {
                self.add(index.0);
            }
        }
    }

    /// Adds an operation that needs `value` to have been written.
    fn add_needing(&mut self, value: u32) {
        let known = self.known;
        let needed = self.needed.get_or_insert_with(|| needed(known));
        if let Some(op) = needed.get(&value).copied() {
            self.add(op);
        }
    }
}

/// By crashed producer's value: a read of it, or the compare-and-set that replaced it.
fn needed(known: &Known<'_>) -> FxHashMap<u32, u32> {
    let mut needed = FxHashMap::default();
    for cas in known.chains.kept(known.clusters) {
        needed.insert(cas.from, cas.op);
    }
    for index in known.operations {
        if let Row::Read(code) = known.reader.at(*index) {
            let value = known.values.observed(index.0, code);
            if value != NONE && known.crashed(value) {
                needed.insert(value, index.0);
            }
        }
    }
    needed
}

impl Known<'_> {
    fn crashed(&self, value: u32) -> bool {
        let cluster = self.clusters.of.get(value as usize).filter(|cluster| cluster.is_written());
        cluster.is_some_and(|cluster| {
            matches!(
                self.reader.at(OpIndex(cluster.producer)),
                Row::Write { completed: false, .. } | Row::Cas { completed: false, .. }
            )
        })
    }
}
