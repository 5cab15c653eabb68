//! What `stagger`, `poisson` and `delay` share: a time before which the next operation waits.

use std::sync::Arc;

use tribunal_history::Nanos;

use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::{Draw, Draws, Stream};

/// The gap after an operation.
#[derive(Clone)]
pub(super) enum Gaps {
    /// Drawn; counted from when the operation was due or could be offered, whichever is later.
    Random(Arc<dyn Fn(&mut Draw) -> u64 + Send + Sync>),
    /// Counted from when the operation was due.
    Fixed(Nanos),
}

#[derive(Clone)]
struct Paced {
    name: &'static str,
    gaps: Gaps,
    draws: Draws,
    committed: u64,
    /// When the next operation is due; `None` before the first.
    due: Option<Nanos>,
    offered: Nanos,
    child: Gen,
}

pub(super) fn paced(name: &'static str, gaps: Gaps, child: Gen) -> Gen {
    let draws = Draws::unbound();
    Box::new(Paced { name, gaps, draws, committed: 0, due: None, offered: Nanos(0), child })
}

impl Generator for Paced {
    fn bind(&mut self, stream: &Stream) {
        self.draws = Draws::new(stream, 0);
        self.child.bind(&stream.child(self.name));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let next = self.child.next(cx);
        let Some(at) = next.due() else { return next };
        self.offered = at.max(self.due.unwrap_or(at));
        next.at(self.offered)
    }

    fn commit(&mut self) {
        self.due = Some(match &self.gaps {
            Gaps::Random(gap) => {
                let gap = gap(&mut self.draws.at(self.committed));
                self.offered.saturating_add(Nanos(gap))
            }
            Gaps::Fixed(dt) => self.due.unwrap_or(self.offered).saturating_add(*dt),
        });
        self.committed += 1;
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn children(&self) -> Vec<&dyn Generator> {
        vec![&*self.child]
    }
}
