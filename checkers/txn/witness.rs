//! A short cycle of a class that exists.
//!
//! From the head of an edge that must be in it back to its tail, breadth first; the shortest over a
//! few such edges, the first among equals.

use std::collections::VecDeque;

use super::edges::{Kind, Kinds};
use super::graph::Graph;
use super::levels::{Class, Shape, Strength, nonadjacent, prefixes, singles, within};

/// Edges tried.
const CANDIDATES: usize = 64;

/// One edge of a cycle; each begins where the last one ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Edge {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) kind: Kind,
}

/// A cycle of `class` in `graph`, without virtual nodes: those are the ones from `first_node` on,
/// by `number`. `None` if `give_up` said yes.
pub(super) fn cycle(
    graph: &Graph,
    class: Class,
    number: &[u32],
    first_node: u32,
    give_up: &dyn Fn() -> bool,
) -> Option<Vec<Edge>> {
    let base = class.strength.base();
    let kinds = class.kinds();
    let components = || graph.components(kinds);
    let (candidates, walk) = match class.shape {
        Shape::G0 => (within(graph, &components(), Kind::Ww, CANDIDATES), Walk::Any),
        Shape::G1c => (within(graph, &components(), Kind::Wr, CANDIDATES), Walk::Any),
        Shape::Single => (singles(graph, base, CANDIDATES, give_up)?, Walk::Any),
        Shape::Nonadjacent => (nonadjacent(graph, base, CANDIDATES), Walk::Apart),
        Shape::G2 => (within(graph, &components(), Kind::Rw, CANDIDATES), Walk::Any),
    };
    let back = if class.shape == Shape::Single { base } else { kinds };
    let first = match class.shape {
        Shape::G0 => Kind::Ww,
        Shape::G1c => Kind::Wr,
        Shape::Single | Shape::Nonadjacent | Shape::G2 => Kind::Rw,
    };
    shortest(graph, &candidates, first, Ways { back, walk, kinds }, number, first_node, give_up)
}

/// A cycle that no order of snapshots allows: `None` also if there is none.
pub(super) fn split_cycle(
    graph: &Graph,
    strength: Strength,
    number: &[u32],
    first_node: u32,
    give_up: &dyn Fn() -> bool,
) -> Option<Vec<Edge>> {
    let kinds = strength.base().and(Kinds::RW);
    let candidates = prefixes(graph, strength.base(), CANDIDATES);
    let ways = Ways { back: kinds, walk: Walk::Split, kinds };
    shortest(graph, &candidates, Kind::Rw, ways, number, first_node, give_up)
}

/// Which steps a way back may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walk {
    /// Any.
    Any,
    /// No two anti-dependencies in a row.
    Apart,
    /// Between snapshots and commits.
    Split,
}

#[derive(Clone, Copy)]
struct Ways {
    /// Edges of the way back.
    back: Kinds,
    walk: Walk,
    /// Edges of the whole cycle.
    kinds: Kinds,
}

fn shortest(
    graph: &Graph,
    candidates: &[(u32, u32)],
    first: Kind,
    ways: Ways,
    number: &[u32],
    first_node: u32,
    give_up: &dyn Fn() -> bool,
) -> Option<Vec<Edge>> {
    let states = if ways.walk == Walk::Any { 1 } else { 2 };
    let mut search = Search {
        graph,
        ways,
        virtual_from: |vertex: u32| number[vertex as usize] >= first_node,
        came: vec![None; graph.vertices() as usize * states],
        touched: Vec::new(),
    };
    let mut best: Option<Vec<Edge>> = None;
    for (u, v) in candidates {
        if give_up() {
            return None;
        }
        let limit = best.as_ref().map_or(u32::MAX, |best| best.len() as u32 - 1);
        if let Some(path) = search.path(*v, *u, limit) {
            let mut cycle = vec![Edge { from: *u, to: *v, kind: first }];
            cycle.extend(path);
            if best.as_ref().is_none_or(|best| cycle.len() < best.len()) {
                best = Some(cycle);
            }
        }
    }
    let mut cycle = best?;
    for edge in &mut cycle {
        // Of several reasons the strongest.
        let parallel = graph.out(edge.from, ways.kinds).filter(|(to, _)| *to == edge.to);
        edge.kind = parallel.map(|(_, kind)| kind).min().unwrap_or(edge.kind);
        (edge.from, edge.to) = (number[edge.from as usize], number[edge.to as usize]);
    }
    Some(simple(without_nodes(cycle, first_node), ways.walk == Walk::Apart))
}

/// How a state was reached.
#[derive(Clone, Copy)]
struct Step {
    from: u32,
    kind: Kind,
}

struct Search<'g, F> {
    graph: &'g Graph,
    ways: Ways,
    virtual_from: F,
    came: Vec<Option<Step>>,
    touched: Vec<u32>,
}

