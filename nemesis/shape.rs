//! Shapes of partitions: which packets are not received by whom. Pure.
//!
//! A shape is a set of directed cuts `(i, j)`: packets from node `i` are not received by node `j`.

use tribunal_harness::seed::Draw;
use tribunal_history::NodeId;

/// Directed cuts.
pub type Cuts = Vec<(NodeId, NodeId)>;

/// A named way to cut a cluster in pieces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Shape {
    /// A random half against the rest, both directions.
    Halves,
    /// One random node alone.
    One,
    /// `floor((n-1)/2)` random nodes against the rest.
    Minority,
    /// Less than a third of the nodes against the rest: as many as byzantine protocols bear.
    MinorityThird,
    /// Every node sees a majority, no two the same one.
    Ring,
    /// Two halves joined by one node that sees all.
    Bridge,
    /// Packets from one part to the rest are lost; the way back is open.
    OneWay,
    /// Two nodes that do not see each other, and a third that sees both; of as many nodes as there
    /// are, some triples, no node in two of them.
    NonTransitive,
    /// Each directed link cut or not, with one probability for all.
    Random,
    /// Halves, toggled on and off.
    Flapping,
    /// Every node the target names as primary, each alone; decided when it happens.
    Primaries,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 11] = [
        Shape::Halves,
        Shape::One,
        Shape::Minority,
        Shape::MinorityThird,
        Shape::Ring,
        Shape::Bridge,
        Shape::OneWay,
        Shape::NonTransitive,
        Shape::Random,
        Shape::Flapping,
        Shape::Primaries,
    ];

    /// Name in suites and reports.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Halves => "halves",
            Shape::One => "one",
            Shape::Minority => "majority-minority",
            Shape::MinorityThird => "minority-third",
            Shape::Ring => "majorities-ring",
            Shape::Bridge => "bridge",
            Shape::OneWay => "one-way",
            Shape::NonTransitive => "non-transitive",
            Shape::Random => "random",
            Shape::Flapping => "flapping",
            Shape::Primaries => "primaries",
        }
    }

    /// By name.
    pub fn parse(name: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// Least number of nodes that can carry the shape.
    pub fn least_nodes(self) -> usize {
        match self {
            Shape::Halves | Shape::One | Shape::OneWay | Shape::Flapping | Shape::Primaries => 2,
            Shape::Minority | Shape::Bridge | Shape::NonTransitive | Shape::Random => 3,
            Shape::Ring | Shape::MinorityThird => 4,
        }
    }

    /// The cuts of this shape among `n` nodes; none for [`Shape::Primaries`], which needs
    /// [`isolate`] once the primaries are known.
    ///
    /// # Errors
    /// Too few nodes, as a sentence.
    pub fn cuts(self, n: usize, draw: &mut Draw) -> Result<Cuts, String> {
        if n < self.least_nodes() {
            let (name, least) = (self.name(), self.least_nodes());
            return Err(format!(
                "shape {name} needs {least} nodes, the cluster has {n}: bring up more nodes, or \
                 leave it out"
            ));
        }
        let order = draw.permutation(n);
        Ok(match self {
            Shape::Halves | Shape::Flapping => both_ways(&order[..n / 2], &order[n / 2..]),
            Shape::One => both_ways(&order[..1], &order[1..]),
            Shape::Minority => both_ways(&order[..(n - 1) / 2], &order[(n - 1) / 2..]),
            Shape::MinorityThird => {
                let (few, rest) = order.split_at(n.div_ceil(3) - 1);
                both_ways(few, rest)
            }
            Shape::Ring => ring(&order),
            Shape::Bridge => {
                let sides = &order[1..];
                both_ways(&sides[..(n - 1) / 2], &sides[(n - 1) / 2..])
            }
            Shape::OneWay => {
                let part = 1 + draw.below((n / 2) as u64) as usize;
                let (from, to) = order.split_at(part);
                if draw.below(2) == 0 { one_way(from, to) } else { one_way(to, from) }
            }
            Shape::NonTransitive => {
                let triples = 1 + draw.below((n / 3) as u64) as usize;
                let apart = order.chunks_exact(3).take(triples);
                let mut cuts: Cuts =
                    apart.flat_map(|three| both_ways(&three[..1], &three[2..])).collect();
                cuts.sort_unstable();
                cuts
            }
            Shape::Random => random(&order, draw),
            Shape::Primaries => Vec::new(),
        })
    }
}

