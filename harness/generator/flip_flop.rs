//! `flip_flop`: in turns.

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct FlipFlop {
    a: Gen,
    b: Gen,
    flipped: bool,
    done: bool,
}

/// One operation of `a`, one of `b`, one of `a` ... Ends when the one whose turn it is has ended.
pub fn flip_flop(a: Gen, b: Gen) -> Gen {
    Box::new(FlipFlop { a, b, flipped: false, done: false })
}

impl FlipFlop {
    fn turn(&mut self) -> &mut Gen {
        if self.flipped { &mut self.b } else { &mut self.a }
    }
}

impl Generator for FlipFlop {
    fn bind(&mut self, stream: &Stream) {
        self.a.bind(&stream.child("flip_flop/0"));
        self.b.bind(&stream.child("flip_flop/1"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.done {
            return Next::Done;
        }
        let next = self.turn().next(cx);
        self.done = next == Next::Done;
        next
    }

    fn commit(&mut self) {
        self.turn().commit();
        self.flipped = !self.flipped;
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.a.observe(cx, event);
        self.b.observe(cx, event);
    }

    plain!("flip_flop", a, b);
}
