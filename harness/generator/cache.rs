//! `cache`: a child that is dear to ask.

use tribunal_history::Nanos;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct Cache {
    period: Nanos,
    kept: Option<(Nanos, Next)>,
    child: Gen,
}

/// Repeats the answer of `child` for `period` instead of asking again, until it is adopted. What
/// happened meanwhile may be noticed that much later. An answer whose slot is taken is not
/// repeated, nor is a wait for completions when there are none to wait for.
pub fn cache(period: Nanos, child: Gen) -> Gen {
    Box::new(Cache { period, kept: None, child })
}

impl Cache {
    fn still_good(&self, cx: &Context<'_>) -> Option<Next> {
        let (asked, next) = self.kept.as_ref()?;
        let fresh = cx.time < asked.saturating_add(self.period) && cx.time >= *asked;
        let possible = match next {
            Next::Invoke { slot, .. } => cx.free.contains(*slot),
            Next::Pending { until: Some(until) } => cx.time < *until,
            Next::Pending { until: None } => cx.free.len() < cx.usable.len(),
            Next::Note { .. } | Next::Mark { .. } | Next::Done => true,
        };
        (fresh && possible).then(|| next.clone().wake_by(asked.saturating_add(self.period)))
    }
}

impl Generator for Cache {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("cache"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if let Some(next) = self.still_good(cx) {
            return next;
        }
        let next = self.child.next(cx);
        self.kept = Some((cx.time, next));
        self.still_good(cx).unwrap_or_else(|| match &self.kept {
            Some((_, next)) => next.clone(),
            None => Next::Done,
        })
    }

    fn commit(&mut self) {
        self.kept = None;
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("cache", child);
}