/// Each of `alone` cut off from every other node, both directions.
pub fn isolate(alone: &[NodeId], n: usize) -> Cuts {
    let mut cuts = Cuts::new();
    for one in alone.iter().map(|node| usize::from(node.0)) {
        let rest: Vec<usize> = (0..n).filter(|other| *other != one).collect();
        cuts.extend(both_ways(&[one], &rest));
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Nodes that cannot exchange a packet with a majority (themselves included).
pub fn cut_off(cuts: &Cuts, n: usize) -> Vec<NodeId> {
    let open = |i: usize, j: usize| {
        let (i, j) = (NodeId(i as u16), NodeId(j as u16));
        !cuts.contains(&(i, j)) && !cuts.contains(&(j, i))
    };
    (0..n)
        .filter(|&i| (0..n).filter(|&j| i == j || open(i, j)).count() <= n / 2)
        .map(|i| NodeId(i as u16))
        .collect()
}

fn one_way(from: &[usize], to: &[usize]) -> Cuts {
    let pair = |i: usize, j: usize| (NodeId(i as u16), NodeId(j as u16));
    let mut cuts: Cuts = from.iter().flat_map(|&i| to.iter().map(move |&j| pair(i, j))).collect();
    cuts.sort_unstable();
    cuts
}

fn both_ways(one: &[usize], other: &[usize]) -> Cuts {
    let mut cuts = one_way(one, other);
    cuts.extend(one_way(other, one));
    cuts.sort_unstable();
    cuts
}

/// Each directed link with a probability of 20 to 60 percent, drawn first; drawn again where that
/// is no link, or every one.
fn random(order: &[usize], draw: &mut Draw) -> Cuts {
    let links = || order.iter().flat_map(|i| order.iter().map(move |j| (*i, *j)));
    let links = || links().filter(|(i, j)| i != j);
    let percent = 20 + draw.below(41);
    for _ in 0..64 {
        let mut cuts = Cuts::new();
        for (i, j) in links() {
            if draw.below(100) < percent {
                cuts.push((NodeId(i as u16), NodeId(j as u16)));
            }
        }
        if !cuts.is_empty() && cuts.len() < links().count() {
            cuts.sort_unstable();
            return cuts;
        }
    }
    one_way(&order[..1], &order[1..2])
}

/// With `m = floor(n/2) + 1`: the circulant graph of degree `m - 1` on a random ring. An odd degree
/// uses the antipode when `n` is even; when `n` is odd too, the degree is `m`.
fn ring(order: &[usize]) -> Cuts {
    let n = order.len();
    let degree = n / 2;
    let (reach, antipode) = match (degree % 2, n % 2) {
        (0, _) => (degree / 2, false),
        (_, 0) => (degree / 2, true),
        _ => (degree.div_ceil(2), false),
    };
    let sees = |a: usize, b: usize| {
        let gap = (b + n - a) % n;
        gap.min(n - gap) <= reach || (antipode && gap == n / 2)
    };
    let mut cuts = Cuts::new();
    for a in 0..n {
        for b in (0..n).filter(|&b| !sees(a, b)) {
            cuts.push((NodeId(order[a] as u16), NodeId(order[b] as u16)));
        }
    }
    cuts.sort_unstable();
    cuts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use tribunal_harness::seed::Seed;

    use super::*;

    fn cuts(shape: Shape, n: usize, seed: u64) -> Cuts {
        shape.cuts(n, &mut Seed(seed).root().draw(0, 0)).expect("enough nodes")
    }

    fn view(cuts: &Cuts, n: usize, node: usize) -> BTreeSet<usize> {
        let cut = |i: usize, j: usize| cuts.contains(&(NodeId(i as u16), NodeId(j as u16)));
        (0..n).filter(|&j| j == node || (!cut(node, j) && !cut(j, node))).collect()
    }

    #[test]
    fn in_a_ring_all_see_a_majority_and_no_two_the_same() {
        for n in 4..=15 {
            let cuts = cuts(Shape::Ring, n, n as u64);
            let views: BTreeSet<_> = (0..n).map(|node| view(&cuts, n, node)).collect();
            assert_eq!(views.len(), n, "{n} nodes: views are distinct");
            assert!(views.iter().all(|view| view.len() > n / 2), "{n} nodes: majorities");
            assert!(cuts.iter().all(|(i, j)| cuts.contains(&(*j, *i))), "{n} nodes: symmetric");
        }
    }

    #[test]
    fn a_bridge_sees_all_and_joins_two_sides_that_do_not() {
        for n in 3..=9 {
            let cuts = cuts(Shape::Bridge, n, 3);
            let bridges = (0..n).filter(|&node| view(&cuts, n, node).len() == n).count();
            assert_eq!(bridges, 1, "{n} nodes");
        }
    }

    #[test]
    fn a_minority_third_is_less_than_a_third() {
        for n in 4..=15 {
            let cuts = cuts(Shape::MinorityThird, n, 3);
            let few = (0..n).filter(|&node| view(&cuts, n, node).len() < n.div_ceil(2)).count();
            assert!(few > 0 && 3 * few < n, "{n} nodes: {few}");
            assert!(3 * (few + 1) >= n, "{n} nodes: as many as may be");
        }
    }

    #[test]
    fn in_a_non_transitive_cluster_somebody_sees_two_that_do_not_see_each_other() {
        for n in 3..=9 {
            for seed in 0..20 {
                let cuts = cuts(Shape::NonTransitive, n, seed);
                assert!(cuts.len() >= 2 && cuts.len() <= 2 * (n / 3), "{n} nodes: {cuts:?}");
                for (i, j) in &cuts {
                    let (i, j) = (usize::from(i.0), usize::from(j.0));
                    assert!(!view(&cuts, n, i).contains(&j));
                    let both = (0..n)
                        .filter(|&k| k != i && k != j)
                        .any(|k| view(&cuts, n, i).contains(&k) && view(&cuts, n, j).contains(&k));
                    assert!(both, "{n} nodes: {cuts:?}");
                    assert_eq!(view(&cuts, n, i).len(), n - 1, "each loses one");
                }
            }
        }
    }

    /// One way alone now and then, which halves never are.
    #[test]
    fn random_links_are_cut_one_by_one() {
        let lone = (0..50).filter(|seed| {
            let cuts = cuts(Shape::Random, 4, *seed);
            cuts.iter().any(|(i, j)| !cuts.contains(&(*j, *i)))
        });
        assert!(lone.count() > 40);
    }

    #[test]
    fn too_few_nodes_are_refused() {
        let error = Shape::Ring.cuts(3, &mut Seed(1).root().draw(0, 0)).unwrap_err();
        assert!(error.starts_with("shape majorities-ring needs 4 nodes, the cluster has 3: bring"));
    }

    proptest! {
        #[test]
        fn every_shape_cuts_something_and_never_everything(seed: u64, n in 4usize..10) {
            for shape in Shape::ALL {
                let cuts = cuts(shape, n, seed);
                prop_assert_eq!(cuts.is_empty(), shape == Shape::Primaries);
                prop_assert!(cuts.len() < n * (n - 1));
                prop_assert!(cuts.iter().all(|(i, j)| i != j));
            }
        }

        #[test]
        fn one_way_leaves_the_way_back_open(seed: u64, n in 2usize..10) {
            let cuts = cuts(Shape::OneWay, n, seed);
            prop_assert!(cuts.iter().all(|(i, j)| !cuts.contains(&(*j, *i))));
        }

        #[test]
        fn a_minority_is_cut_off_and_the_majority_is_not(seed: u64, n in 3usize..10) {
            let cuts = cuts(Shape::Minority, n, seed);
            prop_assert_eq!(cut_off(&cuts, n).len(), (n - 1) / 2);
        }
    }
}
