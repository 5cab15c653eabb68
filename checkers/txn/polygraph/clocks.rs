//! What reaches whom: of each chain of transactions, the last that reaches a vertex.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::build::{Edge, Polygraph};
use super::graph::Graph;
use super::level::Kept;
use super::traps::Trap;
use crate::{Budget, Spent};

/// Most numbers that clocks may have in all: more take longer than they save.
const MOST: u64 = 1 << 28;

/// Vertices between two looks at the budget.
const POLL: usize = 4096;

const NONE: u32 = u32::MAX;

/// The clocks of all vertices.
pub(super) struct Clocks<'p, 'f> {
    polygraph: &'p Polygraph<'f>,
    chains: Chains,
    /// By vertex and chain: the last point of the chain that reaches the vertex, or is it.
    points: Vec<u32>,
    /// By vertex: where it is in an order of what was known first.
    rank: Vec<u32>,
    /// What was added, by vertex: the last edge from it, and the one before that.
    last: Vec<u32>,
    added: Vec<(u32, u32)>,
    /// Vertices that wait to be looked at.
    waits: Vec<bool>,
}

/// The transactions in chains, each of which leads to the next of its chain.
struct Chains {
    of: Vec<u32>,
    /// Counted from 1.
    at: Vec<u32>,
    len: u32,
}

impl<'p, 'f> Clocks<'p, 'f> {
    /// Of a graph and an order of it; `None` if there were too many numbers. O(chains x edges).
    ///
    /// # Errors
    /// Which budget ended.
    pub(super) fn of(
        polygraph: &'p Polygraph<'f>,
        kept: Kept,
        graph: &Graph,
        order: &[u32],
        budget: &Budget,
    ) -> Result<Option<Clocks<'p, 'f>>, Spent> {
        // A planted mistake leaves sessions that do not lead on.
        let broken = polygraph.planted.has(Trap::SessionsByBegin);
        let chains = match kept {
            Kept::Sessions | Kept::RealTime if !broken => sessions(polygraph),
            Kept::Nothing | Kept::Sessions | Kept::RealTime => along_reads(polygraph, order),
        };
        let numbers = u64::from(polygraph.vertices) * u64::from(chains.len);
        if numbers > MOST {
            return Ok(None);
        }
        let vertices = polygraph.vertices as usize;
        let edges = 16 * polygraph.known.len() as u64;
        if polygraph.bytes() + 4 * numbers + 9 * vertices as u64 + edges > budget.bytes {
            return Err(Spent::Memory);
        }
        let mut rank = vec![0; vertices];
        order.iter().zip(0..).for_each(|(vertex, at)| rank[*vertex as usize] = at);
        let points = vec![0; numbers as usize];
        let (last, waits) = (vec![NONE; vertices], vec![false; vertices]);
        let mut clocks = Clocks { polygraph, chains, points, rank, last, added: Vec::new(), waits };
        clocks.tick(graph, order, budget)?;
        Ok(Some(clocks))
    }

    fn tick(&mut self, graph: &Graph, order: &[u32], budget: &Budget) -> Result<(), Spent> {
        let chains = self.chains.len as usize;
        let mut row = vec![0; chains];
        for (count, vertex) in order.iter().copied().enumerate() {
            let from = vertex as usize * chains;
            if let Some((chain, point)) = self.own(vertex) {
                self.points[from + chain] = point;
            }
            row.copy_from_slice(&self.points[from..from + chains]);
            for to in graph.next(vertex) {
                let to = *to as usize * chains;
                let theirs = &mut self.points[to..to + chains];
                theirs.iter_mut().zip(&row).for_each(|(its, ours)| *its = (*its).max(*ours));
            }
            if count % POLL == 0 && budget.is_cancelled() {
                return Err(Spent::Time);
            }
        }
        Ok(())
    }

    /// The chain of a transaction's vertex, and its point there.
    #[inline]
    fn own(&self, vertex: u32) -> Option<(usize, u32)> {
        let points = self.polygraph.form.points();
        let txn = vertex / points;
        (txn < self.polygraph.facts.len()).then(|| {
            let commit = vertex % points == points - 1;
            (self.chains.of[txn as usize] as usize, self.point(txn, commit))
        })
    }

    /// The number of a transaction's begin or commit in its chain.
    #[inline]
    pub(super) fn point(&self, txn: u32, commit: bool) -> u32 {
        2 * self.chains.at[txn as usize] - u32::from(!commit)
    }

    /// The chain of a transaction, and its place there.
    #[inline]
    pub(super) fn place(&self, txn: u32) -> (u32, u32) {
        (self.chains.of[txn as usize], self.chains.at[txn as usize])
    }

