//! `sleep`: nothing for a while.

use tribunal_history::Nanos;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next};
use crate::seed::Stream;

#[derive(Clone)]
struct Sleep {
    dt: Nanos,
    until: Option<Nanos>,
}

/// Pending for `dt`, counted from when it is first asked, then done. No operation, no event.
pub fn sleep(dt: Nanos) -> Gen {
    Box::new(Sleep { dt, until: None })
}

impl Generator for Sleep {
    fn bind(&mut self, _stream: &Stream) {}

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let until = *self.until.get_or_insert(cx.time.saturating_add(self.dt));
        if cx.time >= until { Next::Done } else { Next::Pending { until: Some(until) } }
    }

    fn commit(&mut self) {}

    plain!("sleep");
}
