//! `concurrency_limit`: no more than so many at once.

use super::wrap::{Own, plain};
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct ConcurrencyLimit {
    limit: u32,
    own: Own,
    child: Gen,
}

/// Pending while `n` operations of `child` are running.
pub fn concurrency_limit(n: u32, child: Gen) -> Gen {
    Box::new(ConcurrencyLimit { limit: n, own: Own::default(), child })
}

impl Generator for ConcurrencyLimit {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("concurrency_limit"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.own.running() >= self.limit {
            return Next::Pending { until: None };
        }
        let next = self.child.next(cx);
        self.own.offered(&next);
        next
    }

    fn commit(&mut self) {
        self.own.commit();
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.own.completes(event);
        self.child.observe(cx, event);
    }

    plain!("concurrency_limit", child);
}
