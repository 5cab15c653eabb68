//! `op` and `sequence`: given operations in the order given.

use tribunal_history::Op;

use super::seat::Seat;
use super::wrap::plain;
use super::{Context, Gen, Generator, Next};
use crate::seed::Stream;

#[derive(Clone)]
struct Sequence {
    ops: Vec<Op>,
    seat: Seat,
}

/// Exactly one operation, in any free slot.
pub fn op(op: Op) -> Gen {
    sequence(vec![op])
}

/// The operations in order, each once, each in any free slot. One does not wait for the other.
pub fn sequence(ops: Vec<Op>) -> Gen {
    Box::new(Sequence { ops, seat: Seat::unbound() })
}

impl Generator for Sequence {
    fn bind(&mut self, stream: &Stream) {
        self.seat.bind(stream);
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let Some(op) = self.ops.get(self.seat.committed() as usize) else { return Next::Done };
        match self.seat.pick(cx) {
            Some(slot) => Next::Invoke { slot, at: cx.time, node: None, op: op.clone() },
            None => Next::Pending { until: None },
        }
    }

    fn commit(&mut self) {
        self.seat.commit();
    }

    plain!("sequence");
}
