//! `cycle`: to the end, and then from the beginning.

use tribunal_history::Nanos;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct Cycle {
    template: Gen,
    child: Gen,
    stream: Option<Stream>,
    left: Option<u64>,
    round: u64,
    /// Whether this round offered nothing yet, and since when.
    idle_since: Option<Nanos>,
    fruitless: bool,
    done: bool,
}

/// Runs `child` to its end, then starts it anew, for ever. Round `k` draws from `cycle#k`, so no
/// round repeats the draws of another (in Jepsen it could).
///
/// A round that ends without a commit and without time passing ends the cycle: it would spin.
pub fn cycle(child: Gen) -> Gen {
    build(None, child)
}

/// `n` rounds of `child`.
pub fn cycle_n(n: u64, child: Gen) -> Gen {
    build(Some(n), child)
}

fn build(left: Option<u64>, template: Gen) -> Gen {
    Box::new(Cycle {
        child: template.fork(),
        template,
        stream: None,
        left,
        round: 0,
        idle_since: None,
        fruitless: true,
        done: left == Some(0),
    })
}

impl Cycle {
    fn enter(&mut self) {
        let stream = self.stream.as_ref().expect("bind a generator before asking it");
        self.child.bind(&stream.child(&format!("cycle#{}", self.round)));
    }

    /// Whether there is another round.
    fn restart(&mut self, now: Nanos) -> bool {
        let spun = self.fruitless && self.idle_since == Some(now);
        self.left = self.left.map(|left| left - 1);
        if spun || self.left == Some(0) {
            self.done = true;
            return false;
        }
        self.round += 1;
        self.child = self.template.fork();
        (self.idle_since, self.fruitless) = (Some(now), true);
        self.enter();
        true
    }
}

impl Generator for Cycle {
    fn bind(&mut self, stream: &Stream) {
        self.stream = Some(stream.clone());
        self.enter();
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        self.idle_since.get_or_insert(cx.time);
        while !self.done {
            match self.child.next(cx) {
                Next::Done if self.restart(cx.time) => {}
                Next::Done => break,
                offer => return offer,
            }
        }
        Next::Done
    }

    fn commit(&mut self) {
        self.fruitless = false;
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("cycle", child);
}
