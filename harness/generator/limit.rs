//! `limit` and `once`: no more than so many.

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct Limit {
    left: u64,
    child: Gen,
}

/// At most `n` commits of `child`; notes and marks count.
pub fn limit(n: u64, child: Gen) -> Gen {
    Box::new(Limit { left: n, child })
}

/// At most one.
pub fn once(child: Gen) -> Gen {
    limit(1, child)
}

impl Generator for Limit {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("limit"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        match self.left {
            0 => Next::Done,
            _ => self.child.next(cx),
        }
    }

    fn commit(&mut self) {
        self.left -= 1;
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("limit", child);
}
