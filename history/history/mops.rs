//! Transactions as rows: one row per micro-operation.

use super::arena::Arena;
use super::columns::{Code, MopRow, Row, mop_kind};
use crate::{F, Mop, Observed, TxnOp, Value};

/// One micro-operation as codes: a view into its history, nothing is copied.
///
/// What was observed is there only in transactions that ended `ok`; in every other one reads are
/// pending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MopView<'h> {
    /// See [`Mop::Read`].
    Read {
        /// Which object.
        key: Code,
        /// What was seen.
        value: Observed<Code>,
    },
    /// See [`Mop::Write`].
    Write {
        /// Which object.
        key: Code,
        /// The value written.
        value: Code,
    },
    /// See [`Mop::Append`].
    Append {
        /// Which object.
        key: Code,
        /// The element appended.
        element: Code,
    },
    /// See [`Mop::ReadList`].
    ReadList {
        /// Which object.
        key: Code,
        /// The elements in list order.
        elements: Observed<&'h [Code]>,
    },
    /// See [`Mop::Add`].
    Add {
        /// Which object.
        key: Code,
        /// What was added.
        delta: i64,
        /// The number after it.
        value: Observed<i64>,
    },
    /// See [`Mop::ReadPredicate`].
    ReadPredicate {
        /// Code of the predicate's text.
        predicate: Code,
        /// Key and value of every match, in the order of the reply.
        matches: Observed<&'h [[Code; 2]]>,
    },
}

impl Arena {
    /// The micro-operation of a row. O(1).
    #[inline]
    pub(super) fn mop_view(&self, row: &MopRow) -> MopView<'_> {
        let (key, argument) = (row.key, Code(row.a));
        match row.kind {
            mop_kind::READ => MopView::Read { key, value: argument.observed() },
            mop_kind::WRITE => MopView::Write { key, value: argument },
            mop_kind::APPEND => MopView::Append { key, element: argument },
            mop_kind::READ_LIST => MopView::ReadList { key, elements: self.stored(row.a, row.b) },
            mop_kind::ADD => {
                let (delta, value) = (self.some_int(argument), self.seen_int(Code(row.b)));
                MopView::Add { key, delta, value }
            }
            _ => {
                let matches = self.stored(row.a, row.b).map(|codes| codes.as_chunks().0);
                MopView::ReadPredicate { predicate: key, matches }
            }
        }
    }

    /// The row of a transaction, with what it observed or as a question.
    pub(super) fn txn_row(&mut self, txn: &TxnOp, answered: bool) -> Row {
        let a = self.mops.len() as u32;
        for mop in &txn.mops {
            let row = self.mop_row(mop, answered);
            self.mops.push(row);
        }
        Row { f: F::Txn, key: Code(0), a, b: txn.mops.len() as u32 }
    }

    /// Fills in the micro-operations of a transaction where they are; `None` if it is another one.
    pub(super) fn answer_txn(&mut self, asked: Row, txn: &TxnOp) -> Option<Row> {
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

    pub(super) fn txn(&self, row: Row) -> TxnOp {
        self.txn_of(&self.mops[row.a as usize..(row.a + row.b) as usize])
    }

    pub(super) fn txn_of(&self, rows: &[MopRow]) -> TxnOp {
        TxnOp { mops: rows.iter().map(|row| self.mop(row)).collect() }
    }

    fn mop_row(&mut self, mop: &Mop, answered: bool) -> MopRow {
        const ASKED: (u32, u32) = (Code::PENDING.0, 0);
        let kind = mop.code();
        match mop {
            Mop::Read { key, value } => {
                let key = self.code(key);
                let seen = if answered { self.observed_code(value) } else { Code::PENDING };
                MopRow { key, a: seen.0, b: 0, kind, undecided: false }
            }
            Mop::Write { key, value } => {
                MopRow { key: self.code(key), a: self.code(value).0, b: 0, kind, undecided: false }
            }
            Mop::Append { key, element } => MopRow {
                key: self.code(key),
                a: self.code(element).0,
                b: 0,
                kind,
                undecided: false,
            },
            Mop::ReadList { key, elements } => {
                let key = self.code(key);
                let (a, b) = if answered { self.list(elements, Arena::push_value) } else { ASKED };
                MopRow { key, a, b, kind, undecided: false }
            }
            Mop::Add { key, delta, value } => {
                let (key, delta) = (self.code(key), self.int_code(*delta));
                let seen = if answered { self.observed_int(value) } else { Code::PENDING.0 };
                MopRow { key, a: delta.0, b: seen, kind, undecided: false }
            }
            Mop::ReadPredicate { predicate, matches } => {
                let key = self.code(&Value::Text(predicate.clone()));
                let push = |arena: &mut Arena, (key, value): &(Value, Value)| {
                    arena.push_value(key);
                    arena.push_value(value);
                };
                let (a, b) = if answered { self.list(matches, push) } else { ASKED };
                MopRow { key, a, b, kind, undecided: false }
            }
        }
    }

    fn mop(&self, row: &MopRow) -> Mop {
        let key = self.value(row.key);
        match row.kind {
            mop_kind::READ => Mop::Read { key, value: self.observed(Code(row.a)) },
            mop_kind::WRITE => Mop::Write { key, value: self.value(Code(row.a)) },
            mop_kind::APPEND => Mop::Append { key, element: self.value(Code(row.a)) },
            mop_kind::ADD => {
                let (delta, value) = (self.some_int(Code(row.a)), self.seen_int(Code(row.b)));
                Mop::Add { key, delta, value }
            }
            mop_kind::READ_LIST => {
                let elements = self
                    .stored(row.a, row.b)
                    .map(|codes| codes.iter().map(|c| self.value(*c)).collect());
                Mop::ReadList { key, elements }
            }
            _ => {
                let Value::Text(predicate) = key else {
                    unreachable!("predicates are stored as text")
                };
                let pair = |pair: &[Code]| (self.value(pair[0]), self.value(pair[1]));
                let matches =
                    self.stored(row.a, row.b).map(|codes| codes.chunks(2).map(pair).collect());
                Mop::ReadPredicate { predicate, matches }
            }
        }
    }
}
