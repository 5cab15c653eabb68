//! The columns of a history: at most 40 bytes per register operation, 16 per micro-operation.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::{ErrorClass, Mop, Observed, Op, RegisterOp, TxnOp, Value};

/// A value by number. Two codes of one history are equal iff their values are.
///
/// Small non-negative integers are their own code, so a history of ten million unique writes
/// needs no table of values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Code(pub u32);

const INTERNED: u32 = 1 << 31;

impl Code {
    /// A read that was not answered.
    pub const PENDING: Code = Code(u32::MAX);
    /// A read that found nothing.
    pub const ABSENT: Code = Code(u32::MAX - 1);
}

/// Which operation of a family a row holds. The numbers are the low bits of a row's tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum F {
    /// `read` of family register: `a` is the value seen.
    Read = 0,
    /// `write`: `a` is the value written.
    Write = 1,
    /// `cas`: `a` is the expected value, `b` the new one.
    Cas = 2,
    /// A transaction: `a` is the first micro-operation, `b` their number.
    Txn = 3,
}

impl F {
    pub(super) fn from_tag(tag: u8) -> F {
        match tag & 0x3f {
            0 => F::Read,
            1 => F::Write,
            2 => F::Cas,
            _ => F::Txn,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct MopRow {
    key: Code,
    a: u32,
    b: u32,
    kind: u8,
}

impl MopRow {
    /// Whether two rows are the same question, whatever was observed.
    fn same_question(&self, other: MopRow) -> bool {
        let argument = matches!(self.kind, 1 | 2);
        self.kind == other.kind && self.key == other.key && (!argument || self.a == other.a)
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

/// Interned values, micro-operations, list elements and error classes.
#[derive(Default, Debug)]
pub(super) struct Arena {
    values: Vec<Value>,
    codes: HashMap<Value, u32, FixedState>,
    mops: Vec<MopRow>,
    lists: Vec<Code>,
    errors: Vec<ErrorClass>,
}

impl Arena {
    pub(super) fn code(&mut self, value: &Value) -> Code {
        if let Value::Int(int) = value
            && (0..i64::from(INTERNED)).contains(int)
        {
            return Code(*int as u32);
        }
        if let Some(index) = self.codes.get(value) {
            return Code(INTERNED | index);
        }
        let index = self.values.len() as u32;
        assert!(index < INTERNED - 2, "more than 2^31 distinct values in one history");
        self.values.push(value.clone());
        self.codes.insert(value.clone(), index);
        Code(INTERNED | index)
    }

    /// The code of a value that may not occur; `None` when it does not.
    pub(super) fn lookup(&self, value: &Value) -> Option<Code> {
        match value {
            Value::Int(int) if (0..i64::from(INTERNED)).contains(int) => Some(Code(*int as u32)),
            _ => self.codes.get(value).map(|index| Code(INTERNED | index)),
        }
    }

    pub(super) fn value(&self, code: Code) -> Value {
        if code.0 & INTERNED == 0 {
            Value::Int(i64::from(code.0))
        } else {
            self.values[(code.0 & !INTERNED) as usize].clone()
        }
    }

    fn observed_code(&mut self, value: &Observed<Value>) -> Code {
        match value {
            Observed::Pending => Code::PENDING,
            Observed::Absent => Code::ABSENT,
            Observed::Present(value) => self.code(value),
        }
    }

    fn observed(&self, code: Code) -> Observed<Value> {
        match code {
            Code::PENDING => Observed::Pending,
            Code::ABSENT => Observed::Absent,
            code => Observed::Present(self.value(code)),
        }
    }

    /// Error classes are few: 254 names, then `other`.
    pub(super) fn error_code(&mut self, error: Option<&ErrorClass>) -> u8 {
        let Some(error) = error else { return 0 };
        if let Some(at) = self.errors.iter().position(|known| known == error) {
            return at as u8 + 1;
        }
        if self.errors.len() == 254 {
            return u8::MAX;
        }
        self.errors.push(error.clone());
        self.errors.len() as u8
    }

    pub(super) fn error(&self, code: u8) -> Option<ErrorClass> {
        match code {
            0 => None,
            u8::MAX => Some(ErrorClass::new("other")),
            code => Some(self.errors[usize::from(code) - 1].clone()),
        }
    }

    /// The row of `op` as a question: what it observed is left out.
    pub(super) fn row(&mut self, op: &Op) -> Row {
        match op {
            Op::Register(RegisterOp::Read { key, .. }) => {
                Row { f: F::Read, key: self.code(key), a: Code::PENDING.0, b: 0 }
            }
            Op::Register(RegisterOp::Write { key, value }) => {
                Row { f: F::Write, key: self.code(key), a: self.code(value).0, b: 0 }
            }
            Op::Register(RegisterOp::Cas { key, from, to }) => {
                Row { f: F::Cas, key: self.code(key), a: self.code(from).0, b: self.code(to).0 }
            }
            Op::Txn(txn) => {
                let a = self.mops.len() as u32;
                for mop in &txn.mops {
                    let row = self.mop_row(mop, false);
                    self.mops.push(row);
                }
                Row { f: F::Txn, key: Code(0), a, b: txn.mops.len() as u32 }
            }
        }
    }

    /// The row of `op`, which answers what `asked` asks; `None` if it is another question. The
    /// micro-operations of a transaction are filled in where they are.
    pub(super) fn answer(&mut self, asked: Row, op: &Op) -> Option<Row> {
        match op {
            Op::Register(RegisterOp::Read { key, value }) => {
                let same = asked.f == F::Read && self.lookup(key) == Some(asked.key);
                same.then(|| Row { a: self.observed_code(value).0, ..asked })
            }
            Op::Register(RegisterOp::Write { .. } | RegisterOp::Cas { .. }) => {
                (asked.f == op.f() && self.row(op) == asked).then_some(asked)
            }
            Op::Txn(txn) => {
                if asked.f != F::Txn || txn.mops.len() != asked.b as usize {
                    return None;
                }
                for (at, mop) in (asked.a as usize..).zip(&txn.mops) {
                    let row = self.mop_row(mop, true);
                    if !self.mops[at].same_question(row) {
                        return None;
                    }
                    self.mops[at] = row;
                }
                Some(asked)
            }
        }
    }

    /// Whether one more operation of at most 2^24 parts fits. A record of the native log is
    /// smaller; 32-bit offsets leave no more room.
    pub(super) fn has_room(&self) -> bool {
        const ROOM: usize = (INTERNED - (1 << 26)) as usize;
        self.values.len() < ROOM && self.mops.len() < ROOM && self.lists.len() < ROOM
    }

    /// Bytes of the micro-operations, and of the lists they saw.
    #[cfg(test)]
    pub(super) fn mop_bytes(&self) -> (usize, usize) {
        let lists = self.lists.capacity() * size_of::<Code>();
        (self.mops.capacity() * size_of::<MopRow>(), lists)
    }

    /// Number of values with an entry of their own.
    #[cfg(test)]
    pub(super) fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Gives back what growing reserved.
    pub(super) fn shrink(&mut self) {
        self.values.shrink_to_fit();
        self.mops.shrink_to_fit();
        self.lists.shrink_to_fit();
    }

    fn mop_row(&mut self, mop: &Mop, answered: bool) -> MopRow {
        const ASKED: (u32, u32) = (Code::PENDING.0, 0);
        match mop {
            Mop::Read { key, value } => {
                let key = self.code(key);
                let seen = if answered { self.observed_code(value) } else { Code::PENDING };
                MopRow { key, a: seen.0, b: 0, kind: mop.code() }
            }
            Mop::Write { key, value } => {
                MopRow { key: self.code(key), a: self.code(value).0, b: 0, kind: mop.code() }
            }
            Mop::Append { key, element } => {
                MopRow { key: self.code(key), a: self.code(element).0, b: 0, kind: mop.code() }
            }
            Mop::ReadList { key, elements } => {
                let key = self.code(key);
                let push = |arena: &mut Arena, element: &Value| {
                    let code = arena.code(element);
                    arena.lists.push(code);
                };
                let (a, b) = if answered { self.list(elements.as_ref(), push) } else { ASKED };
                MopRow { key, a, b, kind: mop.code() }
            }
            Mop::ReadPredicate { predicate, matches } => {
                let key = self.code(&Value::Text(predicate.clone()));
                let push = |arena: &mut Arena, (key, value): &(Value, Value)| {
                    let pair = [arena.code(key), arena.code(value)];
                    arena.lists.extend(pair);
                };
                let (a, b) = if answered { self.list(matches.as_ref(), push) } else { ASKED };
                MopRow { key, a, b, kind: mop.code() }
            }
        }
    }

    /// (offset, length) of the stored list; unanswered and absent lists have no offset.
    fn list<T>(
        &mut self,
        observed: Observed<&Vec<T>>,
        mut push: impl FnMut(&mut Arena, &T),
    ) -> (u32, u32) {
        match observed {
            Observed::Pending => (Code::PENDING.0, 0),
            Observed::Absent => (Code::ABSENT.0, 0),
            Observed::Present(elements) => {
                let offset = self.lists.len();
                for element in elements {
                    push(self, element);
                }
                (offset as u32, (self.lists.len() - offset) as u32)
            }
        }
    }

    pub(super) fn op(&self, row: Row) -> Op {
        let key = || self.value(row.key);
        match row.f {
            F::Read => {
                Op::Register(RegisterOp::Read { key: key(), value: self.observed(Code(row.a)) })
            }
            F::Write => {
                Op::Register(RegisterOp::Write { key: key(), value: self.value(Code(row.a)) })
            }
            F::Cas => Op::Register(RegisterOp::Cas {
                key: key(),
                from: self.value(Code(row.a)),
                to: self.value(Code(row.b)),
            }),
            F::Txn => {
                let rows = &self.mops[row.a as usize..(row.a + row.b) as usize];
                Op::Txn(TxnOp { mops: rows.iter().map(|row| self.mop(row)).collect() })
            }
        }
    }

    fn mop(&self, row: &MopRow) -> Mop {
        let key = self.value(row.key);
        match row.kind {
            0 => Mop::Read { key, value: self.observed(Code(row.a)) },
            1 => Mop::Write { key, value: self.value(Code(row.a)) },
            2 => Mop::Append { key, element: self.value(Code(row.a)) },
            3 => {
                let elements =
                    self.stored(row).map(|codes| codes.iter().map(|c| self.value(*c)).collect());
                Mop::ReadList { key, elements }
            }
            _ => {
                let Value::Text(predicate) = key else {
                    unreachable!("predicates are stored as text")
                };
                let pair = |pair: &[Code]| (self.value(pair[0]), self.value(pair[1]));
                let matches = self.stored(row).map(|codes| codes.chunks(2).map(pair).collect());
                Mop::ReadPredicate { predicate, matches }
            }
        }
    }

    fn stored(&self, row: &MopRow) -> Observed<&[Code]> {
        match Code(row.a) {
            Code::PENDING => Observed::Pending,
            Code::ABSENT => Observed::Absent,
            Code(offset) => {
                Observed::Present(&self.lists[offset as usize..(offset + row.b) as usize])
            }
        }
    }
}
