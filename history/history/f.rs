//! Which operation of which family a row holds, and what its numbers mean.

use crate::Family;

/// Which operation a row holds. The number is that of the native log and of a row's tag.
///
/// *seen* below: a code that may be [`Code::PENDING`](crate::Code::PENDING) or
/// [`Code::ABSENT`](crate::Code::ABSENT) too. Yes and no are the codes of 1 and 0; integers are
/// codes of [`Value::Int`](crate::Value::Int), read with `Operation::int_a` and `int_b`. What is
/// not named is 0 and means nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum F {
    /// `read` of a register: `a` is the value seen.
    Read = 0,
    /// `write` of a register: `a` is the value written.
    Write = 1,
    /// `cas` of a register: `a` is the expected value, `b` the new one.
    Cas = 2,
    /// A transaction: `a` is the first micro-operation, `b` their number.
    Txn = 3,
    /// `append` to a register that holds a text: `a` is what is appended.
    Append = 4,
    /// `add` to a set: `a` is the element, `b` whether it was new, as seen.
    SetAdd = 5,
    /// `remove` from a set: `a` is the element, `b` whether it was there, as seen.
    SetRemove = 6,
    /// `contains` of a set: `a` is the element, `b` whether it is there, as seen.
    SetContains = 7,
    /// `read` of a whole set: its elements are `Operation::elements`; `a` and `b` say where.
    SetRead = 8,
    /// `add` to a counter: `a` is the delta, `b` the value after it, as seen.
    CounterAdd = 9,
    /// `read` of a counter: `a` is the value seen.
    CounterRead = 10,
    /// `enqueue` or push: `a` is the value put in.
    Enqueue = 11,
    /// `dequeue` or pop: `a` is the value seen; absent: it was empty.
    Dequeue = 12,
    /// `peek`: `a` is the value seen; absent: it was empty.
    Peek = 13,
    /// `acquire` of a lock: `a` is the number of permits, `b` the token seen.
    Acquire = 14,
    /// `release` of a lock: `a` is the number of permits, `b` the token presented; pending: none.
    Release = 15,
    /// `generate` an identifier: `a` is the identifier seen.
    Generate = 16,
}

impl F {
    /// Every operation; the position is the number.
    pub const ALL: [F; 17] = [
        F::Read,
        F::Write,
        F::Cas,
        F::Txn,
        F::Append,
        F::SetAdd,
        F::SetRemove,
        F::SetContains,
        F::SetRead,
        F::CounterAdd,
        F::CounterRead,
        F::Enqueue,
        F::Dequeue,
        F::Peek,
        F::Acquire,
        F::Release,
        F::Generate,
    ];

    /// The family it belongs to.
    pub fn family(self) -> Family {
        match self {
            F::Read | F::Write | F::Cas | F::Append => Family::Register,
            F::Txn => Family::Txn,
            F::SetAdd | F::SetRemove | F::SetContains | F::SetRead => Family::Set,
            F::CounterAdd | F::CounterRead => Family::Counter,
            F::Enqueue | F::Dequeue | F::Peek => Family::Queue,
            F::Acquire | F::Release => Family::Lock,
            F::Generate => Family::Id,
        }
    }

    /// Whether it can change the database; of a transaction, whether it may.
    pub fn writes(self) -> bool {
        match self {
            F::Read | F::SetContains | F::SetRead | F::CounterRead | F::Peek => false,
            F::Write
            | F::Cas
            | F::Txn
            | F::Append
            | F::SetAdd
            | F::SetRemove
            | F::CounterAdd
            | F::Enqueue
            | F::Dequeue
            | F::Acquire
            | F::Release
            // The next identifier is another one.
            | F::Generate => true,
        }
    }

    /// Its name in our formats and in reports, different for each. Jepsen's words, which families
    /// share, are the business of the EDN codec.
    pub fn name(self) -> &'static str {
        match self {
            F::Read => "read",
            F::Write => "write",
            F::Cas => "cas",
            F::Txn => "txn",
            F::Append => "append",
            F::SetAdd => "set-add",
            F::SetRemove => "set-remove",
            F::SetContains => "set-contains",
            F::SetRead => "set-read",
            F::CounterAdd => "counter-add",
            F::CounterRead => "counter-read",
            F::Enqueue => "enqueue",
            F::Dequeue => "dequeue",
            F::Peek => "peek",
            F::Acquire => "acquire",
            F::Release => "release",
            F::Generate => "generate",
        }
    }

    /// The operation of a name.
    pub fn from_name(name: &str) -> Option<F> {
        F::ALL.into_iter().find(|f| f.name() == name)
    }

    /// The operation of a number.
    #[inline]
    pub fn from_number(number: u8) -> Option<F> {
        F::ALL.get(usize::from(number)).copied()
    }

    #[inline]
    pub(super) fn from_tag(tag: u8) -> F {
        F::from_number(tag & 0x3f).expect("the builder writes the number of an F into every tag")
    }
}

#[cfg(test)]
mod tests {
    use super::F;

    #[test]
    fn numbers_and_names_are_unique_and_fit_the_tag() {
        for (position, f) in F::ALL.into_iter().enumerate() {
            assert_eq!(f as usize, position);
            assert!(position < 0x40, "six bits of a tag");
            assert_eq!(F::from_name(f.name()), Some(f));
            assert_eq!(F::from_tag(f as u8 | 0xc0), f);
        }
    }
}
