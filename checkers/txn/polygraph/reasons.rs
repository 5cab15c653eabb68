//! The few transactions that a contradiction is about: those on its circles, those that forced what
//! was forced on them, and of these as few as will do.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use super::build::{Edge, Owner, Polygraph};
use super::graph::Graph;
use super::saturate::Forced;

/// The transactions that a circle of known and forced edges is about, ascending.
pub(super) fn of_circle(polygraph: &Polygraph<'_>, forced: &[Forced], circle: &[u32]) -> Vec<u32> {
    let mut reasons = Reasons::new(polygraph, forced);
    let next = circle.iter().skip(1).chain(circle.first());
    circle.iter().zip(next).for_each(|(from, to)| reasons.edge((*from, *to)));
    reasons.all()
}

/// The transactions that these vertices, and all that is forced between them, are about.
pub(super) fn of_vertices(
    polygraph: &Polygraph<'_>,
    forced: &[Forced],
    vertices: &[u32],
) -> Vec<u32> {
    let mut reasons = Reasons::new(polygraph, forced);
    vertices.iter().for_each(|vertex| reasons.vertex(*vertex));
    let among: FxHashSet<u32> = vertices.iter().copied().collect();
    let edges: Vec<Edge> = reasons.by_edge.keys().copied().collect();
    for edge in edges {
        if among.contains(&edge.0) && among.contains(&edge.1) {
            reasons.edge(edge);
        }
    }
    reasons.all()
}

struct Reasons<'r, 'f> {
    polygraph: &'r Polygraph<'f>,
    known: FxHashSet<Edge>,
    /// What of the forced an edge comes from, the earliest.
    by_edge: FxHashMap<Edge, Forced>,
    /// By round: all that was known then.
    graphs: FxHashMap<u32, Graph>,
    forced: &'r [Forced],
    involved: Vec<bool>,
    told: FxHashSet<(u32, u32)>,
    open: Vec<Forced>,
}

impl<'r, 'f> Reasons<'r, 'f> {
    fn new(polygraph: &'r Polygraph<'f>, forced: &'r [Forced]) -> Reasons<'r, 'f> {
        let mut by_edge = FxHashMap::default();
        for one in forced.iter().rev() {
            for edge in polygraph.choice(one.earlier, one.later).into_iter().flatten() {
                by_edge.insert(edge, *one);
            }
        }
        Reasons {
            polygraph,
            known: polygraph.known.iter().copied().collect(),
            by_edge,
            graphs: FxHashMap::default(),
            forced,
            involved: vec![false; polygraph.facts.len() as usize],
            told: FxHashSet::default(),
            open: Vec::new(),
        }
    }

    fn vertex(&mut self, vertex: u32) {
        match self.polygraph.owner(vertex) {
            Owner::Txn(txn) => self.involved[txn as usize] = true,
            Owner::Block(block) => self.block(block),
            Owner::Moment => {}
        }
    }

    fn block(&mut self, block: u32) {
        for txn in self.polygraph.blocks.members(block) {
            self.involved[txn as usize] = true;
        }
    }

    fn edge(&mut self, edge: Edge) {
        self.vertex(edge.0);
        self.vertex(edge.1);
        let (from, to) = (self.polygraph.owner(edge.0), self.polygraph.owner(edge.1));
        if let (Owner::Txn(reader), Owner::Txn(writer)) = (from, to) {
            self.overwritten(reader, writer);
        }
        if self.known.contains(&edge) {
            return;
        }
        if let Some(forced) = self.by_edge.get(&edge).copied()
            && self.told.insert((forced.earlier, forced.later))
        {
            self.open.push(forced);
        }
    }

    /// Whose version both read, if the second overwrote it: or their edge would be gone.
    fn overwritten(&mut self, reader: u32, writer: u32) {
        let facts = self.polygraph.facts;
        for read in facts.reads(reader) {
            if facts.reads(writer).contains(read)
                && facts.writes(writer).contains(&read.0)
                && let Some(involved) = self.involved.get_mut(read.1 as usize)
            {
                *involved = true;
            }
        }
    }

    fn all(mut self) -> Vec<u32> {
        while let Some(forced) = self.open.pop() {
            self.block(forced.earlier);
            self.block(forced.later);
            let path = self.why(forced);
            path.windows(2).for_each(|edge| self.edge((edge[0], edge[1])));
        }
        let involved = (0..).zip(&self.involved).filter(|(_, it)| **it);
        involved.map(|(txn, _)| txn).collect()
    }

    /// The way that would have closed a circle with the other choice.
    fn why(&mut self, forced: Forced) -> Vec<u32> {
        let polygraph = self.polygraph;
        let all = self.forced;
        let graph = self.graphs.entry(forced.round).or_insert_with(|| {
            let before = all.iter().filter(|it| it.round < forced.round);
            let more = before.flat_map(|it| polygraph.choice(it.earlier, it.later)).flatten();
            Graph::new(polygraph.vertices, polygraph.known.iter().copied().chain(more))
        });
        let other = polygraph.choice(forced.later, forced.earlier).into_iter().flatten();
        other.into_iter().find_map(|(from, to)| way(graph, to, from)).unwrap_or_default()
    }
}

/// The shortest way from one vertex to another.
fn way(graph: &Graph, from: u32, to: u32) -> Option<Vec<u32>> {
    let mut before: FxHashMap<u32, u32> = FxHashMap::default();
    let mut queue = VecDeque::from([from]);
    before.insert(from, from);
    while let Some(vertex) = queue.pop_front() {
        if vertex == to {
            let mut path = vec![to];
            let mut at = to;
            while at != from {
                at = before[&at];
                path.push(at);
            }
            path.reverse();
            return Some(path);
        }
        for next in graph.next(vertex) {
            before.entry(*next).or_insert_with(|| {
                queue.push_back(*next);
                vertex
            });
        }
    }
    None
}

/// These transactions, and all that are in one block with one of them.
pub(super) fn with_blocks(polygraph: &Polygraph<'_>, txns: &[u32]) -> Vec<u32> {
    let mut involved = vec![false; polygraph.facts.len() as usize];
    txns.iter().for_each(|txn| involved[*txn as usize] = true);
    for block in 0..polygraph.blocks.blocks.len() as u32 {
        let mut members = polygraph.blocks.members(block);
        if members.any(|txn| txns.binary_search(&txn).is_ok()) {
            polygraph.blocks.members(block).for_each(|txn| involved[txn as usize] = true);
        }
    }
    (0..).zip(involved).filter(|(_, it)| *it).map(|(txn, _)| txn).collect()
}
