//! One read or write of a transaction over registers, in eight bytes.

/// What a step does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Does {
    /// Reads before every own write of the key: what it sees is another's.
    Read,
    /// The last write of the key in its transaction.
    Write,
    /// A write that its transaction overwrote itself.
    Middle,
    /// Reads after an own write of the key, and sees something else.
    Own,
}

/// One step: its key and kind, and what it saw or wrote.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    word: u32,
    /// Of a read the transaction that it read from, or [`super::table::INITIAL`]; of a write the
    /// value's code.
    pub(crate) other: u32,
}

const KEYS: u32 = (1 << 30) - 1;
/// What was left out.
pub(super) const VOID: Step = Step { word: u32::MAX, other: 0 };

impl Step {
    #[inline]
    pub(super) fn new(key: u32, does: Does, other: u32) -> Step {
        Step { word: key | (does as u32) << 30, other }
    }

    #[inline]
    pub(crate) fn key(self) -> u32 {
        self.word & KEYS
    }

    #[inline]
    pub(crate) fn does(self) -> Does {
        [Does::Read, Does::Write, Does::Middle, Does::Own][(self.word >> 30) as usize]
    }

    /// Of a read, the transaction that it read from, or [`super::table::INITIAL`].
    #[inline]
    pub(crate) fn source(self) -> Option<u32> {
        (!self.is_void() && self.does() == Does::Read).then_some(self.other)
    }

    #[inline]
    pub(super) fn is_void(self) -> bool {
        self.word == u32::MAX
    }
}
