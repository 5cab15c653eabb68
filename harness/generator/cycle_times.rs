//! `cycle_times`: children by the clock.

use tribunal_history::Nanos;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct CycleTimes {
    table: Vec<(Nanos, Gen)>,
    period: u64,
    start: Option<Nanos>,
    offered: Nanos,
    chosen: usize,
    done: bool,
}

/// The first child for its time, then the second for its own ..., and again from the first. The
/// clock starts at the first commit; what the children were doing goes on when their time comes
/// again. Ends when the child whose time it is has ended.
///
/// # Panics
/// When the times add up to nothing.
pub fn cycle_times(table: Vec<(Nanos, Gen)>) -> Gen {
    let period = table.iter().map(|(dt, _)| dt.0).sum();
    assert!(period > 0, "a cycle of no duration has no order");
    Box::new(CycleTimes { table, period, start: None, offered: Nanos(0), chosen: 0, done: false })
}

impl CycleTimes {
    /// Whose time it is, and when that ends. Before the clock starts it is the first with any.
    fn turn(&self, now: Nanos) -> (usize, Option<Nanos>) {
        let start = self.start.unwrap_or(now);
        let mut rest = now.saturating_sub(start).0 % self.period;
        let mut end = now.0 - rest;
        for (at, (dt, _)) in self.table.iter().enumerate() {
            end = end.saturating_add(dt.0);
            if rest < dt.0 {
                return (at, self.start.is_some().then_some(Nanos(end)));
            }
            rest -= dt.0;
        }
        unreachable!("the remainder is less than the sum of the table")
    }
}

impl Generator for CycleTimes {
    fn bind(&mut self, stream: &Stream) {
        for (at, (_, child)) in self.table.iter_mut().enumerate() {
            child.bind(&stream.child(&format!("cycle_times/{at}")));
        }
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.done {
            return Next::Done;
        }
        let (turn, end) = self.turn(cx.time);
        self.chosen = turn;
        let next = self.table[turn].1.next(cx);
        self.done = next == Next::Done;
        let due = next.due().map(|due| due.max(cx.time));
        self.offered = due.unwrap_or(cx.time);
        match (end, due) {
            (Some(end), Some(due)) if due >= end => Next::Pending { until: Some(end) },
            (Some(end), None) => next.wake_by(end),
            (_, _) => next,
        }
    }

    fn commit(&mut self) {
        self.start.get_or_insert(self.offered);
        self.table[self.chosen].1.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.table.iter_mut().for_each(|(_, child)| child.observe(cx, event));
    }

    plain!("cycle_times");

    fn children(&self) -> Vec<&dyn Generator> {
        self.table.iter().map(|(_, child)| &**child).collect()
    }
}
