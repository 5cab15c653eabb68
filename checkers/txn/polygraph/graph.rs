//! A graph in compressed rows: orders of it, and circles in it. No recursion.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Who leads where.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    start: Vec<u32>,
    to: Vec<u32>,
}

impl Graph {
    /// Of edges between `vertices` vertices. O(vertices + edges).
    pub(super) fn new(vertices: u32, edges: impl Iterator<Item = (u32, u32)> + Clone) -> Graph {
        let mut start = vec![0_u32; vertices as usize + 1];
        edges.clone().for_each(|(from, _)| start[from as usize + 1] += 1);
        for at in 1..start.len() {
            start[at] += start[at - 1];
        }
        let mut next = start.clone();
        let mut to = vec![0; start[vertices as usize] as usize];
        for (from, other) in edges {
            let place = &mut next[from as usize];
            to[*place as usize] = other;
            *place += 1;
        }
        Graph { start, to }
    }

    pub(super) fn len(&self) -> u32 {
        self.start.len() as u32 - 1
    }

    /// Where a vertex leads.
    #[inline]
    pub(super) fn next(&self, vertex: u32) -> &[u32] {
        let (from, to) = (self.start[vertex as usize], self.start[vertex as usize + 1]);
        &self.to[from as usize..to as usize]
    }

    /// Every vertex before all where it leads; `None` if there is a circle. O(vertices + edges).
    pub(super) fn any_order(&self) -> Option<Vec<u32>> {
        let mut waits_for = self.waits_for();
        let free = (0..self.len()).filter(|vertex| waits_for[*vertex as usize] == 0);
        let mut order: Vec<u32> = free.collect();
        let mut at = 0;
        while let Some(vertex) = order.get(at).copied() {
            at += 1;
            for to in self.next(vertex) {
                let waits = &mut waits_for[*to as usize];
                *waits -= 1;
                if *waits == 0 {
                    order.push(*to);
                }
            }
        }
        (order.len() == self.len() as usize).then_some(order)
    }

    /// By vertex, how many edges lead there.
    fn waits_for(&self) -> Vec<u32> {
        let mut waits_for = vec![0_u32; self.len() as usize];
        self.to.iter().for_each(|to| waits_for[*to as usize] += 1);
        waits_for
    }

    /// Every vertex before all where it leads, those of low priority first where there is a
    /// choice; `None` if there is a circle. O(edges + vertices log vertices).
    pub(super) fn order(&self, priority: impl Fn(u32) -> u64) -> Option<Vec<u32>> {
        let mut waits_for = self.waits_for();
        let free = (0..self.len()).filter(|vertex| waits_for[*vertex as usize] == 0);
        let mut heap: BinaryHeap<Reverse<(u64, u32)>> =
            free.map(|vertex| Reverse((priority(vertex), vertex))).collect();
        let mut order = Vec::with_capacity(self.len() as usize);
        while let Some(Reverse((_, vertex))) = heap.pop() {
            order.push(vertex);
            for to in self.next(vertex) {
                let waits = &mut waits_for[*to as usize];
                *waits -= 1;
                if *waits == 0 {
                    heap.push(Reverse((priority(*to), *to)));
                }
            }
        }
        (order.len() == self.len() as usize).then_some(order)
    }

    /// A circle: each vertex leads to the next, and the last to the first.
    pub(super) fn circle(&self) -> Option<Vec<u32>> {
        let (mut done, mut open) =
            (vec![false; self.len() as usize], vec![false; self.len() as usize]);
        let mut path: Vec<(u32, usize)> = Vec::new();
        for root in 0..self.len() {
            if done[root as usize] {
                continue;
            }
            path.push((root, 0));
            open[root as usize] = true;
            while let Some((vertex, at)) = path.last_mut() {
                let vertex = *vertex;
                let Some(to) = self.next(vertex).get(*at).copied() else {
                    done[vertex as usize] = true;
                    open[vertex as usize] = false;
                    path.pop();
                    continue;
                };
                *at += 1;
                if open[to as usize] {
                    let from = path.iter().position(|(on, _)| *on == to)?;
                    return Some(path[from..].iter().map(|(on, _)| *on).collect());
                }
                if !done[to as usize] {
                    open[to as usize] = true;
                    path.push((to, 0));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Graph;

    #[test]
    fn an_order_or_a_circle() {
        let graph = Graph::new(4, [(2, 1), (1, 0), (2, 3)].into_iter());
        assert_eq!(graph.order(u64::from), Some(vec![2, 1, 0, 3]));
        assert_eq!(graph.any_order(), Some(vec![2, 1, 3, 0]));
        assert_eq!(graph.circle(), None);
        let graph = Graph::new(4, [(0, 1), (1, 2), (2, 3), (3, 1)].into_iter());
        assert_eq!(graph.order(u64::from), None);
        assert_eq!(graph.any_order(), None);
        assert_eq!(graph.circle(), Some(vec![1, 2, 3]));
    }
}
