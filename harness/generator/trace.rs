//! `trace`: what a branch is asked and answers.

use std::sync::Arc;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

/// One thing that happened to a traced generator.
#[derive(Clone, Copy, Debug)]
pub enum Trace<'a> {
    /// It was asked and answered. Asking changes nothing and may be repeated.
    Offer(&'a Next),
    /// Its last offer was adopted.
    Commit,
    /// It saw an event.
    Event(&'a Observation<'a>),
}

type Sink = dyn Fn(Trace<'_>) + Send + Sync;

#[derive(Clone)]
struct Traced {
    sink: Arc<Sink>,
    child: Gen,
}

/// Reports everything that happens to `child` to `sink`, which forks share. Changes nothing.
pub fn trace(sink: impl Fn(Trace<'_>) + Send + Sync + 'static, child: Gen) -> Gen {
    Box::new(Traced { sink: Arc::new(sink), child })
}

impl Generator for Traced {
    fn bind(&mut self, stream: &Stream) {
        // Not a path of its own: tracing a branch must not change what it draws.
        self.child.bind(stream);
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let next = self.child.next(cx);
        (self.sink)(Trace::Offer(&next));
        next
    }

    fn commit(&mut self) {
        (self.sink)(Trace::Commit);
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        (self.sink)(Trace::Event(event));
        self.child.observe(cx, event);
    }

    plain!("trace", child);
}
