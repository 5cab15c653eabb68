//! Family `lock`: mutexes, reentrant and fenced locks, semaphores. The owner is the process.

use std::fmt;

use crate::{F, Observed, Value};

/// One operation on one lock.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum LockOp {
    /// Take `permits` of the lock's permits: of a mutex, its only one.
    Acquire {
        /// Which lock.
        key: Value,
        /// How many; 1 unless it is a semaphore.
        permits: i64,
        /// The fencing token granted; `Pending` if the client is not given one.
        token: Observed<i64>,
    },
    /// Give `permits` back.
    Release {
        /// Which lock.
        key: Value,
        /// How many; 1 unless it is a semaphore.
        permits: i64,
        /// The token presented: part of the question, not an observation. `Pending`: none is used.
        token: Observed<i64>,
    },
}

impl LockOp {
    /// The lock's key.
    pub fn key(&self) -> &Value {
        match self {
            LockOp::Acquire { key, .. } | LockOp::Release { key, .. } => key,
        }
    }

    pub(crate) fn key_mut(&mut self) -> &mut Value {
        match self {
            LockOp::Acquire { key, .. } | LockOp::Release { key, .. } => key,
        }
    }

    /// Which operation it is.
    pub fn f(&self) -> F {
        match self {
            LockOp::Acquire { .. } => F::Acquire,
            LockOp::Release { .. } => F::Release,
        }
    }

    /// Whether this is `asked` filled in.
    pub fn answers(&self, asked: &LockOp) -> bool {
        self.pending() == asked.pending()
    }

    /// The operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> LockOp {
        match self {
            LockOp::Acquire { key, permits, .. } => {
                LockOp::Acquire { key: key.clone(), permits: *permits, token: Observed::Pending }
            }
            LockOp::Release { .. } => self.clone(),
        }
    }
}

impl fmt::Display for LockOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, permits) = match self {
            LockOp::Acquire { permits, .. } => ("acquire", *permits),
            LockOp::Release { permits, .. } => ("release", *permits),
        };
        f.write_str(word)?;
        // The one lock of a history without keys has no name, and who is told nothing says nothing.
        if *self.key() != Value::Nil {
            write!(f, " {}", self.key())?;
        }
        if permits != 1 {
            write!(f, " * {permits}")?;
        }
        match self {
            LockOp::Acquire { token: Observed::Pending, .. }
            | LockOp::Release { token: Observed::Pending, .. } => Ok(()),
            LockOp::Acquire { token, .. } => write!(f, " -> {token}"),
            LockOp::Release { token, .. } => write!(f, " with {token}"),
        }
    }
}
