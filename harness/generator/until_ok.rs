//! `until_ok`: until it worked once.

use tribunal_history::Kind;

use super::wrap::{Own, plain};
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct UntilOk {
    own: Own,
    done: bool,
    child: Gen,
}

/// Ends when one of its own operations completes `ok`. Others that run then are not cut.
pub fn until_ok(child: Gen) -> Gen {
    Box::new(UntilOk { own: Own::default(), done: false, child })
}

impl Generator for UntilOk {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("until_ok"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.done {
            return Next::Done;
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
        self.done |= self.own.completes(event) && event.kind == Kind::Ok;
        self.child.observe(cx, event);
    }

    plain!("until_ok", child);
}
