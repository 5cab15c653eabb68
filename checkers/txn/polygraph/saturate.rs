//! Choices that are none: one of the two would close a circle, so the other one holds.
//!
//! What reaches whom is asked of clocks: the transactions are laid out in chains (sessions, or
//! paths along reads where sessions are not kept), and of each chain a vertex knows the last
//! transaction that reaches it. Of a block and a chain, the blocks of the same key that must come
//! before it are the first ones of the chain: a round compares numbers instead of pairs.
//! O(chains x (edges + blocks)) for a round.

use rustc_hash::FxHashSet;

use super::build::{Edge, Polygraph};
use super::graph::Graph;
use super::level::{Form, Kept};
use super::traps::Trap;
use crate::{Budget, Spent};

/// Most numbers that clocks may have in all: more take longer than they save.
const CLOCKS_MOST: u64 = 1 << 28;

/// What the search holds for a pair.
const PAIR_BYTES: u64 = 80;

/// A choice that had to be made so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Forced {
    pub(super) earlier: u32,
    pub(super) later: u32,
    /// Only what was forced in rounds before forced it.
    pub(super) round: u32,
}

/// What is left.
#[derive(Debug)]
pub(super) struct Saturated {
    pub(super) graph: Graph,
    pub(super) forced: Vec<Forced>,
    /// Pairs of blocks of one key of which neither order is impossible.
    pub(super) open: Vec<(u32, u32)>,
}

/// Why it ended before.
#[derive(Debug)]
pub(super) enum Ended {
    /// A circle in what is known and forced.
    Circle {
        circle: Vec<u32>,
        forced: Vec<Forced>,
    },
    Spent(Spent),
}

/// The transactions in chains, each of which leads to the next of its chain.
struct Chains {
    of: Vec<u32>,
    /// Counted from 1.
    at: Vec<u32>,
    len: u32,
}

/// Adds what is forced until nothing is.
///
/// # Errors
/// A circle, or which budget ended.
pub(super) fn saturate(
    polygraph: &Polygraph<'_>,
    kept: Kept,
    budget: &Budget,
) -> Result<Saturated, Ended> {
    let mut saturation = Saturation {
        polygraph,
        edges: polygraph.known.clone(),
        forced: Vec::new(),
        seen: FxHashSet::default(),
        clocks: Vec::new(),
        chains: Chains { of: Vec::new(), at: Vec::new(), len: 0 },
        round: 0,
        budget,
    };
    let mut graph = saturation.graph()?;
    saturation.chains = match kept {
        Kept::Nothing => along_reads(polygraph, &graph),
        Kept::Sessions | Kept::RealTime => sessions(polygraph),
    };
    if saturation.clocks_len() > CLOCKS_MOST {
        // The search finds what clocks would, later.
        let open = saturation.every_pair()?;
        return Ok(Saturated { graph, forced: Vec::new(), open });
    }
    saturation.room()?;
    loop {
        saturation.tick(&graph)?;
        let before = saturation.forced.len();
        for key in 0..polygraph.facts.keys {
            saturation.force(key);
        }
        if saturation.forced.len() == before {
            break;
        }
        graph = saturation.graph()?;
        saturation.round += 1;
    }
    let open = saturation.open()?;
    Ok(Saturated { graph, forced: saturation.forced, open })
}

struct Saturation<'p, 'f> {
    polygraph: &'p Polygraph<'f>,
    edges: Vec<Edge>,
    forced: Vec<Forced>,
    /// Forced pairs, to have each once.
    seen: FxHashSet<(u32, u32)>,
    /// By vertex and chain: the last point of the chain that reaches the vertex, or is it.
    clocks: Vec<u32>,
    chains: Chains,
    round: u32,
    budget: &'p Budget,
}

/// The blocks of a key whose heads are in one chain, in its order.
struct Row {
    chain: u32,
    blocks: Vec<u32>,
}

/// Of one key: its blocks by chain, and what must come before each.
struct Key {
    rows: Vec<Row>,
    /// By row, place in the row, and other row: how many of the other row come before.
    before: Vec<Vec<u32>>,
}

