//! Family `queue`: put values in, take values out, look at the next one. Which value is next is
//! the model's business: queues, stacks and priority queues are all told in these words.

use std::fmt;

use crate::{F, Observed, Value};

/// One operation on one container. A completion is its invocation with `value` filled in.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum QueueOp {
    /// Put `value` in.
    Enqueue {
        /// Which container.
        key: Value,
        /// What to put in.
        value: Value,
    },
    /// Take the next value out.
    Dequeue {
        /// Which container.
        key: Value,
        /// What came out; `Absent`: it was empty.
        value: Observed<Value>,
    },
    /// Look at the next value and leave it.
    Peek {
        /// Which container.
        key: Value,
        /// What is next; `Absent`: it was empty.
        value: Observed<Value>,
    },
}

impl QueueOp {
    /// The container's key.
    pub fn key(&self) -> &Value {
        match self {
            QueueOp::Enqueue { key, .. }
            | QueueOp::Dequeue { key, .. }
            | QueueOp::Peek { key, .. } => key,
        }
    }

    pub(crate) fn key_mut(&mut self) -> &mut Value {
        match self {
            QueueOp::Enqueue { key, .. }
            | QueueOp::Dequeue { key, .. }
            | QueueOp::Peek { key, .. } => key,
        }
    }

    /// Which operation it is.
    pub fn f(&self) -> F {
        match self {
            QueueOp::Enqueue { .. } => F::Enqueue,
            QueueOp::Dequeue { .. } => F::Dequeue,
            QueueOp::Peek { .. } => F::Peek,
        }
    }

    /// Whether this is `asked` filled in.
    pub fn answers(&self, asked: &QueueOp) -> bool {
        self.pending() == asked.pending()
    }

    /// The operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> QueueOp {
        match self {
            QueueOp::Enqueue { .. } => self.clone(),
            QueueOp::Dequeue { key, .. } => {
                QueueOp::Dequeue { key: key.clone(), value: Observed::Pending }
            }
            QueueOp::Peek { key, .. } => {
                QueueOp::Peek { key: key.clone(), value: Observed::Pending }
            }
        }
    }
}

impl fmt::Display for QueueOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueOp::Enqueue { key, value } => write!(f, "enqueue {key} <- {value}"),
            QueueOp::Dequeue { key, value } => write!(f, "dequeue {key} -> {value}"),
            QueueOp::Peek { key, value } => write!(f, "peek {key} -> {value}"),
        }
    }
}
