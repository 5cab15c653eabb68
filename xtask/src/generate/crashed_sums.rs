//! Additions to a counter that all crash, and a read of what no sum of them is: every subset makes
//! another state. What a check holds of such a history is states.

use tribunal_history::codec::SOLE_KEY;
use tribunal_history::{CounterOp, Observed, Op, Outcome, Process};

use super::event::{Event, Step};
use super::family::{Expected, Family};
use super::random::Random;

pub(super) const FAMILY: Family = Family {
    name: "crashed-sums",
    summary: "additions to a counter that all crash, and a read of none of their sums",
    model: "pn-counter",
    initial: "",
    expected: Expected::Invalid,
    clients: 1,
    crashes_per_mille: 1_000,
    events: |shape, each| {
        let random = &mut Random::new(shape.seed);
        for process in 0..shape.operations as u32 {
            let (delta, value) = (1 + random.below(1 << 30) as i64, Observed::Pending);
            let add = Op::Counter(CounterOp::Add { key: SOLE_KEY, delta, value });
            each(Event { process: Process(process), step: Step::Invoke(add) });
        }
        let process = Process(shape.operations as u32);
        let read = |value| Op::Counter(CounterOp::Read { key: SOLE_KEY, value });
        each(Event { process, step: Step::Invoke(read(Observed::Pending)) });
        let seen = read(Observed::Present(-1));
        each(Event { process, step: Step::Complete(Outcome::Ok, seen) });
    },
};