impl Saturation<'_, '_> {
    /// All that is known and forced by now, if it has an order.
    fn graph(&self) -> Result<Graph, Ended> {
        if self.budget.is_cancelled() {
            return Err(Ended::Spent(Spent::Time));
        }
        let graph = Graph::new(self.polygraph.vertices, &self.edges);
        match graph.circle() {
            None => Ok(graph),
            Some(circle) => Err(Ended::Circle { circle, forced: self.forced.clone() }),
        }
    }

    fn clocks_len(&self) -> u64 {
        u64::from(self.polygraph.vertices) * u64::from(self.chains.len)
    }

    /// Whether the clocks fit into the budget.
    fn room(&self) -> Result<(), Ended> {
        let clocks = 4 * self.clocks_len();
        let edges = 16 * self.edges.len() as u64;
        match self.polygraph.bytes() + clocks + edges > self.budget.bytes {
            true => Err(Ended::Spent(Spent::Memory)),
            false => Ok(()),
        }
    }

    /// The clocks of all vertices.
    fn tick(&mut self, graph: &Graph) -> Result<(), Ended> {
        let chains = self.chains.len as usize;
        self.clocks.clear();
        self.clocks.resize(graph.len() as usize * chains, 0);
        let order = graph.order(|_| 0).expect("a graph without circles has an order");
        let points = self.polygraph.form.points();
        let real = points * self.polygraph.facts.len();
        let mut row = vec![0; chains];
        for (count, vertex) in order.into_iter().enumerate() {
            let from = vertex as usize * chains;
            if vertex < real {
                let (txn, second) = (vertex / points, vertex % points == points - 1);
                let chain = self.chains.of[txn as usize] as usize;
                self.clocks[from + chain] = self.point(txn, second);
            }
            row.copy_from_slice(&self.clocks[from..from + chains]);
            for to in graph.next(vertex) {
                let to = *to as usize * chains;
                let theirs = &mut self.clocks[to..to + chains];
                theirs.iter_mut().zip(&row).for_each(|(its, ours)| *its = (*its).max(*ours));
            }
            if count % 4096 == 0 && self.budget.is_cancelled() {
                return Err(Ended::Spent(Spent::Time));
            }
        }
        Ok(())
    }

    /// The number of a transaction's begin or commit in its chain.
    #[inline]
    fn point(&self, txn: u32, commit: bool) -> u32 {
        2 * self.chains.at[txn as usize] - u32::from(!commit)
    }

    /// Of a key: how many of each row come before each block.
    fn key(&self, key: u32) -> Option<Key> {
        let blocks = self.polygraph.blocks.to_order(key);
        if blocks.len() < 2 {
            return None;
        }
        let place = |block: u32| {
            let head = self.polygraph.head(block) as usize;
            (self.chains.of[head], self.chains.at[head])
        };
        let mut sorted: Vec<u32> = blocks.collect();
        sorted.sort_unstable_by_key(|block| place(*block));
        let mut rows: Vec<Row> = Vec::new();
        for block in sorted {
            let chain = place(block).0;
            match rows.last_mut().filter(|row| row.chain == chain) {
                Some(row) => row.blocks.push(block),
                None => rows.push(Row { chain, blocks: vec![block] }),
            }
        }
        let of_row = |row: &Row| {
            let each = row.blocks.iter();
            each.flat_map(|block| rows.iter().map(|other| self.before(*block, other))).collect()
        };
        let before = rows.iter().map(of_row).collect();
        Some(Key { rows, before })
    }

    /// How many blocks of a row cannot come after `block`: from one of them a way leads to the
    /// last writer of `block` or to who read it.
    fn before(&self, block: u32, row: &Row) -> u32 {
        let chains = self.chains.len as usize;
        let seen = |vertex: u32| self.clocks[vertex as usize * chains + row.chain as usize];
        let far = 2 * u32::from(self.polygraph.planted.has(Trap::ClockTooFar));
        let count = |commit: bool, seen: u32| {
            let seen = seen + far;
            let before = |other: &u32| self.point(self.polygraph.head(*other), commit) <= seen;
            row.blocks.partition_point(before) as u32
        };
        let read = count(true, seen(self.polygraph.vertex(block)));
        match self.polygraph.form {
            Form::Serializable | Form::Prefix => read,
            Form::Snapshot => {
                let commit = self.polygraph.form.commit(self.polygraph.tail(block));
                read.max(count(false, seen(commit)))
            }
        }
    }