    /// By chain, the last point that reaches a vertex.
    #[inline]
    pub(super) fn of_vertex(&self, vertex: u32) -> &[u32] {
        let chains = self.chains.len as usize;
        &self.points[vertex as usize * chains..][..chains]
    }

    /// Whether an edge adds nothing: every transaction that leads to where it begins leads to where
    /// it ends, and so does the one where it begins. Of an edge that was added that is so.
    pub(super) fn follows(&self, (from, to): Edge) -> bool {
        let (from, to) = (self.of_vertex(from), self.of_vertex(to));
        from.iter().zip(to).all(|(from, to)| from <= to)
    }

    /// Adds edges, and tells whose clocks change, each perhaps more than once; `None` if they close
    /// a circle. O(chains x edges of what changes), times its logarithm.
    ///
    /// # Errors
    /// The time is up.
    pub(super) fn add(
        &mut self,
        graph: &Graph,
        edges: &[Edge],
        budget: &Budget,
    ) -> Result<Option<Vec<u32>>, Spent> {
        let mut heap = BinaryHeap::new();
        for (from, to) in edges {
            let before = std::mem::replace(&mut self.last[*from as usize], self.added.len() as u32);
            self.added.push((*to, before));
            self.wait(*from, &mut heap);
        }
        let mut changed = Vec::new();
        while let Some(Reverse((_, vertex))) = heap.pop() {
            self.waits[vertex as usize] = false;
            for to in graph.next(vertex) {
                if !self.lead(vertex, *to, &mut heap, &mut changed) {
                    return Ok(None);
                }
            }
            let mut at = self.last[vertex as usize];
            while let Some((to, before)) = self.added.get(at as usize).copied() {
                if !self.lead(vertex, to, &mut heap, &mut changed) {
                    return Ok(None);
                }
                at = before;
            }
            if changed.len() % POLL == 0 && budget.is_cancelled() {
                return Err(Spent::Time);
            }
        }
        Ok(Some(changed))
    }

    fn wait(&mut self, vertex: u32, heap: &mut BinaryHeap<Reverse<(u32, u32)>>) {
        if !std::mem::replace(&mut self.waits[vertex as usize], true) {
            heap.push(Reverse((self.rank[vertex as usize], vertex)));
        }
    }

    /// What reaches the one reaches the other; `false` if the other is among it.
    #[inline]
    fn lead(
        &mut self,
        from: u32,
        to: u32,
        heap: &mut BinaryHeap<Reverse<(u32, u32)>>,
        changed: &mut Vec<u32>,
    ) -> bool {
        if let Some((chain, point)) = self.own(to)
            && self.of_vertex(from)[chain] >= point
        {
            return false;
        }
        let chains = self.chains.len as usize;
        let (from, its) = (from as usize * chains, to as usize * chains);
        let mut more = false;
        for chain in 0..chains {
            let reaches = self.points[from + chain];
            let known = &mut self.points[its + chain];
            more |= reaches > *known;
            *known = reaches.max(*known);
        }
        if more {
            changed.push(to);
            self.wait(to, heap);
        }
        true
    }

    pub(super) fn bytes(&self) -> u64 {
        4 * self.points.len() as u64 + 9 * self.last.len() as u64 + 8 * self.added.len() as u64
    }
}

fn sessions(polygraph: &Polygraph<'_>) -> Chains {
    let facts = polygraph.facts;
    let of = facts.session_of();
    let at = of.iter().zip(0..).map(|(session, txn)| txn - facts.sessions[*session as usize] + 1);
    let len = facts.sessions.len() as u32 - 1;
    Chains { at: at.collect(), of, len }
}

/// Paths along reads: each transaction continues the path of one it read from, if that ends there.
fn along_reads(polygraph: &Polygraph<'_>, order: &[u32]) -> Chains {
    let (facts, form) = (polygraph.facts, polygraph.form);
    let none = u32::MAX;
    let mut chains =
        Chains { of: vec![none; facts.len() as usize], at: vec![0; facts.len() as usize], len: 0 };
    let mut last = vec![false; facts.len() as usize];
    for vertex in order {
        let txn = vertex / form.points();
        if txn >= facts.len() || form.begin(txn) != *vertex {
            continue;
        }
        let sources = facts.reads(txn).iter().map(|(_, source)| *source as usize);
        let ends = sources.into_iter().find(|source| last.get(*source).copied().unwrap_or(false));
        last[txn as usize] = true;
        (chains.of[txn as usize], chains.at[txn as usize]) = match ends {
            Some(source) => {
                last[source] = false;
                (chains.of[source], chains.at[source] + 1)
            }
            None => {
                chains.len += 1;
                (chains.len - 1, 1)
            }
        };
    }
    chains
}
