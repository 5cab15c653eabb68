//! `map` and `map_kind`: the same operations, changed.

use std::sync::Arc;

use tribunal_history::Op;

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

#[derive(Clone)]
struct Map {
    change: Arc<dyn Fn(Op) -> Op + Send + Sync>,
    child: Gen,
}

/// Changes every operation of `child`. `change` must be pure. The child sees events with the
/// operation as it was changed.
pub fn map(change: impl Fn(Op) -> Op + Send + Sync + 'static, child: Gen) -> Gen {
    Box::new(Map { change: Arc::new(change), child })
}

/// As [`map`], for the operations called `kind` (`read`, `write`, `cas`, `txn`); the others pass.
pub fn map_kind(
    kind: &'static str,
    change: impl Fn(Op) -> Op + Send + Sync + 'static,
    child: Gen,
) -> Gen {
    map(move |op| if op.name() == kind { change(op) } else { op }, child)
}

impl Generator for Map {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("map"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        match self.child.next(cx) {
            Next::Invoke { slot, at, node, op } => {
                Next::Invoke { slot, at, node, op: (self.change)(op) }
            }
            other => other,
        }
    }

    fn commit(&mut self) {
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("map", child);
}
