//! `any` and `shortest_any`: whichever child is ready first.

use super::ballot::{Ballot, Race};
use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::{Draws, Stream};

#[derive(Clone)]
struct Any {
    branches: Vec<Option<Gen>>,
    /// Who takes part in the draw: as of the last commit, so that looking changes nothing.
    drawn: Vec<u64>,
    shortest: bool,
    done: bool,
    draws: Draws,
    committed: u64,
    chosen: usize,
    ballot: Ballot,
}

/// The earliest offer of all children, which see the same context; ties are broken evenly. Ends
/// when all have ended.
pub fn any(children: Vec<Gen>) -> Gen {
    build(children, false)
}

/// As [`any`], but ends when one of them ends.
pub fn shortest_any(children: Vec<Gen>) -> Gen {
    build(children, true)
}

fn build(children: Vec<Gen>, shortest: bool) -> Gen {
    Box::new(Any {
        done: children.is_empty(),
        drawn: vec![1; children.len()],
        branches: children.into_iter().map(Some).collect(),
        shortest,
        draws: Draws::unbound(),
        committed: 0,
        chosen: 0,
        ballot: Ballot::default(),
    })
}

impl Any {
    /// Asks in drawn order, so that the first of equals is an even choice. `shortest_any` asks all
    /// even when one is ready: the end of any one ends the whole.
    fn earliest(&mut self, cx: &Context<'_>) -> Next {
        let mut draw = self.draws.at(self.committed);
        self.ballot.load(self.drawn.iter().copied());
        let mut race = Race::new(cx.time);
        while let Some(at) = self.ballot.pick(&mut draw) {
            let Some(child) = &mut self.branches[at] else { continue };
            let next = child.next(cx);
            if next == Next::Done {
                self.branches[at] = None;
                if self.shortest {
                    return Next::Done;
                }
            }
            if race.enter(at, next) && !self.shortest {
                break;
            }
        }
        let (chosen, next) = race.finish();
        self.chosen = chosen;
        next
    }
}

impl Generator for Any {
    fn bind(&mut self, stream: &Stream) {
        self.draws = Draws::new(stream, 0);
        for (at, branch) in self.branches.iter_mut().enumerate() {
            branch.iter_mut().for_each(|child| child.bind(&stream.child(&format!("any/{at}"))));
        }
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.done {
            return Next::Done;
        }
        let next = self.earliest(cx);
        self.done = next == Next::Done;
        next
    }

    fn commit(&mut self) {
        self.committed += 1;
        self.branches[self.chosen].iter_mut().for_each(|child| child.commit());
        for (drawn, branch) in self.drawn.iter_mut().zip(&self.branches) {
            *drawn = u64::from(branch.is_some());
        }
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.branches.iter_mut().flatten().for_each(|child| child.observe(cx, event));
    }

    plain!("any");

    fn children(&self) -> Vec<&dyn Generator> {
        self.branches.iter().flatten().map(|child| &**child).collect()
    }
}
