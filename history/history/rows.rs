//! Operations as rows of numbers, and back.

use super::arena::Arena;
use super::columns::{Code, Row};
use crate::{CounterOp, F, IdOp, LockOp, Observed, Op, QueueOp, RegisterOp, SetOp};

const PENDING: u32 = Code::PENDING.0;

impl Arena {
    /// The row of `op` as a question: what it observed is left out.
    pub(super) fn row(&mut self, op: &Op) -> Row {
        let (key, a, b) = match op {
            Op::Txn(txn) => return self.txn_row(txn, false),
            Op::Register(RegisterOp::Read { key, .. }) => (key, PENDING, 0),
            Op::Register(RegisterOp::Write { key, value } | RegisterOp::Append { key, value }) => {
                (key, self.code(value).0, 0)
            }
            Op::Register(RegisterOp::Cas { key, from, to }) => {
                (key, self.code(from).0, self.code(to).0)
            }
            Op::Set(
                SetOp::Add { key, element, .. }
                | SetOp::Remove { key, element, .. }
                | SetOp::Contains { key, element, .. },
            ) => (key, self.code(element).0, PENDING),
            Op::Set(SetOp::Read { key, .. }) => (key, PENDING, 0),
            Op::Counter(CounterOp::Add { key, delta, .. }) => {
                (key, self.int_code(*delta).0, PENDING)
            }
            Op::Counter(CounterOp::Read { key, .. }) => (key, PENDING, 0),
            Op::Queue(QueueOp::Enqueue { key, value }) => (key, self.code(value).0, 0),
            Op::Queue(QueueOp::Dequeue { key, .. } | QueueOp::Peek { key, .. }) => {
                (key, PENDING, 0)
            }
            Op::Lock(LockOp::Acquire { key, permits, .. }) => {
                (key, self.int_code(*permits).0, PENDING)
            }
            Op::Lock(LockOp::Release { key, permits, token }) => {
                (key, self.int_code(*permits).0, self.observed_int(token))
            }
            Op::Id(IdOp::Generate { key, .. }) => (key, PENDING, 0),
        };
        Row { f: op.f(), key: self.code(key), a, b }
    }

    /// The row of `op`, which answers what `asked` asks; `None` if it is another question. The
    /// micro-operations of a transaction are filled in where they are.
    pub(super) fn answer(&mut self, asked: Row, op: &Op) -> Option<Row> {
        if let Op::Txn(txn) = op {
            return self.answer_txn(asked, txn);
        }
        if asked.f != op.f() || self.row(op) != asked {
            return None;
        }
        Some(match op {
            Op::Txn(_) => asked,
            Op::Register(RegisterOp::Read { value, .. })
            | Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. })
            | Op::Id(IdOp::Generate { id: value, .. }) => {
                Row { a: self.observed_code(value).0, ..asked }
            }
            Op::Set(
                SetOp::Add { added: told, .. }
                | SetOp::Remove { removed: told, .. }
                | SetOp::Contains { found: told, .. },
            ) => Row { b: observed_flag(told).0, ..asked },
            Op::Set(SetOp::Read { elements, .. }) => {
                let (a, b) = self.list(elements, Arena::push_value);
                Row { a, b, ..asked }
            }
            Op::Counter(CounterOp::Add { value, .. }) => {
                Row { b: self.observed_int(value), ..asked }
            }
            Op::Counter(CounterOp::Read { value, .. }) => {
                Row { a: self.observed_int(value), ..asked }
            }
            Op::Lock(LockOp::Acquire { token, .. }) => Row { b: self.observed_int(token), ..asked },
            Op::Register(
                RegisterOp::Write { .. } | RegisterOp::Cas { .. } | RegisterOp::Append { .. },
            )
            | Op::Queue(QueueOp::Enqueue { .. })
            | Op::Lock(LockOp::Release { .. }) => asked,
        })
    }

    /// The operation of a row, with what it observed.
    pub(super) fn op(&self, row: Row) -> Op {
        let key = || self.value(row.key);
        let (a, b) = (Code(row.a), Code(row.b));
        match row.f {
            F::Read => Op::Register(RegisterOp::Read { key: key(), value: self.observed(a) }),
            F::Write => Op::Register(RegisterOp::Write { key: key(), value: self.value(a) }),
            F::Cas => {
                let (from, to) = (self.value(a), self.value(b));
                Op::Register(RegisterOp::Cas { key: key(), from, to })
            }
            F::Append => Op::Register(RegisterOp::Append { key: key(), value: self.value(a) }),
            F::Txn => Op::Txn(self.txn(row)),
            F::SetAdd => {
                let (element, added) = (self.value(a), flag(b));
                Op::Set(SetOp::Add { key: key(), element, added })
            }
            F::SetRemove => {
                let (element, removed) = (self.value(a), flag(b));
                Op::Set(SetOp::Remove { key: key(), element, removed })
            }
            F::SetContains => {
                let (element, found) = (self.value(a), flag(b));
                Op::Set(SetOp::Contains { key: key(), element, found })
            }
            F::SetRead => {
                let codes = self.stored(row.a, row.b);
                let elements = codes.map(|codes| codes.iter().map(|c| self.value(*c)).collect());
                Op::Set(SetOp::Read { key: key(), elements })
            }
            F::CounterAdd => {
                let (delta, value) = (self.some_int(a), self.seen_int(b));
                Op::Counter(CounterOp::Add { key: key(), delta, value })
            }
            F::CounterRead => Op::Counter(CounterOp::Read { key: key(), value: self.seen_int(a) }),
            F::Enqueue => Op::Queue(QueueOp::Enqueue { key: key(), value: self.value(a) }),
            F::Dequeue => Op::Queue(QueueOp::Dequeue { key: key(), value: self.observed(a) }),
            F::Peek => Op::Queue(QueueOp::Peek { key: key(), value: self.observed(a) }),
            F::Acquire => {
                let (permits, token) = (self.some_int(a), self.seen_int(b));
                Op::Lock(LockOp::Acquire { key: key(), permits, token })
            }
            F::Release => {
                let (permits, token) = (self.some_int(a), self.seen_int(b));
                Op::Lock(LockOp::Release { key: key(), permits, token })
            }
            F::Generate => Op::Id(IdOp::Generate { key: key(), id: self.observed(a) }),
        }
    }

    pub(super) fn observed_int(&mut self, int: &Observed<i64>) -> u32 {
        match int {
            Observed::Pending => PENDING,
            Observed::Absent => Code::ABSENT.0,
            Observed::Present(int) => self.int_code(*int).0,
        }
    }

    pub(super) fn some_int(&self, code: Code) -> i64 {
        self.int(code).expect("the row was made from an integer")
    }

    pub(super) fn seen_int(&self, code: Code) -> Observed<i64> {
        match code {
            Code::PENDING => Observed::Pending,
            Code::ABSENT => Observed::Absent,
            code => Observed::Present(self.some_int(code)),
        }
    }
}

fn observed_flag(told: &Observed<bool>) -> Code {
    match told {
        Observed::Pending => Code::PENDING,
        Observed::Absent => Code::ABSENT,
        Observed::Present(yes) => Code(u32::from(*yes)),
    }
}

/// Yes or no, as a row says it.
pub(super) fn flag(code: Code) -> Observed<bool> {
    match code {
        Code::PENDING => Observed::Pending,
        Code::ABSENT => Observed::Absent,
        Code(number) => Observed::Present(number != 0),
    }
}
