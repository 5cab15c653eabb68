//! `reserve`: ranges of slots for branches of their own.

use super::ballot::{Ballot, Race};
use super::wrap::{Lens, plain};
use super::{Context, Gen, Generator, Next, Observation, SlotSet};
use crate::seed::{Draws, Stream};

#[derive(Clone)]
struct Branch {
    /// `None`: the rest.
    want: Option<u32>,
    slots: SlotSet,
    child: Gen,
    lens: Lens,
    done: bool,
    /// `done` as of the last commit: who takes part in the draw. Looking changes nothing.
    out: bool,
}

#[derive(Clone)]
struct Reserve {
    branches: Vec<Branch>,
    divided: SlotSet,
    draws: Draws,
    committed: u64,
    chosen: usize,
    ballot: Ballot,
}

/// Gives each `(n, child)` the next `n` slots **of the enclosing context** and `default` the rest.
/// A child sees its own slots and their events only. Ties are broken by number of slots. Ends when
/// all children with slots have ended.
///
/// In Jepsen ranges are counted from slot zero, so a reserve inside a reserve is wrong.
pub fn reserve(branches: Vec<(u32, Gen)>, default: Gen) -> Gen {
    let branch = |want, child| Branch {
        want,
        slots: SlotSet::default(),
        child,
        lens: Lens::default(),
        done: false,
        out: false,
    };
    let mut all: Vec<Branch> =
        branches.into_iter().map(|(n, child)| branch(Some(n), child)).collect();
    all.push(branch(None, default));
    Box::new(Reserve {
        branches: all,
        divided: SlotSet::default(),
        draws: Draws::unbound(),
        committed: 0,
        chosen: 0,
        ballot: Ballot::default(),
    })
}

impl Reserve {
    fn divide(&mut self, usable: &SlotSet) {
        if self.divided == *usable {
            return;
        }
        self.divided = usable.clone();
        let mut slots = usable.iter();
        for branch in &mut self.branches {
            let want = branch.want.unwrap_or(u32::MAX) as usize;
            branch.slots = slots.by_ref().take(want).collect();
        }
    }
}

impl Generator for Reserve {
    fn bind(&mut self, stream: &Stream) {
        self.draws = Draws::new(stream, 0);
        for (at, branch) in self.branches.iter_mut().enumerate() {
            branch.child.bind(&stream.child(&format!("reserve/{at}")));
        }
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        self.divide(cx.usable);
        let weight = |branch: &Branch| if branch.out { 0 } else { u64::from(branch.slots.len()) };
        self.ballot.load(self.branches.iter().map(weight));
        let mut draw = self.draws.at(self.committed);
        let mut race = Race::new(cx.time);
        while let Some(at) = self.ballot.pick(&mut draw) {
            let branch = &mut self.branches[at];
            let next = branch.child.next(&branch.lens.restrict(cx, &branch.slots));
            branch.done = next == Next::Done;
            if race.enter(at, next) {
                break;
            }
        }
        let (chosen, next) = race.finish();
        self.chosen = chosen;
        next
    }

    fn commit(&mut self) {
        self.committed += 1;
        self.branches[self.chosen].child.commit();
        self.branches.iter_mut().for_each(|branch| branch.out = branch.done);
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.divide(cx.usable);
        for branch in self.branches.iter_mut().filter(|branch| branch.slots.contains(event.slot)) {
            branch.child.observe(&branch.lens.restrict(cx, &branch.slots), event);
        }
    }

    plain!("reserve");

    fn children(&self) -> Vec<&dyn Generator> {
        self.branches.iter().filter(|branch| !branch.done).map(|branch| &*branch.child).collect()
    }
}
