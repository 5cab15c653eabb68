//! Elements of which the adding and the removing crash, and a read of the whole set with one that
//! nobody added. What a check holds of such a history is sets.

use tribunal_history::codec::SOLE_KEY;
use tribunal_history::{Observed, Op, Outcome, Process, SetOp, Value};

use super::event::{Event, Step};
use super::family::{Expected, Family};
use super::random::Random;

pub(super) const FAMILY: Family = Family {
    name: "crashed-elements",
    summary: "adds and removes that all crash, and a whole read with an element nobody added",
    model: "set",
    initial: "",
    expected: Expected::Invalid,
    clients: 1,
    crashes_per_mille: 1_000,
    events: |shape, each| {
        let random = &mut Random::new(shape.seed);
        let half = shape.operations as i64 / 2;
        for at in 0..shape.operations as u32 {
            let (key, element) = (SOLE_KEY, Value::Int(i64::from(at) % half.max(1)));
            let op = Op::Set(match i64::from(at) < half {
                true => SetOp::Add { key, element, added: Observed::Pending },
                false => SetOp::Remove { key, element, removed: Observed::Pending },
            });
            each(Event { process: Process(at), step: Step::Invoke(op) });
        }
        let process = Process(shape.operations as u32);
        let read = |elements| Op::Set(SetOp::Read { key: SOLE_KEY, elements });
        each(Event { process, step: Step::Invoke(read(Observed::Pending)) });
        let mut seen: Vec<Value> =
            (0..half).filter(|_| random.below(2) == 0).map(Value::Int).collect();
        seen.push(Value::Int(half));
        let seen = read(Observed::Present(seen));
        each(Event { process, step: Step::Complete(Outcome::Ok, seen) });
    },
};
