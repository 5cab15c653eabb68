//! What is done to histories that must not be linearizable.

use std::collections::BTreeMap;

use tribunal_history::{Observed, Op, Outcome, Process, RegisterOp, Value};

use super::event::{Event, Step};

/// What a read found.
pub(super) struct Found<'e> {
    pub(super) value: &'e mut i64,
}

/// The last read that was answered.
///
/// # Panics
/// Where there is none: a history of a few operations can do without.
pub(super) fn last_read(events: &mut [Event]) -> Found<'_> {
    let found = events.iter_mut().rev().find_map(|event| match &mut event.step {
        Step::Complete(Outcome::Ok, Op::Register(RegisterOp::Read { value, .. })) => match value {
            Observed::Present(Value::Int(value)) => Some(Found { value }),
            Observed::Present(_) | Observed::Pending | Observed::Absent => None,
        },
        Step::Complete(..) | Step::Invoke(_) => None,
    });
    found.expect("a read among the operations")
}

/// What the writes and compare-and-sets that were never answered would have written.
pub(super) fn open_writes(events: &[Event]) -> Vec<i64> {
    let mut open: BTreeMap<Process, i64> = BTreeMap::new();
    for event in events {
        match &event.step {
            Step::Complete(..) => {
                open.remove(&event.process);
            }
            Step::Invoke(Op::Register(
                RegisterOp::Write { value: Value::Int(value), .. }
                | RegisterOp::Cas { to: Value::Int(value), .. },
            )) => {
                open.insert(event.process, *value);
            }
            Step::Invoke(_) => {}
        }
    }
    open.into_values().collect()
}