    /// For every block and every row, the first of the row that must come after the block. What
    /// follows in the row does so too.
    fn force(&mut self, key: u32) {
        let Some(key) = self.key(key) else { return };
        for (r, row) in key.rows.iter().enumerate() {
            for (o, other) in key.rows.iter().enumerate() {
                let mut later = 0;
                for (at, block) in row.blocks.iter().enumerate() {
                    while later < other.blocks.len() && key.of(o, later, r) as usize <= at {
                        later += 1;
                    }
                    // Its own place tells nothing; the next one follows in any case.
                    let second = self.polygraph.planted.has(Trap::SecondOfRow);
                    let next = later + usize::from((r == o && later == at) || second);
                    if let Some(other) = other.blocks.get(next) {
                        self.add(*block, *other);
                    }
                }
            }
        }
    }

    fn add(&mut self, earlier: u32, later: u32) {
        if self.seen.insert((earlier, later)) {
            self.edges.extend(self.polygraph.choice(earlier, later).into_iter().flatten());
            self.forced.push(Forced { earlier, later, round: self.round });
        }
    }

    /// All pairs of blocks of each key.
    fn every_pair(&self) -> Result<Vec<(u32, u32)>, Ended> {
        let keys = 0..self.polygraph.facts.keys;
        let count = |key: u32| {
            let blocks = self.polygraph.blocks.to_order(key).len() as u64;
            blocks * blocks.saturating_sub(1) / 2
        };
        let pairs: u64 = keys.clone().map(count).sum();
        if PAIR_BYTES * pairs > self.budget.bytes {
            return Err(Ended::Spent(Spent::Memory));
        }
        let mut open = Vec::with_capacity(pairs as usize);
        for key in keys {
            let blocks = self.polygraph.blocks.to_order(key);
            let last = blocks.end;
            open.extend(blocks.flat_map(|one| (one + 1..last).map(move |other| (one, other))));
        }
        Ok(open)
    }

    /// Pairs of which neither order is forced.
    fn open(&self) -> Result<Vec<(u32, u32)>, Ended> {
        let mut open = Vec::new();
        for key in 0..self.polygraph.facts.keys {
            let Some(key) = self.key(key) else { continue };
            for (r, row) in key.rows.iter().enumerate() {
                for (o, other) in key.rows.iter().enumerate().skip(r + 1) {
                    for (at, block) in row.blocks.iter().enumerate() {
                        let from = key.of(r, at, o) as usize;
                        for (place, later) in other.blocks.iter().enumerate().skip(from) {
                            let early = self.polygraph.planted.has(Trap::OpenEndsEarly);
                            if key.of(o, place, r) as usize > at || (early && place > from) {
                                break;
                            }
                            open.push((*block, *later));
                        }
                    }
                }
            }
            if PAIR_BYTES * open.len() as u64 > self.budget.bytes {
                return Err(Ended::Spent(Spent::Memory));
            }
        }
        Ok(open)
    }
}

impl Key {
    /// How many of row `other` come before the block at `at` of row `row`.
    #[inline]
    fn of(&self, row: usize, at: usize, other: usize) -> u32 {
        self.before[row][at * self.rows.len() + other]
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
fn along_reads(polygraph: &Polygraph<'_>, graph: &Graph) -> Chains {
    let (facts, form) = (polygraph.facts, polygraph.form);
    let none = u32::MAX;
    let mut chains =
        Chains { of: vec![none; facts.len() as usize], at: vec![0; facts.len() as usize], len: 0 };
    let order = graph.order(|_| 0).expect("a graph without circles has an order");
    let mut last = vec![false; facts.len() as usize];
    for vertex in order {
        let txn = vertex / form.points();
        if txn >= facts.len() || form.begin(txn) != vertex {
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
