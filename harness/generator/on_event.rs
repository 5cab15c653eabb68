//! `on_event`: until something happens.

use std::sync::Arc;

use super::wrap::{Own, plain};
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

type Matches = dyn Fn(&Observation<'_>) -> bool + Send + Sync;

#[derive(Clone)]
struct OnEvent {
    matches: Arc<Matches>,
    switched: bool,
    done: bool,
    own: Own,
    before: Gen,
    after: Gen,
}

/// `before` until an observed event matches, then `after` for good. Both see every event, the
/// matching one too. Ends with `before` when that ends and none of its running operations brings
/// the event.
pub fn on_event(
    matches: impl Fn(&Observation<'_>) -> bool + Send + Sync + 'static,
    before: Gen,
    after: Gen,
) -> Gen {
    Box::new(OnEvent {
        matches: Arc::new(matches),
        switched: false,
        done: false,
        own: Own::default(),
        before,
        after,
    })
}

impl OnEvent {
    fn current(&mut self) -> &mut Gen {
        if self.switched { &mut self.after } else { &mut self.before }
    }
}

impl Generator for OnEvent {
    fn bind(&mut self, stream: &Stream) {
        self.before.bind(&stream.child("on_event/before"));
        self.after.bind(&stream.child("on_event/after"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.done {
            return Next::Done;
        }
        let next = self.current().next(cx);
        if next == Next::Done && !self.switched && self.own.running() > 0 {
            return Next::Pending { until: None };
        }
        self.done = next == Next::Done;
        self.own.offered(&next);
        next
    }

    fn commit(&mut self) {
        self.own.commit();
        self.current().commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.own.completes(event);
        self.switched |= !self.done && (self.matches)(event);
        self.before.observe(cx, event);
        self.after.observe(cx, event);
    }

    plain!("on_event");

    fn children(&self) -> Vec<&dyn Generator> {
        vec![if self.switched { &*self.after } else { &*self.before }]
    }
}
