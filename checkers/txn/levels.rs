//! Which kinds of cycles exist, from the most severe down, without a search per vertex.
//!
//! Adya (1999), chapter 3; Cerone & Gotsman, "Analysing Snapshot Isolation" (J. ACM 2018), theorem
//! 4.2: a history is snapshot isolated iff no cycle avoids two anti-dependencies in a row. Every
//! question is about components and costs O(V + E), but for a single anti-dependency, which is
//! asked for 64 at a time.

use super::edges::{Kind, Kinds};
use super::graph::{Components, Graph};
use crate::AnomalyKind;

/// How a cycle is made, worst first: each implies every later one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Shape {
    /// Of writes.
    G0,
    /// Of writes and reads.
    G1c,
    /// With one anti-dependency.
    Single,
    /// With several, none next to another.
    Nonadjacent,
    /// Any.
    G2,
}

/// What may order transactions besides their dependencies; each contains every earlier one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Strength {
    Plain,
    Session,
    RealTime,
}

/// A kind of cycle that exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Class {
    pub(super) shape: Shape,
    pub(super) strength: Strength,
}

impl Shape {
    const ALL: [Shape; 5] = [Shape::G0, Shape::G1c, Shape::Single, Shape::Nonadjacent, Shape::G2];
}

impl Strength {
    pub(super) const ALL: [Strength; 3] = [Strength::Plain, Strength::Session, Strength::RealTime];

    /// The edges besides dependencies.
    fn kinds(self) -> Kinds {
        match self {
            Strength::Plain => Kinds::WW,
            Strength::Session => Kinds::WW.and(Kinds::SESSION),
            Strength::RealTime => Kinds::WW.and(Kinds::SESSION).and(Kinds::REAL_TIME),
        }
    }

    /// All edges but anti-dependencies.
    pub(super) fn base(self) -> Kinds {
        self.kinds().and(Kinds::WW_WR)
    }
}

impl Class {
    /// The field's name.
    pub(super) fn kind(self) -> AnomalyKind {
        let plain = match self.shape {
            Shape::G0 => AnomalyKind::G0,
            Shape::G1c => AnomalyKind::G1C,
            Shape::Single => AnomalyKind::G_SINGLE,
            Shape::Nonadjacent => AnomalyKind::G_NONADJACENT,
            Shape::G2 => AnomalyKind::G2_ITEM,
        };
        match self.strength {
            Strength::Plain => plain,
            Strength::Session => plain.process(),
            Strength::RealTime => plain.realtime(),
        }
    }

    /// The edges its cycles are made of.
    pub(super) fn kinds(self) -> Kinds {
        match self.shape {
            Shape::G0 => self.strength.kinds(),
            Shape::G1c => self.strength.base(),
            Shape::Single | Shape::Nonadjacent | Shape::G2 => self.strength.base().and(Kinds::RW),
        }
    }

    /// Whether a cycle of this class is one of `other`, too.
    pub(super) fn implies(self, other: Class) -> bool {
        self.shape <= other.shape && self.strength <= other.strength
    }
}

/// The worst classes that exist in `graph`: none implies another.
///
/// `give_up` is asked now and then; `None` if it said yes.
pub(super) fn classes(graph: &Graph, give_up: &dyn Fn() -> bool) -> Option<Vec<Class>> {
    let mut found: Vec<Class> = Vec::new();
    for strength in Strength::ALL {
        for shape in Shape::ALL {
            let class = Class { shape, strength };
            if found.iter().any(|known| known.implies(class)) {
                continue;
            }
            if exists(graph, class, give_up)? {
                found.push(class);
            }
        }
    }
    Some(found)
}

/// Whether there is a cycle of this class, where none of a class that implies it is.
fn exists(graph: &Graph, class: Class, give_up: &dyn Fn() -> bool) -> Option<bool> {
    if give_up() {
        return None;
    }
    let base = class.strength.base();
    Some(match class.shape {
        Shape::G0 | Shape::G1c | Shape::G2 => graph.components(class.kinds()).any(),
        Shape::Single => !singles(graph, base, 1, give_up)?.is_empty(),
        Shape::Nonadjacent => graph.doubled(base).any(),
    })
}

