//! Family `register`: read, write, compare-and-set and append on one key.

use std::fmt;

use crate::{F, Observed, Value};

/// One operation on one register. A completion is its invocation with `value` filled in.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum RegisterOp {
    /// Read `key`.
    Read {
        /// Which register.
        key: Value,
        /// What was seen; `Pending` until answered.
        value: Observed<Value>,
    },
    /// Write `value` to `key`.
    Write {
        /// Which register.
        key: Value,
        /// The value written.
        value: Value,
    },
    /// Write `to` if the register holds `from`. `ok`: it did. `fail`: whether that means "the
    /// register did not hold `from`" or "nothing is known" is a dialect of the check.
    Cas {
        /// Which register.
        key: Value,
        /// Expected value.
        from: Value,
        /// New value.
        to: Value,
    },
    /// Add `value`, a text, to the end of the text the register holds.
    Append {
        /// Which register.
        key: Value,
        /// The text appended.
        value: Value,
    },
}

impl RegisterOp {
    /// The register's key.
    pub fn key(&self) -> &Value {
        match self {
            RegisterOp::Read { key, .. }
            | RegisterOp::Write { key, .. }
            | RegisterOp::Cas { key, .. }
            | RegisterOp::Append { key, .. } => key,
        }
    }

    pub(crate) fn key_mut(&mut self) -> &mut Value {
        match self {
            RegisterOp::Read { key, .. }
            | RegisterOp::Write { key, .. }
            | RegisterOp::Cas { key, .. }
            | RegisterOp::Append { key, .. } => key,
        }
    }

    /// Which operation it is.
    pub fn f(&self) -> F {
        match self {
            RegisterOp::Read { .. } => F::Read,
            RegisterOp::Write { .. } => F::Write,
            RegisterOp::Cas { .. } => F::Cas,
            RegisterOp::Append { .. } => F::Append,
        }
    }

    /// The operation's name in every format: `read`, `write`, `cas` or `append`.
    pub fn name(&self) -> &'static str {
        self.f().name()
    }

    /// Whether this is `asked` filled in.
    pub fn answers(&self, asked: &RegisterOp) -> bool {
        match (self, asked) {
            (RegisterOp::Read { key, .. }, RegisterOp::Read { key: asked, .. }) => key == asked,
            _ => self == asked,
        }
    }

    /// The operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> RegisterOp {
        match self {
            RegisterOp::Read { key, .. } => {
                RegisterOp::Read { key: key.clone(), value: Observed::Pending }
            }
            RegisterOp::Write { .. } | RegisterOp::Cas { .. } | RegisterOp::Append { .. } => {
                self.clone()
            }
        }
    }
}

impl fmt::Display for RegisterOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterOp::Read { key, value } => write!(f, "read {key} -> {value}"),
            RegisterOp::Write { key, value } => write!(f, "write {key} := {value}"),
            RegisterOp::Cas { key, from, to } => write!(f, "cas {key} {from} => {to}"),
            RegisterOp::Append { key, value } => write!(f, "append {key} ++ {value}"),
        }
    }
}
