//! Family `txn`: transactions over micro-operations.

use std::fmt;

use crate::value::list;
use crate::{Observed, Value};

/// One micro-operation of a transaction.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Mop {
    /// Read one register.
    Read {
        /// Which object.
        key: Value,
        /// What was seen.
        value: Observed<Value>,
    },
    /// Write one register.
    Write {
        /// Which object.
        key: Value,
        /// The value written.
        value: Value,
    },
    /// Append one element to a list.
    Append {
        /// Which object.
        key: Value,
        /// The element appended.
        element: Value,
    },
    /// Read a whole list.
    ReadList {
        /// Which object.
        key: Value,
        /// The elements in list order.
        elements: Observed<Vec<Value>>,
    },
    /// Add to the number that one object holds, as a transfer does to a balance. Nothing there is
    /// zero. A target refuses, with the whole transaction, what would leave less than zero.
    Add {
        /// Which object.
        key: Value,
        /// What to add; may be negative.
        delta: i64,
        /// The number after it; `Pending` if the client is not told.
        value: Observed<i64>,
    },
    /// Read every object that matches a predicate.
    ReadPredicate {
        /// The predicate, in the target's own words; a [`crate::KeyRange`] is understood.
        predicate: Box<str>,
        /// The matching objects and their values, in key order.
        matches: Observed<Vec<(Value, Value)>>,
    },
}

/// A transaction: its micro-operations in program order.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct TxnOp {
    /// In program order.
    pub mops: Vec<Mop>,
}

impl Mop {
    /// The object it is about; `None` for a predicate, which may match several.
    pub fn key(&self) -> Option<&Value> {
        match self {
            Mop::Read { key, .. }
            | Mop::Write { key, .. }
            | Mop::Append { key, .. }
            | Mop::ReadList { key, .. }
            | Mop::Add { key, .. } => Some(key),
            Mop::ReadPredicate { .. } => None,
        }
    }

    /// The micro-operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> Mop {
        match self {
            Mop::Read { key, .. } => Mop::Read { key: key.clone(), value: Observed::Pending },
            Mop::ReadList { key, .. } => {
                Mop::ReadList { key: key.clone(), elements: Observed::Pending }
            }
            Mop::ReadPredicate { predicate, .. } => {
                Mop::ReadPredicate { predicate: predicate.clone(), matches: Observed::Pending }
            }
            Mop::Add { key, delta, .. } => {
                Mop::Add { key: key.clone(), delta: *delta, value: Observed::Pending }
            }
            Mop::Write { .. } | Mop::Append { .. } => self.clone(),
        }
    }

    /// Whether this is `asked` filled in.
    pub fn answers(&self, asked: &Mop) -> bool {
        match (self, asked) {
            (Mop::Read { key, .. }, Mop::Read { key: asked, .. })
            | (Mop::ReadList { key, .. }, Mop::ReadList { key: asked, .. }) => key == asked,
            (Mop::ReadPredicate { predicate, .. }, Mop::ReadPredicate { predicate: asked, .. }) => {
                predicate == asked
            }
            (Mop::Add { .. }, Mop::Add { .. }) => self.pending() == asked.pending(),
            _ => self == asked,
        }
    }

    /// The number that stands for the kind in columns and in the native log.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Mop::Read { .. } => 0,
            Mop::Write { .. } => 1,
            Mop::Append { .. } => 2,
            Mop::ReadList { .. } => 3,
            Mop::ReadPredicate { .. } => 4,
            Mop::Add { .. } => 5,
        }
    }

    /// Whether the micro-operation can change the database.
    pub fn writes(&self) -> bool {
        match self {
            Mop::Write { .. } | Mop::Append { .. } | Mop::Add { .. } => true,
            Mop::Read { .. } | Mop::ReadList { .. } | Mop::ReadPredicate { .. } => false,
        }
    }

    /// Whether its answer may say more than that it happened.
    pub fn observes(&self) -> bool {
        match self {
            Mop::Write { .. } | Mop::Append { .. } => false,
            Mop::Add { .. }
            | Mop::Read { .. }
            | Mop::ReadList { .. }
            | Mop::ReadPredicate { .. } => true,
        }
    }
}

impl TxnOp {
    /// Whether this is `asked` filled in.
    pub fn answers(&self, asked: &TxnOp) -> bool {
        self.mops.len() == asked.mops.len()
            && self.mops.iter().zip(&asked.mops).all(|(this, asked)| this.answers(asked))
    }

    /// The transaction as it was invoked: nothing observed yet.
    pub fn pending(&self) -> TxnOp {
        TxnOp { mops: self.mops.iter().map(Mop::pending).collect() }
    }
}

impl fmt::Display for Mop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mop::Read { key, value } => write!(f, "r({key}) -> {value}"),
            Mop::Write { key, value } => write!(f, "w({key}, {value})"),
            Mop::Append { key, element } => write!(f, "append({key}, {element})"),
            Mop::Add { key, delta, value } => write!(f, "add({key}, {delta}) -> {value}"),
            Mop::ReadList { key, elements } => {
                write!(f, "r({key}) -> ")?;
                list(f, elements)
            }
            Mop::ReadPredicate { predicate, matches } => {
                write!(f, "r({predicate}) -> ")?;
                match matches {
                    Observed::Pending => f.write_str("?"),
                    Observed::Absent => f.write_str("nil"),
                    Observed::Present(found) => pairs(f, found),
                }
            }
        }
    }
}

fn pairs(f: &mut fmt::Formatter<'_>, found: &[(Value, Value)]) -> fmt::Result {
    f.write_str("{")?;
    for (i, (key, value)) in found.iter().enumerate() {
        write!(f, "{}{key}: {value}", if i == 0 { "" } else { ", " })?;
    }
    f.write_str("}")
}

impl fmt::Display for TxnOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mop) in self.mops.iter().enumerate() {
            write!(f, "{}{mop}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