/// Anti-dependencies that close a cycle of other edges, at most about `many`. The other edges alone
/// must have no cycle.
///
/// O(E/64 * E) at worst, and near to O(E) where anti-dependencies are short.
pub(super) fn singles(
    graph: &Graph,
    base: Kinds,
    many: usize,
    give_up: &dyn Fn() -> bool,
) -> Option<Vec<(u32, u32)>> {
    let order = graph.order(base).unwrap_or_default();
    let mut place = vec![u32::MAX; graph.vertices() as usize];
    for (at, vertex) in order.iter().enumerate() {
        place[*vertex as usize] = at as u32;
    }
    // Where the edge ends, the way back begins: only those that lead backwards can be closed.
    let mut sources: Vec<(u32, u32)> = Vec::new();
    for u in 0..graph.vertices() {
        for (v, _) in graph.out(u, Kinds::RW) {
            if place[v as usize] < place[u as usize] {
                sources.push((v, u));
            }
        }
    }
    sources.sort_unstable_by_key(|(v, u)| (place[*v as usize], place[*u as usize]));
    let mut reached = vec![0_u64; graph.vertices() as usize];
    let mut found = Vec::new();
    for batch in sources.chunks(64) {
        if give_up() {
            return None;
        }
        let first = batch.iter().map(|(v, _)| place[*v as usize]).min().unwrap_or(0) as usize;
        let last = batch.iter().map(|(_, u)| place[*u as usize]).max().unwrap_or(0) as usize;
        for (bit, (v, _)) in batch.iter().enumerate() {
            reached[*v as usize] |= 1 << bit;
        }
        for vertex in &order[first..=last] {
            let bits = reached[*vertex as usize];
            if bits != 0 {
                for (to, _) in graph.out(*vertex, base) {
                    reached[to as usize] |= bits;
                }
            }
        }
        for (bit, (v, u)) in batch.iter().enumerate() {
            if reached[*u as usize] >> bit & 1 == 1 {
                found.push((*u, *v));
            }
        }
        if found.len() >= many {
            return Some(found);
        }
        for vertex in &order[first..=last] {
            reached[*vertex as usize] = 0;
            graph.out(*vertex, base).for_each(|(to, _)| reached[to as usize] = 0);
        }
    }
    Some(found)
}

/// Anti-dependencies on a cycle of the split graph, at most `many`.
pub(super) fn prefixes(graph: &Graph, base: Kinds, many: usize) -> Vec<(u32, u32)> {
    let split = graph.split(base);
    let on_cycle = |u: &u32, v: &u32| split.joined(2 * u, 2 * v + 1);
    edges(graph, Kind::Rw, many, on_cycle)
}

/// Anti-dependencies on a cycle where no two follow each other, at most `many`.
pub(super) fn nonadjacent(graph: &Graph, base: Kinds, many: usize) -> Vec<(u32, u32)> {
    let doubled = graph.doubled(base);
    let on_cycle = |u: &u32, v: &u32| doubled.joined(2 * u, 2 * v + 1);
    edges(graph, Kind::Rw, many, on_cycle)
}

/// Edges of `kind` within a component, at most `many`.
pub(super) fn within(
    graph: &Graph,
    components: &Components,
    kind: Kind,
    many: usize,
) -> Vec<(u32, u32)> {
    edges(graph, kind, many, |u, v| components.joined(*u, *v))
}

fn edges(
    graph: &Graph,
    kind: Kind,
    many: usize,
    wanted: impl Fn(&u32, &u32) -> bool,
) -> Vec<(u32, u32)> {
    let all = (0..graph.vertices()).flat_map(|u| {
        let of_kind = graph.out(u, Kinds::of(kind));
        of_kind.map(move |(v, _)| (u, v))
    });
    all.filter(|(u, v)| wanted(u, v)).take(many).collect()
}
