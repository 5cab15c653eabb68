//! A graph of kinds of edges in compressed sparse rows, and its strongly connected components.
//!
//! Tarjan, "Depth-First Search and Linear Graph Algorithms" (SIAM J. Comput. 1972), without
//! recursion: a component may have millions of vertices.

use super::edges::{Kind, Kinds};

/// Edges by where they begin: 4 bytes each and 4 per vertex.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    start: Vec<u32>,
    /// Target and kind: 29 and 3 bits.
    edges: Vec<u32>,
}

/// Most vertices a graph can have.
pub(crate) const MOST: u32 = 1 << 29;

impl Graph {
    /// Of what `each` calls, which it does twice, alike.
    pub(crate) fn new(vertices: u32, each: impl Fn(&mut dyn FnMut(u32, u32, Kind))) -> Graph {
        let mut start = vec![0_u32; vertices as usize + 1];
        each(&mut |from, _, _| start[from as usize + 1] += 1);
        for at in 1..start.len() {
            start[at] += start[at - 1];
        }
        let mut edges = vec![0; start.last().map_or(0, |all| *all as usize)];
        let mut next = start.clone();
        each(&mut |from, to, kind| {
            let at = &mut next[from as usize];
            edges[*at as usize] = to << 3 | kind as u32;
            *at += 1;
        });
        Graph { start, edges }
    }

    pub(crate) fn vertices(&self) -> u32 {
        self.start.len() as u32 - 1
    }

    pub(crate) fn len(&self) -> usize {
        self.edges.len()
    }

    /// Where edges of these kinds lead from `vertex`.
    #[inline]
    pub(crate) fn out(&self, vertex: u32, kinds: Kinds) -> impl Iterator<Item = (u32, Kind)> + '_ {
        let (from, to) = (self.start[vertex as usize], self.start[vertex as usize + 1]);
        let edges = self.edges[from as usize..to as usize].iter();
        let edges = edges.map(|edge| (edge >> 3, Kind::from_bits(edge & 7)));
        edges.filter(move |(_, kind)| kinds.has(*kind))
    }

    /// Every vertex, each before those its edges lead to; or those that have no such place, which
    /// are the ones on a cycle or behind one.
    pub(crate) fn order(&self, kinds: Kinds) -> Result<Vec<u32>, Vec<u32>> {
        let mut before = vec![0_u32; self.vertices() as usize];
        for vertex in 0..self.vertices() {
            self.out(vertex, kinds).for_each(|(to, _)| before[to as usize] += 1);
        }
        let mut order: Vec<u32> =
            (0..self.vertices()).filter(|v| before[*v as usize] == 0).collect();
        let mut at = 0;
        while let Some(vertex) = order.get(at).copied() {
            at += 1;
            for (to, _) in self.out(vertex, kinds) {
                before[to as usize] -= 1;
                if before[to as usize] == 0 {
                    order.push(to);
                }
            }
        }
        if order.len() == before.len() {
            return Ok(order);
        }
        Err((0..self.vertices()).filter(|v| before[*v as usize] > 0).collect())
    }

    /// The part between `vertices`, which are renumbered by their place there.
    pub(crate) fn part(&self, vertices: &[u32], kinds: Kinds) -> Graph {
        let mut place = vec![u32::MAX; self.vertices() as usize];
        for (at, vertex) in vertices.iter().enumerate() {
            place[*vertex as usize] = at as u32;
        }
        Graph::new(vertices.len() as u32, |edge| {
            for (at, vertex) in vertices.iter().enumerate() {
                for (to, kind) in self.out(*vertex, kinds) {
                    if place[to as usize] != u32::MAX {
                        edge(at as u32, place[to as usize], kind);
                    }
                }
            }
        })
    }

    /// The components of the graph of these kinds.
    pub(crate) fn components(&self, kinds: Kinds) -> Components {
        let cursor = |vertex: u32| self.start[vertex as usize];
        components(self.vertices(), cursor, |vertex, at| {
            while *at < self.start[vertex as usize + 1] {
                let edge = self.edges[*at as usize];
                *at += 1;
                if kinds.has(Kind::from_bits(edge & 7)) {
                    return Some(edge >> 3);
                }
            }
            None
        })
    }

    /// The components of the doubled graph, where no two anti-dependencies follow each other:
    /// vertex `2v` is `v` reached by another edge, `2v + 1` is `v` reached by an anti-dependency.
    pub(crate) fn doubled(&self, base: Kinds) -> Components {
        let cursor = |vertex: u32| self.start[vertex as usize / 2];
        components(2 * self.vertices(), cursor, |vertex, at| {
            while *at < self.start[vertex as usize / 2 + 1] {
                let edge = self.edges[*at as usize];
                *at += 1;
                let (to, kind) = (edge >> 3, Kind::from_bits(edge & 7));
                match kind {
                    Kind::Rw if vertex % 2 == 0 => return Some(2 * to + 1),
                    Kind::Rw => {}
                    Kind::Ww | Kind::Wr | Kind::Session | Kind::RealTime if base.has(kind) => {
                        return Some(2 * to);
                    }
                    Kind::Ww | Kind::Wr | Kind::Session | Kind::RealTime => {}
                }
            }
            None
        })
    }
}

