//! As `crash`, after `write X; write 0` with an X that nobody else writes, and the last read found
//! X: no rule that looks for values never written sees it.

use tribunal_history::codec::SOLE_KEY;
use tribunal_history::{Op, Outcome, Process, RegisterOp, Value};

use super::event::{Event, Step};
use super::falsify::last_read;
use super::family::{Expected, Family};
use super::{crash, small_register};

pub(super) const FAMILY: Family = Family {
    name: "crashlate",
    summary: "as crash, and a late read of a value overwritten before everything else",
    expected: Expected::Invalid,
    events: |shape, each| {
        let unused = small_register::DOMAIN as i64;
        for value in [unused, 0] {
            let op = Op::Register(RegisterOp::Write { key: SOLE_KEY, value: Value::Int(value) });
            let process = Process(u32::MAX >> 1);
            each(Event { process, step: Step::Invoke(op.clone()) });
            each(Event { process, step: Step::Complete(Outcome::Ok, op) });
        }
        let mut events = small_register::all(shape);
        *last_read(&mut events).value = unused;
        events.into_iter().for_each(each);
    },
    ..crash::FAMILY
};
