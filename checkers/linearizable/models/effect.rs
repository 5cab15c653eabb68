//! What an operation asserts by its outcome: the part every data type reads alike.

use tribunal_history::{Observed, Operation, Outcome, Value};

use crate::linearizable::{Dialect, Interpreted, NilRead};

/// An operation that changes its object: `told` with its answer where it ended `ok`; where nobody
/// knows whether it took effect, `untold`. A `fail` did not happen.
pub(super) fn change<O>(
    operation: &Operation<'_>,
    told: impl FnOnce() -> O,
    untold: impl FnOnce() -> O,
) -> Interpreted<O> {
    match operation.outcome() {
        Outcome::Ok => Interpreted::Completed(told()),
        Outcome::Info | Outcome::Open => Interpreted::Crashed(untold()),
        Outcome::Fail => Interpreted::Nothing,
    }
}

/// An operation that only looks: without an answer it asserts nothing, whatever its outcome.
pub(super) fn look<O>(operation: &Operation<'_>, answer: Option<O>) -> Interpreted<O> {
    match (operation.outcome(), answer) {
        (Outcome::Ok, Some(answer)) => Interpreted::Completed(answer),
        (Outcome::Ok, None) | (Outcome::Fail | Outcome::Info | Outcome::Open, _) => {
            Interpreted::Nothing
        }
    }
}

/// What was seen, with nothing there as `None` where the dialect says that it is an answer.
pub(super) fn seen(value: Observed<Value>, dialect: Dialect) -> Option<Option<Value>> {
    match (value, dialect.nil_read) {
        (Observed::Present(value), _) => Some(Some(value)),
        (Observed::Absent, NilRead::Asserts) => Some(None),
        (Observed::Absent, NilRead::Unknown) | (Observed::Pending, _) => None,
    }
}

/// The same of an object for which nil is nothing there, however it is written.
pub(super) fn seen_there(value: Observed<Value>, dialect: Dialect) -> Option<Option<Value>> {
    match value {
        Observed::Present(Value::Nil) => seen(Observed::Absent, dialect),
        value => seen(value, dialect),
    }
}
