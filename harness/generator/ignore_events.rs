//! `ignore_events`: a child that does not look.

use super::wrap::plain;
use super::{Context, Gen, Generator, Next};
use crate::seed::Stream;

#[derive(Clone)]
struct IgnoreEvents {
    child: Gen,
}

/// Hides every event from `child`. It still sees which slots are free.
pub fn ignore_events(child: Gen) -> Gen {
    Box::new(IgnoreEvents { child })
}

impl Generator for IgnoreEvents {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("ignore_events"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        self.child.next(cx)
    }

    fn commit(&mut self) {
        self.child.commit();
    }

    plain!("ignore_events", child);
}
