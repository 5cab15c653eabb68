//! `filter`: some of the operations only.

use std::sync::Arc;

use tribunal_history::{ErrorClass, Kind, Op};

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

/// Rejections in a row after which the filter is taken for a mistake of the workload.
const REJECTIONS_MAX: u32 = 100_000;

#[derive(Clone)]
struct Filter {
    keep: Arc<dyn Fn(&Op) -> bool + Send + Sync>,
    child: Gen,
}

/// Only the operations for which `keep` holds; `keep` must be pure. To `child` a rejected one was
/// invoked and failed at once with the class `filtered`, so that what it counts stays right.
/// Notes and marks pass.
///
/// # Panics
/// When 100,000 operations in a row are rejected.
pub fn filter(keep: impl Fn(&Op) -> bool + Send + Sync + 'static, child: Gen) -> Gen {
    Box::new(Filter { keep: Arc::new(keep), child })
}

impl Filter {
    fn reject(&mut self, cx: &Context<'_>, slot: u32, op: &Op) {
        self.child.commit();
        let process = cx.processes[slot as usize];
        let error = ErrorClass::new("filtered");
        let invoke =
            Observation { time: cx.time, slot, process, kind: Kind::Invoke, op, error: None };
        self.child.observe(cx, &invoke);
        let fail = Observation { kind: Kind::Fail, error: Some(&error), ..invoke };
        self.child.observe(cx, &fail);
    }
}

impl Generator for Filter {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("filter"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        for _ in 0..REJECTIONS_MAX {
            match self.child.next(cx) {
                // One that is not due yet is judged when it is: rejecting it now would let a
                // paced child run through its whole future in one call.
                Next::Invoke { at, op, .. } if at > cx.time && !(self.keep)(&op) => {
                    return Next::Pending { until: Some(at) };
                }
                Next::Invoke { slot, op, .. } if !(self.keep)(&op) => self.reject(cx, slot, &op),
                next => return next,
            }
        }
        panic!("filter rejected {REJECTIONS_MAX} operations in a row; it may never accept one")
    }

    fn commit(&mut self) {
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("filter", child);
}