impl Graph {
    /// The components of the split graph: vertex `2v` is where `v` takes its snapshot, `2v + 1`
    /// where it commits. A snapshot holds what was committed and seen before; an anti-dependency
    /// leads from the snapshot to the commit it misses; commits keep the order of versions.
    pub(crate) fn split(&self, base: Kinds) -> Components {
        let cursor = |vertex: u32| self.start[vertex as usize / 2];
        // A snapshot's first step is to its own commit: one place before its edges.
        components_from(2 * self.vertices(), cursor, |vertex, at, first| {
            let snapshot = vertex % 2 == 0;
            if snapshot && std::mem::replace(first, false) {
                return Some(vertex + 1);
            }
            while *at < self.start[vertex as usize / 2 + 1] {
                let edge = self.edges[*at as usize];
                *at += 1;
                let (to, kind) = (edge >> 3, Kind::from_bits(edge & 7));
                match kind {
                    Kind::Rw if snapshot => return Some(2 * to + 1),
                    Kind::Ww if !snapshot => return Some(2 * to + 1),
                    Kind::Wr | Kind::Session | Kind::RealTime if !snapshot && base.has(kind) => {
                        return Some(2 * to);
                    }
                    Kind::Ww | Kind::Wr | Kind::Rw | Kind::Session | Kind::RealTime => {}
                }
            }
            None
        })
    }
}

/// Which vertices reach each other.
#[derive(Debug)]
pub(crate) struct Components {
    /// By vertex.
    pub(crate) of: Vec<u32>,
    /// By component.
    pub(crate) size: Vec<u32>,
}

impl Components {
    /// Whether two vertices are on a common cycle.
    #[inline]
    pub(crate) fn joined(&self, a: u32, b: u32) -> bool {
        self.of[a as usize] == self.of[b as usize]
    }

    /// Whether a vertex is on a cycle. No edge leads to where it begins.
    #[inline]
    pub(crate) fn cyclic(&self, vertex: u32) -> bool {
        self.size[self.of[vertex as usize] as usize] > 1
    }

    /// Whether there is a cycle.
    pub(crate) fn any(&self) -> bool {
        self.size.iter().any(|size| *size > 1)
    }
}

fn components(
    vertices: u32,
    cursor: impl Fn(u32) -> u32,
    next: impl Fn(u32, &mut u32) -> Option<u32>,
) -> Components {
    components_from(vertices, cursor, |vertex, at, _| next(vertex, at))
}

/// `next` also has a flag per visit that begins set.
fn components_from(
    vertices: u32,
    cursor: impl Fn(u32) -> u32,
    next: impl Fn(u32, &mut u32, &mut bool) -> Option<u32>,
) -> Components {
    const NEW: u32 = 0;
    let mut low = vec![NEW; vertices as usize];
    let mut of = vec![u32::MAX; vertices as usize];
    let mut size = Vec::new();
    let (mut path, mut open) = (Vec::new(), Vec::new());
    let mut count = NEW;
    for root in 0..vertices {
        if low[root as usize] != NEW {
            continue;
        }
        count += 1;
        low[root as usize] = count;
        open.push(root);
        path.push((root, cursor(root), count, true));
        while let Some((vertex, at, number, first)) = path.last_mut() {
            let (vertex, number) = (*vertex, *number);
            if let Some(to) = next(vertex, at, first) {
                if low[to as usize] == NEW {
                    count += 1;
                    low[to as usize] = count;
                    open.push(to);
                    path.push((to, cursor(to), count, true));
                } else if of[to as usize] == u32::MAX {
                    low[vertex as usize] = low[vertex as usize].min(low[to as usize]);
                }
                continue;
            }
            path.pop();
            if let Some((parent, ..)) = path.last() {
                let parent = *parent as usize;
                low[parent] = low[parent].min(low[vertex as usize]);
            }
            if low[vertex as usize] == number {
                let from = size.len() as u32;
                let mut members = 0;
                while let Some(member) = open.pop() {
                    of[member as usize] = from;
                    members += 1;
                    if member == vertex {
                        break;
                    }
                }
                size.push(members);
            }
        }
    }
    Components { of, size }
}
