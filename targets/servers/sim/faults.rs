//! What is broken when: windows like those of the nemesis, in virtual time.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

/// How the network is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A random half against the rest.
    Halves,
    /// One random node alone.
    One,
    /// Every node sees a majority, no two the same one.
    Ring,
    /// From one random part to the rest nothing arrives; the way back is open.
    OneWay,
    /// Every node that believes it leads, each alone.
    Primaries,
}

/// Whom a kill or a pause hits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// One random node.
    One,
    /// `floor((n-1)/2)` random nodes.
    Minority,
    /// `floor(n/2) + 1` random nodes.
    Majority,
    /// Every node.
    All,
    /// Every node that believes it leads.
    Primaries,
}

/// Kind of a window, and the shapes one of which is drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// Cut the network.
    Partition(Vec<Shape>),
    /// Kill now, restart at the end.
    Kill(Vec<Choice>),
    /// Stop now, continue at the end.
    Pause(Vec<Choice>),
    /// Kill in the middle of a write and lose what was not synced; restart at the end.
    PowerCut(Vec<Choice>),
}

/// Windows of one kind, one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// Which.
    pub what: What,
    /// Shortest and longest window, in milliseconds.
    pub hold: (u64, u64),
    /// Shortest and longest pause before each.
    pub recover: (u64, u64),
}

/// A random number of `range`, ends included.
pub(crate) fn within(rng: &mut ChaCha8Rng, range: (u64, u64)) -> u64 {
    range.0 + rng.next_u64() % (range.1.saturating_sub(range.0) + 1)
}

/// One of `items`.
pub(crate) fn pick<T: Copy>(rng: &mut ChaCha8Rng, items: &[T]) -> T {
    items[(rng.next_u64() % items.len() as u64) as usize]
}

fn shuffled(rng: &mut ChaCha8Rng, n: usize) -> Vec<usize> {
    let mut nodes: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        nodes.swap(last, (rng.next_u64() % (last as u64 + 1)) as usize);
    }
    nodes
}

impl Choice {
    /// The nodes.
    pub(crate) fn draw(self, rng: &mut ChaCha8Rng, n: usize, leaders: &[usize]) -> Vec<usize> {
        let count = match self {
            Choice::One => 1,
            Choice::Minority => ((n - 1) / 2).max(1),
            Choice::Majority => n / 2 + 1,
            Choice::All => n,
            Choice::Primaries => return leaders.to_vec(),
        };
        shuffled(rng, n).into_iter().take(count).collect()
    }
}

impl Shape {
    /// Pairs `(from, to)` between which nothing arrives.
    pub(crate) fn draw(
        self,
        rng: &mut ChaCha8Rng,
        n: usize,
        leaders: &[usize],
    ) -> Vec<(usize, usize)> {
        let order = shuffled(rng, n);
        let apart = |part: &[usize], both: bool| {
            let mut cuts = Vec::new();
            for from in part {
                for to in (0..n).filter(|to| !part.contains(to)) {
                    cuts.push((*from, to));
                    if both {
                        cuts.push((to, *from));
                    }
                }
            }
            cuts
        };
        match self {
            Shape::Halves => apart(&order[..n / 2], true),
            Shape::One => apart(&order[..1], true),
            Shape::OneWay => {
                let part = 1 + (rng.next_u64() % (n as u64 - 1)) as usize;
                apart(&order[..part], false)
            }
            Shape::Primaries => leaders.iter().flat_map(|leader| apart(&[*leader], true)).collect(),
            Shape::Ring => {
                let reach = n / 4;
                let mut cuts = Vec::new();
                for i in 0..n {
                    for j in 0..n {
                        let gap = (i + n - j) % n;
                        if gap.min(n - gap) > reach.max(1) {
                            cuts.push((order[i], order[j]));
                        }
                    }
                }
                cuts
            }
        }
    }
}
