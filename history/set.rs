//! Family `set`: add, remove and look up elements of one set, and read it whole.

use std::fmt;

use crate::value::list;
use crate::{F, Observed, Value};

/// One operation on one set. A completion is its invocation with the observation filled in.
///
/// `Pending` in a completion: the client was not told, which asserts nothing. Of a yes or no,
/// `Absent` says no more than that either.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum SetOp {
    /// Add `element`.
    Add {
        /// Which set.
        key: Value,
        /// What to add.
        element: Value,
        /// Whether it was new; `Pending` if the client is not told.
        added: Observed<bool>,
    },
    /// Remove `element`.
    Remove {
        /// Which set.
        key: Value,
        /// What to remove.
        element: Value,
        /// Whether it was there; `Pending` if the client is not told.
        removed: Observed<bool>,
    },
    /// Look `element` up.
    Contains {
        /// Which set.
        key: Value,
        /// What to look for.
        element: Value,
        /// Whether it is there.
        found: Observed<bool>,
    },
    /// Read the whole set.
    Read {
        /// Which set.
        key: Value,
        /// Every element, in the order of the reply: one that stands twice was returned twice.
        elements: Observed<Vec<Value>>,
    },
}

impl SetOp {
    /// The set's key.
    pub fn key(&self) -> &Value {
        match self {
            SetOp::Add { key, .. }
            | SetOp::Remove { key, .. }
            | SetOp::Contains { key, .. }
            | SetOp::Read { key, .. } => key,
        }
    }

    pub(crate) fn key_mut(&mut self) -> &mut Value {
        match self {
            SetOp::Add { key, .. }
            | SetOp::Remove { key, .. }
            | SetOp::Contains { key, .. }
            | SetOp::Read { key, .. } => key,
        }
    }

    /// Which operation it is.
    pub fn f(&self) -> F {
        match self {
            SetOp::Add { .. } => F::SetAdd,
            SetOp::Remove { .. } => F::SetRemove,
            SetOp::Contains { .. } => F::SetContains,
            SetOp::Read { .. } => F::SetRead,
        }
    }

    /// Whether this is `asked` filled in.
    pub fn answers(&self, asked: &SetOp) -> bool {
        self.pending() == asked.pending()
    }

    /// The operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> SetOp {
        match self {
            SetOp::Add { key, element, .. } => {
                SetOp::Add { key: key.clone(), element: element.clone(), added: Observed::Pending }
            }
            SetOp::Remove { key, element, .. } => SetOp::Remove {
                key: key.clone(),
                element: element.clone(),
                removed: Observed::Pending,
            },
            SetOp::Contains { key, element, .. } => SetOp::Contains {
                key: key.clone(),
                element: element.clone(),
                found: Observed::Pending,
            },
            SetOp::Read { key, .. } => {
                SetOp::Read { key: key.clone(), elements: Observed::Pending }
            }
        }
    }
}

impl fmt::Display for SetOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetOp::Add { key, element, added } => {
                write!(f, "add {element} to set {key} -> {added}")
            }
            SetOp::Remove { key, element, removed } => {
                write!(f, "remove {element} from set {key} -> {removed}")
            }
            SetOp::Contains { key, element, found } => {
                write!(f, "look for {element} in set {key} -> {found}")
            }
            SetOp::Read { key, elements } => {
                write!(f, "read set {key} -> ")?;
                list(f, elements)
            }
        }
    }
}
