//! Family `id`: ask for an identifier nobody else was given.

use std::fmt;

use crate::{F, Observed, Value};

/// One request to one source of identifiers.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum IdOp {
    /// Make a new identifier.
    Generate {
        /// Which source.
        key: Value,
        /// What was given; `Pending` until answered.
        id: Observed<Value>,
    },
}

impl IdOp {
    /// The source's key.
    pub fn key(&self) -> &Value {
        let IdOp::Generate { key, .. } = self;
        key
    }

    pub(crate) fn key_mut(&mut self) -> &mut Value {
        let IdOp::Generate { key, .. } = self;
        key
    }

    /// Which operation it is.
    pub fn f(&self) -> F {
        let IdOp::Generate { .. } = self;
        F::Generate
    }

    /// Whether this is `asked` filled in.
    pub fn answers(&self, asked: &IdOp) -> bool {
        self.key() == asked.key()
    }

    /// The operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> IdOp {
        IdOp::Generate { key: self.key().clone(), id: Observed::Pending }
    }
}

impl fmt::Display for IdOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IdOp::Generate { key, id } = self;
        write!(f, "generate {key} -> {id}")
    }
}
