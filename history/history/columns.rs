//! The columns of a history: at most 40 bytes per operation beside the lists it saw, 16 per
//! micro-operation.

use crate::{F, Observed};

/// A value by number. Two codes of one history are equal iff their values are.
///
/// Small non-negative integers are their own code, so a history of ten million unique writes
/// needs no table of values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Code(pub u32);

/// Codes from here on are positions in the table of values.
pub(super) const INTERNED: u32 = 1 << 31;

impl Code {
    /// A read that was not answered.
    pub const PENDING: Code = Code(u32::MAX);
    /// A read that found nothing.
    pub const ABSENT: Code = Code(u32::MAX - 1);

    /// What the code of something seen says.
    #[inline]
    pub fn observed(self) -> Observed<Code> {
        match self {
            Code::PENDING => Observed::Pending,
            Code::ABSENT => Observed::Absent,
            code => Observed::Present(code),
        }
    }
}

/// Kinds of micro-operations, as [`crate::Mop::code`] numbers them.
pub(super) mod mop_kind {
    pub(crate) const READ: u8 = 0;
    pub(crate) const WRITE: u8 = 1;
    pub(crate) const APPEND: u8 = 2;
    pub(crate) const READ_LIST: u8 = 3;
    pub(crate) const READ_PREDICATE: u8 = 4;
    pub(crate) const ADD: u8 = 5;
}

/// One micro-operation as numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct MopRow {
    pub(super) key: Code,
    pub(super) a: u32,
    pub(super) b: u32,
    pub(super) kind: u8,
    /// A read of which the reader does not know yet whether it reads a list: pending or absent.
    pub(super) undecided: bool,
}

impl MopRow {
    /// Whether two rows are the same question, whatever was observed.
    pub(super) fn same_question(&self, other: MopRow) -> bool {
        let reads = |kind| matches!(kind, mop_kind::READ | mop_kind::READ_LIST);
        let undecided = self.undecided || other.undecided;
        let same_kind =
            self.kind == other.kind || (undecided && reads(self.kind) && reads(other.kind));
        let argument = matches!(self.kind, mop_kind::WRITE | mop_kind::APPEND | mop_kind::ADD);
        same_kind && self.key == other.key && (!argument || self.a == other.a)
    }
}

/// One operation as numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) f: F,
    pub(super) key: Code,
    pub(super) a: u32,
    pub(super) b: u32,
}
