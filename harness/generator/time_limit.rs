//! `time_limit`: only for so long.

use tribunal_history::Nanos;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct TimeLimit {
    dt: Nanos,
    offered: Nanos,
    cutoff: Option<Nanos>,
    done: bool,
    child: Gen,
}

/// Ends `child` `dt` after its first commit: an offer due at the cutoff or later ends it. What is
/// running then is not cut.
pub fn time_limit(dt: Nanos, child: Gen) -> Gen {
    Box::new(TimeLimit { dt, offered: Nanos(0), cutoff: None, done: false, child })
}

impl Generator for TimeLimit {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("time_limit"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.done || self.cutoff.is_some_and(|cutoff| cx.time >= cutoff) {
            self.done = true;
            return Next::Done;
        }
        let next = self.child.next(cx);
        let due = next.due().map(|due| due.max(cx.time));
        match (self.cutoff, due) {
            (Some(cutoff), Some(due)) if due >= cutoff => {
                self.done = true;
                Next::Done
            }
            (Some(cutoff), None) => next.wake_by(cutoff),
            (_, due) => {
                self.offered = due.unwrap_or(cx.time);
                next
            }
        }
    }

    fn commit(&mut self) {
        self.cutoff.get_or_insert(self.offered.saturating_add(self.dt));
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("time_limit", child);
}
