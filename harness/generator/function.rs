//! `function`: operations made on demand.

use std::sync::Arc;

use tribunal_history::{Nanos, Op, Process};

use super::seat::Seat;
use super::wrap::plain;
use super::{Context, Gen, Generator, Next};
use crate::seed::{Draw, Stream};

/// What a function may base its operation on. Nothing else: it must be pure, because an offer may
/// be asked for many times before it is adopted, with these same inputs.
#[derive(Debug)]
pub struct Call {
    /// Numbers of this operation alone.
    pub draw: Draw,
    /// How many operations of this function were adopted before.
    pub ordinal: u64,
    /// Now.
    pub time: Nanos,
    /// Where it will run.
    pub slot: u32,
    /// Who will run it.
    pub process: Process,
}

type Make = dyn Fn(&mut Call) -> Option<Op> + Send + Sync;

#[derive(Clone)]
struct Function {
    make: Arc<Make>,
    seat: Seat,
    done: bool,
}

/// Calls `make` for every operation, for ever.
pub fn function(make: impl Fn(&mut Call) -> Op + Send + Sync + 'static) -> Gen {
    function_until(move |call| Some(make(call)))
}

/// Calls `make` for every operation until it answers `None`, which is final.
pub fn function_until(make: impl Fn(&mut Call) -> Option<Op> + Send + Sync + 'static) -> Gen {
    Box::new(Function { make: Arc::new(make), seat: Seat::unbound(), done: false })
}

impl Generator for Function {
    fn bind(&mut self, stream: &Stream) {
        self.seat.bind(stream);
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.done {
            return Next::Done;
        }
        let Some(slot) = self.seat.pick(cx) else { return Next::Pending { until: None } };
        let mut call = Call {
            draw: self.seat.draw(),
            ordinal: self.seat.committed(),
            time: cx.time,
            slot,
            process: cx.processes[slot as usize],
        };
        match (self.make)(&mut call) {
            Some(op) => Next::Invoke { slot, at: cx.time, node: None, op },
            None => {
                self.done = true;
                Next::Done
            }
        }
    }

    fn commit(&mut self) {
        self.seat.commit();
    }

    plain!("function");
}
