//! The closed set of operations checkers understand. One family is one file and one variant here.

use std::fmt;

use crate::{F, RegisterOp, TxnOp};

/// The owned exchange value of clients, generators and codecs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Op {
    /// Read, write, compare-and-set on one key.
    Register(RegisterOp),
    /// A transaction over micro-operations.
    Txn(TxnOp),
}

/// Which family an operation belongs to. Targets declare the families they speak.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Family {
    /// See [`RegisterOp`].
    Register,
    /// See [`TxnOp`].
    Txn,
}

impl Op {
    /// The operation's family.
    pub fn family(&self) -> Family {
        match self {
            Op::Register(_) => Family::Register,
            Op::Txn(_) => Family::Txn,
        }
    }

    /// The operation's name in every format (`read`, `write`, `cas`, `txn`).
    pub fn name(&self) -> &'static str {
        match self {
            Op::Register(op) => op.name(),
            Op::Txn(_) => "txn",
        }
    }

    /// Which operation of its family it is.
    pub fn f(&self) -> F {
        match self {
            Op::Register(RegisterOp::Read { .. }) => F::Read,
            Op::Register(RegisterOp::Write { .. }) => F::Write,
            Op::Register(RegisterOp::Cas { .. }) => F::Cas,
            Op::Txn(_) => F::Txn,
        }
    }

    /// Whether this is `asked` filled in: the same question, whatever was observed.
    pub fn answers(&self, asked: &Op) -> bool {
        match (self, asked) {
            (Op::Register(this), Op::Register(asked)) => this.answers(asked),
            (Op::Txn(this), Op::Txn(asked)) => this.answers(asked),
            (Op::Register(_), Op::Txn(_)) | (Op::Txn(_), Op::Register(_)) => false,
        }
    }

    /// The operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> Op {
        match self {
            Op::Register(op) => Op::Register(op.pending()),
            Op::Txn(op) => Op::Txn(op.pending()),
        }
    }

    /// Whether the operation can change the database. An operation that cannot is `fail` rather
    /// than `info` when its outcome is lost: it changed nothing, whatever happened.
    pub fn writes(&self) -> bool {
        match self {
            Op::Register(RegisterOp::Read { .. }) => false,
            Op::Register(RegisterOp::Write { .. } | RegisterOp::Cas { .. }) => true,
            Op::Txn(txn) => txn.mops.iter().any(crate::Mop::writes),
        }
    }
}

impl Family {
    /// Every family, in the order of the wire formats.
    pub const ALL: [Family; 2] = [Family::Register, Family::Txn];

    /// The family's name in every format.
    pub fn name(self) -> &'static str {
        match self {
            Family::Register => "register",
            Family::Txn => "txn",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Register(op) => op.fmt(f),
            Op::Txn(op) => op.fmt(f),
        }
    }
}
