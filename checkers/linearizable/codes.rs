//! Dense numbers for the codes of a history: an array where codes are dense, a hash map where
//! they are not. Knows nothing of what the codes stand for.

use rustc_hash::FxHashMap;
use tribunal_history::Code;

/// No number was given.
pub(super) const NONE: u32 = u32::MAX;

/// Interned values are numbered apart from small integers, which are their own code.
const INTERNED: u32 = 1 << 31;

/// The ranges in which codes lie, found before any is numbered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    small: (u32, u32),
    interned: (u32, u32),
}

/// Numbers from 0 in order of first appearance.
#[derive(Debug)]
pub(super) struct Numbers {
    table: Table,
    absent: u32,
    len: u32,
}

#[derive(Debug)]
enum Table {
    /// Small integers from `small`, then, from `split` on, interned values from `interned`.
    Direct {
        small: u32,
        interned: u32,
        split: u32,
        numbers: Vec<u32>,
    },
    Hashed(FxHashMap<u32, u32>),
}

impl Span {
    pub(super) fn new() -> Span {
        Span { small: (u32::MAX, 0), interned: (u32::MAX, 0) }
    }

    pub(super) fn add(&mut self, code: Code) {
        if code.0 < INTERNED {
            self.small = (self.small.0.min(code.0), self.small.1.max(code.0));
        } else if code < Code::ABSENT {
            self.interned = (self.interned.0.min(code.0), self.interned.1.max(code.0));
        }
    }

    /// Codes between the extremes.
    fn width(&self) -> u64 {
        let width = |(from, to): (u32, u32)| u64::from((to + 1).saturating_sub(from));
        width(self.small) + width(self.interned)
    }
}

impl Numbers {
    /// For codes within `span` of which `codes` may be distinct.
    pub(super) fn new(span: Span, codes: usize) -> Numbers {
        let width = span.width();
        let table = if width <= 2 * codes as u64 + 64 {
            Table::Direct {
                small: span.small.0,
                interned: span.interned.0,
                split: (span.small.1 + 1).saturating_sub(span.small.0),
                numbers: vec![NONE; width as usize],
            }
        } else {
            Table::Hashed(FxHashMap::default())
        };
        Numbers { table, absent: NONE, len: 0 }
    }

    /// How many were given.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        match &self.table {
            Table::Direct { numbers, .. } => 4 * numbers.len() as u64,
            // A slot is a pair and a byte, and up to half of them are free.
            Table::Hashed(map) => 10 * map.capacity() as u64,
        }
    }

    /// Gives a number to no code.
    pub(super) fn skip(&mut self) {
        self.len += 1;
    }

    /// The number of `code`, a new one if it has none.
    #[inline]
    pub(super) fn number(&mut self, code: Code) -> u32 {
        let next = self.len;
        let slot = match &mut self.table {
            _ if code == Code::ABSENT => &mut self.absent,
            Table::Direct { small, interned, split, numbers } => {
                let at = Table::place(*small, *interned, *split, code);
                &mut numbers[at as usize]
            }
            Table::Hashed(map) => map.entry(code.0).or_insert(NONE),
        };
        if *slot == NONE {
            *slot = next;
            self.len += 1;
        }
        *slot
    }

    /// The number of `code`; [`NONE`] if it has none.
    #[inline]
    pub(super) fn get(&self, code: Code) -> u32 {
        match &self.table {
            _ if code == Code::ABSENT => self.absent,
            Table::Direct { small, interned, split, numbers } => {
                let at = Table::place(*small, *interned, *split, code);
                numbers.get(at as usize).copied().unwrap_or(NONE)
            }
            Table::Hashed(map) => map.get(&code.0).copied().unwrap_or(NONE),
        }
    }
}

impl Table {
    /// Out of range for codes outside the span. A small one beyond its range must not be taken for
    /// an interned one.
    #[inline]
    fn place(small: u32, interned: u32, split: u32, code: Code) -> u32 {
        if code.0 < INTERNED {
            let at = code.0.wrapping_sub(small);
            if at < split { at } else { NONE }
        } else {
            code.0.checked_sub(interned).map_or(NONE, |at| at.saturating_add(split))
        }
    }
}
