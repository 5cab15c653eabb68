//! An order of a graph that edges are added to and taken from again.
//!
//! Pearce & Kelly, "A Dynamic Topological Sort Algorithm for Directed Acyclic Graphs" (JEA 2006): an
//! edge against the order moves only what is between its ends. Taking edges away keeps the order.

use super::build::Edge;
use super::graph::Graph;
use super::traps::{Planted, Trap};

/// Who an added edge belongs to.
pub(super) type Tag = u32;

const KNOWN: Tag = Tag::MAX;

/// A graph without circles, and where each vertex stands.
#[derive(Debug)]
pub(super) struct Dynamic {
    forward: Graph,
    backward: Graph,
    /// By vertex: added edges, the last one added last.
    out: Vec<Vec<(u32, Tag)>>,
    into: Vec<Vec<(u32, Tag)>>,
    place: Vec<u32>,
    /// By vertex: in which search it was found, and along which edge.
    found: Vec<(u32, u32, Tag)>,
    search: u32,
    planted: Planted,
    /// Of the search forward, and of that backward.
    ahead: Vec<u32>,
    behind: Vec<u32>,
}

/// A circle that an edge would close: its vertices, and whose edges are on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Circle {
    pub(super) vertices: Vec<u32>,
    pub(super) tags: Vec<Tag>,
}

impl Dynamic {
    /// Of a graph and an order of it.
    pub(super) fn new(forward: Graph, order: &[u32], planted: Planted) -> Dynamic {
        let vertices = forward.len() as usize;
        let next = |from| forward.next(from).iter().map(move |to| (*to, from));
        let backward = Graph::new(forward.len(), (0..forward.len()).flat_map(next));
        let mut place = vec![0; vertices];
        for (at, vertex) in (0..).zip(order) {
            place[*vertex as usize] = at;
        }
        Dynamic {
            backward,
            forward,
            out: vec![Vec::new(); vertices],
            into: vec![Vec::new(); vertices],
            place,
            found: vec![(0, 0, KNOWN); vertices],
            search: 0,
            planted,
            ahead: Vec::new(),
            behind: Vec::new(),
        }
    }

    /// Whether an edge goes along the order already.
    #[inline]
    pub(super) fn goes_along(&self, (from, to): Edge) -> bool {
        self.place[from as usize] < self.place[to as usize]
    }

    /// Where a vertex stands.
    #[inline]
    pub(super) fn place(&self, vertex: u32) -> u32 {
        self.place[vertex as usize]
    }

    /// The vertices as they stand.
    pub(super) fn order(&self) -> Vec<u32> {
        let mut order = vec![0; self.place.len()];
        for (vertex, place) in (0..).zip(&self.place) {
            order[*place as usize] = vertex;
        }
        order
    }

    /// One more edge. Of what is between its ends only.
    ///
    /// # Errors
    /// The circle it would close; then it is not added.
    pub(super) fn add(&mut self, (from, to): Edge, tag: Tag) -> Result<(), Circle> {
        if !self.goes_along((from, to)) {
            if !self.look_ahead(to, from) {
                return Err(self.circle(to, from));
            }
            if self.planted.has(Trap::BehindForgotten) {
                self.behind.clear();
                self.behind.push(from);
            } else {
                self.look_behind(from, to);
            }
            self.reorder();
        }
        self.out[from as usize].push((to, tag));
        self.into[to as usize].push((from, tag));
        Ok(())
    }

    /// Takes the edge away that was added last.
    pub(super) fn take_back(&mut self, (from, to): Edge) {
        self.out[from as usize].pop();
        self.into[to as usize].pop();
    }

    /// Everything that `start` leads to up to `end`; false if `end` is among it.
    fn look_ahead(&mut self, start: u32, end: u32) -> bool {
        self.search += 1;
        let last = self.place[end as usize];
        self.ahead.clear();
        self.ahead.push(start);
        self.found[start as usize] = (self.search, start, KNOWN);
        if start == end {
            return false;
        }
        let mut at = 0;
        while let Some(vertex) = self.ahead.get(at).copied() {
            at += 1;
            let known = self.forward.next(vertex).iter().map(|to| (*to, KNOWN));
            for (to, tag) in known.chain(self.out[vertex as usize].iter().copied()) {
                let found = &mut self.found[to as usize];
                if found.0 == self.search || self.place[to as usize] > last {
                    continue;
                }
                *found = (self.search, vertex, tag);
                if to == end {
                    return false;
                }
                self.ahead.push(to);
            }
        }
        true
    }

    /// Everything from `end` on that leads to `start`.
    fn look_behind(&mut self, start: u32, end: u32) {
        self.search += 1;
        let first = self.place[end as usize];
        self.behind.clear();
        self.behind.push(start);
        self.found[start as usize].0 = self.search;
        let mut at = 0;
        while let Some(vertex) = self.behind.get(at).copied() {
            at += 1;
            let known = self.backward.next(vertex).iter().map(|from| (*from, KNOWN));
            for (from, _) in known.chain(self.into[vertex as usize].iter().copied()) {
                let found = &mut self.found[from as usize];
                if found.0 != self.search && self.place[from as usize] >= first {
                    found.0 = self.search;
                    self.behind.push(from);
                }
            }
        }
    }

    /// What was found behind stands before what was found ahead, in the places that they have.
    fn reorder(&mut self) {
        let place = &self.place;
        self.behind.sort_unstable_by_key(|vertex| place[*vertex as usize]);
        self.ahead.sort_unstable_by_key(|vertex| place[*vertex as usize]);
        let moved: Vec<u32> = self.behind.iter().chain(&self.ahead).copied().collect();
        let mut places: Vec<u32> = moved.iter().map(|vertex| place[*vertex as usize]).collect();
        places.sort_unstable();
        for (vertex, place) in moved.into_iter().zip(places) {
            self.place[vertex as usize] = place;
        }
    }

    /// The way that the search ahead found.
    fn circle(&self, start: u32, end: u32) -> Circle {
        let mut circle = Circle { vertices: vec![end], tags: Vec::new() };
        let mut at = end;
        while at != start {
            let (_, before, tag) = self.found[at as usize];
            if tag != KNOWN {
                circle.tags.push(tag);
            }
            circle.vertices.push(before);
            at = before;
        }
        circle.vertices.reverse();
        circle
    }
}
