//! `phases`, `then` and `synchronize`: barriers.

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation, concat::concat};
use crate::seed::Stream;

#[derive(Clone)]
struct Synchronize {
    begun: bool,
    child: Gen,
}

/// Each part begins when the one before has ended **and** every slot of the context is free.
pub fn phases(parts: Vec<Gen>) -> Gen {
    concat(parts.into_iter().map(synchronize).collect())
}

/// Two phases.
pub fn then(first: Gen, second: Gen) -> Gen {
    phases(vec![first, second])
}

/// Pending until every slot of the context is free, then `child`.
pub fn synchronize(child: Gen) -> Gen {
    Box::new(Synchronize { begun: false, child })
}

impl Generator for Synchronize {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("synchronize"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.begun || cx.free.len() == cx.usable.len() {
            self.child.next(cx)
        } else {
            Next::Pending { until: None }
        }
    }

    fn commit(&mut self) {
        self.begun = true;
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("synchronize", child);
}
