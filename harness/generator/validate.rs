//! `validate`: the laws a single generator can break, checked as it runs.

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct Validate {
    bound: bool,
    offered: bool,
    done: bool,
    child: Gen,
}

/// Passes everything through, and panics with the broken law: a slot that is not free (G6), an
/// offer after the end (G3), a wait that is over before it began, a node that there is not, an
/// operation that already holds an answer, a commit of nothing. [`super::Simulation`] always wraps
/// in it in debug builds.
pub fn validate(child: Gen) -> Gen {
    Box::new(Validate { bound: false, offered: false, done: false, child })
}

impl Validate {
    fn check(&self, cx: &Context<'_>, next: &Next) {
        assert!(
            !self.done || *next == Next::Done,
            "G3: a generator that was done offers {next:?}; done is absorbing"
        );
        match next {
            Next::Invoke { slot, node, op, .. } => {
                let there = node.is_none_or(|node| node.0 < cx.nodes);
                assert!(there, "{node:?} is none of the {} nodes, {op} was offered", cx.nodes);
                assert!(cx.free.contains(*slot), "G6: slot {slot} is not free, {op} was offered");
                assert!(*op == op.pending(), "`{op}` holds an answer before it was asked");
            }
            Next::Pending { until: Some(until) } => {
                assert!(*until > cx.time, "a wait until {until} was offered at {}", cx.time);
            }
            Next::Pending { until: None } | Next::Note { .. } | Next::Mark { .. } | Next::Done => {}
        }
    }
}

impl Generator for Validate {
    fn bind(&mut self, stream: &Stream) {
        self.bound = true;
        self.child.bind(stream);
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        assert!(self.bound, "bind a generator before asking it");
        let next = self.child.next(cx);
        self.check(cx, &next);
        self.offered = next.due().is_some();
        self.done = next == Next::Done;
        next
    }

    fn commit(&mut self) {
        assert!(self.offered, "a commit must follow an offer");
        self.offered = false;
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("validate", child);
}
