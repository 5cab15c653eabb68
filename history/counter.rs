//! Family `counter`: add to one number, and read it.

use std::fmt;

use crate::{F, Observed, Value};

/// One operation on one counter. A completion is its invocation with `value` filled in.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum CounterOp {
    /// Add `delta`.
    Add {
        /// Which counter.
        key: Value,
        /// What to add; may be negative.
        delta: i64,
        /// The number after the addition; `Pending` if the client is not told.
        value: Observed<i64>,
    },
    /// Read the number.
    Read {
        /// Which counter.
        key: Value,
        /// What was seen; `Pending` until answered.
        value: Observed<i64>,
    },
}

impl CounterOp {
    /// The counter's key.
    pub fn key(&self) -> &Value {
        match self {
            CounterOp::Add { key, .. } | CounterOp::Read { key, .. } => key,
        }
    }

    pub(crate) fn key_mut(&mut self) -> &mut Value {
        match self {
            CounterOp::Add { key, .. } | CounterOp::Read { key, .. } => key,
        }
    }

    /// Which operation it is.
    pub fn f(&self) -> F {
        match self {
            CounterOp::Add { .. } => F::CounterAdd,
            CounterOp::Read { .. } => F::CounterRead,
        }
    }

    /// Whether this is `asked` filled in.
    pub fn answers(&self, asked: &CounterOp) -> bool {
        self.pending() == asked.pending()
    }

    /// The operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> CounterOp {
        match self {
            CounterOp::Add { key, delta, .. } => {
                CounterOp::Add { key: key.clone(), delta: *delta, value: Observed::Pending }
            }
            CounterOp::Read { key, .. } => {
                CounterOp::Read { key: key.clone(), value: Observed::Pending }
            }
        }
    }
}

impl fmt::Display for CounterOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CounterOp::Add { key, delta, value } => {
                write!(f, "add {delta} to counter {key} -> {value}")
            }
            CounterOp::Read { key, value } => write!(f, "read counter {key} -> {value}"),
        }
    }
}