impl<F: Fn(u32) -> bool> Search<'_, F> {
    /// The shortest path of fewer than `limit` edges, steps between virtual nodes not counted.
    fn path(&mut self, from: u32, to: u32, limit: u32) -> Option<Vec<Edge>> {
        for state in self.touched.drain(..) {
            self.came[state as usize] = None;
        }
        let (start, goal) = match self.ways.walk {
            Walk::Any => (from, to),
            Walk::Apart | Walk::Split => (2 * from + 1, 2 * to),
        };
        let mut queue = VecDeque::from([(start, 0)]);
        self.reach(start, Step { from: start, kind: Kind::Ww });
        while let Some((state, length)) = queue.pop_front() {
            if state == goal {
                return Some(self.walk(start, goal));
            }
            if length + 1 >= limit {
                continue;
            }
            let vertex = self.vertex(state);
            if self.ways.walk == Walk::Split
                && state % 2 == 0
                && self.came[state as usize + 1].is_none()
            {
                // From its snapshot to its own commit.
                self.reach(state + 1, Step { from: state, kind: Kind::Session });
                queue.push_front((state + 1, length));
            }
            let graph = self.graph;
            for (next, kind) in graph.out(vertex, self.ways.back) {
                let Some(next) = self.ways.walk.step(state, next, kind) else { continue };
                if self.came[next as usize].is_some() {
                    continue;
                }
                self.reach(next, Step { from: state, kind });
                let virtual_step =
                    (self.virtual_from)(vertex) && (self.virtual_from)(self.vertex(next));
                match virtual_step {
                    true => queue.push_front((next, length)),
                    false => queue.push_back((next, length + 1)),
                }
            }
        }
        None
    }

    fn vertex(&self, state: u32) -> u32 {
        if self.ways.walk == Walk::Any { state } else { state / 2 }
    }

    fn reach(&mut self, state: u32, step: Step) {
        self.came[state as usize] = Some(step);
        self.touched.push(state);
    }

    fn walk(&self, start: u32, goal: u32) -> Vec<Edge> {
        let mut path = Vec::new();
        let mut state = goal;
        while state != start {
            let Some(step) = self.came[state as usize] else { break };
            let (from, to) = (self.vertex(step.from), self.vertex(state));
            if from != to {
                path.push(Edge { from, to, kind: step.kind });
            }
            state = step.from;
        }
        path.reverse();
        path
    }
}

impl Walk {
    /// The state an edge leads to, if it may be taken.
    fn step(self, state: u32, next: u32, kind: Kind) -> Option<u32> {
        let odd = state % 2 == 1;
        match (self, kind) {
            (Walk::Any, _) => Some(next),
            (Walk::Apart, Kind::Rw) => (!odd).then_some(2 * next + 1),
            (Walk::Apart, Kind::Ww | Kind::Wr | Kind::Session | Kind::RealTime) => Some(2 * next),
            (Walk::Split, Kind::Rw) => (!odd).then_some(2 * next + 1),
            (Walk::Split, Kind::Ww) => odd.then_some(2 * next + 1),
            (Walk::Split, Kind::Wr | Kind::Session | Kind::RealTime) => odd.then_some(2 * next),
        }
    }
}

/// The same cycle with one edge of real time for each run over nodes.
fn without_nodes(mut cycle: Vec<Edge>, first_node: u32) -> Vec<Edge> {
    let real = cycle.iter().position(|edge| edge.from < first_node).unwrap_or(0);
    cycle.rotate_left(real);
    let mut plain: Vec<Edge> = Vec::with_capacity(cycle.len());
    for edge in cycle {
        match plain.last_mut() {
            Some(last) if last.to >= first_node => last.to = edge.to,
            Some(_) | None => plain.push(edge),
        }
    }
    plain
}

/// No transaction twice. Of a walk without two anti-dependencies in a row that meets itself, one of
/// the two parts has none either: had both junctions two, so had the walk.
fn simple(mut cycle: Vec<Edge>, apart: bool) -> Vec<Edge> {
    loop {
        let again = cycle.iter().enumerate().find_map(|(at, edge)| {
            let later = cycle[at + 1..].iter().position(|other| other.from == edge.from)?;
            Some((at, at + 1 + later))
        });
        let Some((from, to)) = again else { return cycle };
        let inner = cycle[from..to].to_vec();
        let outer = [&cycle[..from], &cycle[to..]].concat();
        cycle = if apart && adjacent(&inner) { outer } else { inner };
    }
}

/// Whether two anti-dependencies follow each other, once around.
pub(super) fn adjacent(cycle: &[Edge]) -> bool {
    (0..cycle.len()).any(|at| {
        let next = (at + 1) % cycle.len();
        cycle[at].kind == Kind::Rw && cycle[next].kind == Kind::Rw
    })
}
