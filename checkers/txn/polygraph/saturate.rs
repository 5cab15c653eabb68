//! Choices that are none: one of the two would close a circle, so the other one holds.
//!
//! What reaches whom is asked of clocks: the transactions are laid out in chains (sessions, or
//! paths along reads where sessions are not kept), and of each chain a vertex knows the last
//! transaction that reaches it. Of a block and a chain, the blocks of the same key that must come
//! before it are the first ones of the chain: a round compares numbers instead of pairs. What has
//! to be so and follows from what is known adds no edge: of a history with real time that is nearly
//! all. O(chains x (edges + chains x blocks)) for the first round; the others look at what changed,
//! which is as much at worst.

use super::build::{Edge, Owner, Polygraph};
use super::clocks::Clocks;
use super::graph::Graph;
use super::level::{Form, Kept};
use super::traps::Trap;
use crate::{Budget, Spent};

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

/// Adds what is forced until nothing is.
///
/// # Errors
/// A circle, or which budget ended.
pub(super) fn saturate(
    polygraph: &Polygraph<'_>,
    kept: Kept,
    budget: &Budget,
) -> Result<Saturated, Ended> {
    let graph = all(polygraph, &[]);
    let Some(order) = graph.any_order() else { return Err(circle(&graph, Vec::new())) };
    let clocks = match Clocks::of(polygraph, kept, &graph, &order, budget) {
        Ok(clocks) => clocks,
        Err(spent) => return Err(Ended::Spent(spent)),
    };
    let Some(clocks) = clocks else {
        // The search finds what clocks would, later.
        let open = every_pair(polygraph, budget)?;
        return Ok(Saturated { graph, forced: Vec::new(), open });
    };
    let mut saturation = Saturation { polygraph, clocks, forced: Vec::new(), round: 0, budget };
    let mut keys: Vec<u32> = (0..polygraph.facts.keys).collect();
    while !keys.is_empty() {
        keys = saturation.round(&graph, &keys)?;
    }
    let open = saturation.open()?;
    let forced = saturation.forced;
    let graph = if forced.is_empty() { graph } else { all(polygraph, &forced) };
    Ok(Saturated { graph, forced, open })
}

/// All that is known, and forced.
fn all(polygraph: &Polygraph<'_>, forced: &[Forced]) -> Graph {
    let choice = |it: &Forced| polygraph.choice(it.earlier, it.later).into_iter().flatten();
    let known = polygraph.known.iter().copied();
    Graph::new(polygraph.vertices, known.chain(forced.iter().flat_map(choice)))
}

fn circle(graph: &Graph, forced: Vec<Forced>) -> Ended {
    let circle = graph.circle().expect("a graph without an order has a circle");
    Ended::Circle { circle, forced }
}

struct Saturation<'p, 'f> {
    polygraph: &'p Polygraph<'f>,
    clocks: Clocks<'p, 'f>,
    forced: Vec<Forced>,
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
    /// Forces what is to be forced of some keys, and tells which keys that may change.
    fn round(&mut self, graph: &Graph, keys: &[u32]) -> Result<Vec<u32>, Ended> {
        let before = self.forced.len();
        let mut edges = Vec::new();
        for key in keys {
            self.force(*key, &mut edges);
        }
        self.room(edges.len())?;
        self.round += 1;
        let changed = match self.clocks.add(graph, &edges, self.budget) {
            Ok(Some(changed)) => changed,
            Ok(None) => {
                let graph = all(self.polygraph, &self.forced);
                return Err(circle(&graph, std::mem::take(&mut self.forced)));
            }
            Err(spent) => return Err(Ended::Spent(spent)),
        };
        if self.forced.len() == before {
            return Ok(Vec::new());
        }
        let mut keys = Vec::new();
        for vertex in changed {
            match self.polygraph.owner(vertex) {
                Owner::Block(block) => keys.push(self.polygraph.blocks.blocks[block as usize].key),
                Owner::Txn(txn) if self.polygraph.form == Form::Snapshot => {
                    keys.extend_from_slice(self.polygraph.facts.writes(txn));
                }
                Owner::Txn(_) | Owner::Moment => {}
            }
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// Whether clocks and edges fit into the budget.
    fn room(&self, more: usize) -> Result<(), Ended> {
        let edges = 16 * (self.polygraph.known.len() + more) as u64;
        let forced = 24 * self.forced.len() as u64;
        match self.polygraph.bytes() + self.clocks.bytes() + edges + forced > self.budget.bytes {
            true => Err(Ended::Spent(Spent::Memory)),
            false => Ok(()),
        }
    }

    /// Of a key: how many of each row come before each block.
    fn key(&self, key: u32) -> Option<Key> {
        let blocks = self.polygraph.blocks.to_order(key);
        if blocks.len() < 2 {
            return None;
        }
        let place = |block: u32| {
            let head = self.polygraph.head(block);
            self.clocks.place(head)
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
        let seen = |vertex: u32| self.clocks.of_vertex(vertex)[row.chain as usize];
        let far = 2 * u32::from(self.polygraph.planted.has(Trap::ClockTooFar));
        let count = |commit: bool, seen: u32| {
            let seen = seen + far;
            let before =
                |other: &u32| self.clocks.point(self.polygraph.head(*other), commit) <= seen;
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
    fn force(&mut self, key: u32, edges: &mut Vec<Edge>) {
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
                        self.add(*block, *other, edges);
                    }
                }
            }
        }
    }

    /// Of a choice that was made before, and of one that follows, nothing is added.
    fn add(&mut self, earlier: u32, later: u32, edges: &mut Vec<Edge>) {
        let choice = self.polygraph.choice(earlier, later);
        if !choice.iter().flatten().all(|edge| self.clocks.follows(*edge)) {
            edges.extend(choice.into_iter().flatten());
            self.forced.push(Forced { earlier, later, round: self.round });
        }
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

/// All pairs of blocks of each key.
fn every_pair(polygraph: &Polygraph<'_>, budget: &Budget) -> Result<Vec<(u32, u32)>, Ended> {
    let keys = 0..polygraph.facts.keys;
    let count = |key: u32| {
        let blocks = polygraph.blocks.to_order(key).len() as u64;
        blocks * blocks.saturating_sub(1) / 2
    };
    let pairs: u64 = keys.clone().map(count).sum();
    if PAIR_BYTES * pairs > budget.bytes {
        return Err(Ended::Spent(Spent::Memory));
    }
    let mut open = Vec::with_capacity(pairs as usize);
    for key in keys {
        let blocks = polygraph.blocks.to_order(key);
        let last = blocks.end;
        open.extend(blocks.flat_map(|one| (one + 1..last).map(move |other| (one, other))));
    }
    Ok(open)
}
