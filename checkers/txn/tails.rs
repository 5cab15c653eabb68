//! Writes that nobody saw: levels that forbid concurrent writers need some order of them, too.
//!
//! Snapshot isolation lets one of two writers of a key see the other. Where reads do not show
//! which, either order may be the true one; the level holds if one choice for all pairs closes no
//! cycle. Pairs are ordered one after the other without looking back, so what fails is not refuted
//! but open. Serializability needs none of this: any order that explains the reads orders these.

use std::collections::VecDeque;

use super::edges::{Kind, Kinds};
use super::graph::Graph;
use super::levels::Shape;

/// Pairs tried; each costs O(E).
const MOST_PAIRS: usize = 4_096;

/// Whether some order of every pair closes no cycle of `shape`, of which `graph` has none; `None`
/// if none was found.
pub(super) fn settle(
    graph: &Graph,
    pairs: &[(u32, u32)],
    base: Kinds,
    shape: Shape,
    give_up: &dyn Fn() -> bool,
) -> Option<()> {
    if pairs.len() > MOST_PAIRS {
        return None;
    }
    let mut extra: Vec<(u32, u32)> = Vec::new();
    for (a, b) in pairs {
        if give_up() {
            return None;
        }
        let chosen = [(*a, *b), (*b, *a)]
            .into_iter()
            .find(|(first, second)| !closes(graph, &extra, base, shape, *second, *first));
        extra.push(chosen?);
    }
    Some(())
}

/// Whether `to` is reached from `from` over edges that a write dependency back would close to a
/// cycle of the shape.
fn closes(
    graph: &Graph,
    extra: &[(u32, u32)],
    base: Kinds,
    shape: Shape,
    from: u32,
    to: u32,
) -> bool {
    // Whether the last step (no two in a row) or any step (one in all) was an anti-dependency.
    let mut seen = vec![false; 2 * graph.vertices() as usize];
    let mut queue = VecDeque::from([(from, false)]);
    seen[2 * from as usize] = true;
    while let Some((vertex, anti)) = queue.pop_front() {
        if vertex == to {
            return true;
        }
        let more = extra.iter().filter(|(first, _)| *first == vertex);
        let more = more.map(|(_, second)| (*second, Kind::Ww));
        for (next, kind) in graph.out(vertex, base.and(Kinds::RW)).chain(more) {
            let state = match (kind, shape) {
                (Kind::Rw, _) if anti => continue,
                (Kind::Rw, _) => true,
                (_, Shape::Single) => anti,
                (_, Shape::G0 | Shape::G1c | Shape::Nonadjacent | Shape::G2) => false,
            };
            let place = 2 * next as usize + usize::from(state);
            if !std::mem::replace(&mut seen[place], true) {
                queue.push_back((next, state));
            }
        }
    }
    false
}
