//! `repeat`: the same beginning again and again.

use super::wrap::plain;
use super::{Context, Gen, Generator, Next};
use crate::seed::Stream;

#[derive(Clone)]
struct Repeat {
    template: Gen,
    child: Gen,
    stream: Option<Stream>,
    left: Option<u64>,
    round: u64,
}

/// Offers the first operation of `child` again and again, for ever: the state of `child` never
/// advances, so `repeat(limit(1, g))` does not end.
///
/// Each round has draws of its own: a repeated function is called with fresh numbers and free
/// slots stay uniform. Events do not reach the child, whose state would advance by them.
pub fn repeat(child: Gen) -> Gen {
    build(None, child)
}

/// The first operation of `child`, `n` times.
pub fn repeat_n(n: u64, child: Gen) -> Gen {
    build(Some(n), child)
}

fn build(left: Option<u64>, template: Gen) -> Gen {
    let child = template.fork();
    Box::new(Repeat { template, child, stream: None, left, round: 0 })
}

impl Generator for Repeat {
    fn bind(&mut self, stream: &Stream) {
        let stream = stream.child("repeat");
        self.child.bind(&stream.round(self.round));
        self.stream = Some(stream);
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        match self.left {
            Some(0) => Next::Done,
            Some(_) | None => self.child.next(cx),
        }
    }

    fn commit(&mut self) {
        self.left = self.left.map(|left| left - 1);
        self.round += 1;
        self.child = self.template.fork();
        let stream = self.stream.as_ref().expect("bind a generator before asking it");
        self.child.bind(&stream.round(self.round));
    }

    plain!("repeat", child);
}
