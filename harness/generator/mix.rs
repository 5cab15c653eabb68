//! `mix`: a random child for each operation.

use super::ballot::Ballot;
use super::wrap::{earlier, plain};
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::{Draws, Stream};

#[derive(Clone)]
struct Mix {
    branches: Vec<Option<Gen>>,
    /// A branch that ended keeps its weight until the next commit: taking it away at once would
    /// make a second look draw differently from the first (law G1).
    weights: Vec<u64>,
    ended: bool,
    draws: Draws,
    committed: u64,
    chosen: usize,
    ballot: Ballot,
}

/// Draws a child for each operation, all alike. A pending child is passed over and another drawn
/// (in Jepsen it blocks the mix); a child that is done is dropped, and does not shift the draws of
/// the others.
pub fn mix(children: Vec<Gen>) -> Gen {
    weighted_mix(children.into_iter().map(|child| (1, child)).collect())
}

/// As [`mix`], in proportion to whole-number weights. A weight of zero is never drawn, and such a
/// child does not keep the mix alive.
pub fn weighted_mix(children: Vec<(u64, Gen)>) -> Gen {
    let (weights, branches) =
        children.into_iter().map(|(weight, child)| (weight, Some(child))).unzip();
    Box::new(Mix {
        branches,
        weights,
        ended: false,
        draws: Draws::unbound(),
        committed: 0,
        chosen: 0,
        ballot: Ballot::default(),
    })
}

impl Generator for Mix {
    fn bind(&mut self, stream: &Stream) {
        self.draws = Draws::new(stream, 0);
        for (at, branch) in self.branches.iter_mut().enumerate() {
            branch.iter_mut().for_each(|child| child.bind(&stream.child(&format!("mix/{at}"))));
        }
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let mut draw = self.draws.at(self.committed);
        self.ballot.load(self.weights.iter().copied());
        let mut wait = None;
        let mut waiting = false;
        while let Some(at) = self.ballot.pick(&mut draw) {
            let Some(child) = &mut self.branches[at] else { continue };
            match child.next(cx) {
                Next::Done => {
                    self.branches[at] = None;
                    self.ended = true;
                }
                Next::Pending { until } => {
                    wait = earlier(wait, until);
                    waiting = true;
                }
                offer => {
                    self.chosen = at;
                    return offer;
                }
            }
        }
        if waiting { Next::Pending { until: wait } } else { Next::Done }
    }

    fn commit(&mut self) {
        self.committed += 1;
        self.branches[self.chosen].iter_mut().for_each(|child| child.commit());
        if std::mem::take(&mut self.ended) {
            let ended = self.weights.iter_mut().zip(&self.branches).filter(|(_, b)| b.is_none());
            ended.for_each(|(weight, _)| *weight = 0);
        }
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.branches.iter_mut().flatten().for_each(|child| child.observe(cx, event));
    }

    plain!("mix");

    fn children(&self) -> Vec<&dyn Generator> {
        self.branches.iter().flatten().map(|child| &**child).collect()
    }
}
