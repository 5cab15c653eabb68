//! A transaction as a reader finds it: rows of numbers at once, no owned value in between.
//!
//! Beside speed this knows two things an owned operation cannot say: a read whose reader does not
//! know yet whether it reads a list ([`Builder::settle_reads`]), and a value that may be the
//! initial one ([`Builder::settle_initial`]). Both are decided when the whole file is known.

use rustc_hash::FxHashSet;

use super::columns::{Code, MopRow, Row, mop_kind};
use super::{Builder, HistoryError, OpIndex, Outcome};
use crate::{ErrorClass, F, Nanos, NodeId, Observed, Op, Process, Session, TxnOp, Value, brief};

/// The transaction being read.
#[derive(Debug)]
pub(crate) struct Draft<'b> {
    builder: &'b mut Builder,
}

impl Builder {
    /// An empty transaction, to be filled and then asked or answered.
    #[inline]
    pub(crate) fn draft(&mut self) -> Draft<'_> {
        self.draft.clear();
        self.draft_lists = self.arena.lists_end();
        Draft { builder: self }
    }

    /// The transaction that was filled last, and neither asked nor answered yet.
    #[inline]
    pub(crate) fn drafted(&mut self) -> Draft<'_> {
        Draft { builder: self }
    }

    /// Decides which reads of unknown kind read lists, and says nothing of any other. Those of a
    /// key that is appended to, or of which some read returned a list; of a key of which nothing
    /// tells, those in a history where anything does. O(micro-operations).
    pub(crate) fn settle_reads(&mut self) {
        if !self.arena.mops.iter().any(|row| row.undecided) {
            return;
        }
        let (mut lists, mut registers) = (FxHashSet::default(), FxHashSet::default());
        for row in &self.arena.mops {
            match row.kind {
                mop_kind::APPEND | mop_kind::READ_LIST => drop(lists.insert(row.key)),
                mop_kind::WRITE | mop_kind::ADD => drop(registers.insert(row.key)),
                mop_kind::READ if !row.undecided => drop(registers.insert(row.key)),
                _ => {}
            }
        }
        for row in self.arena.mops.iter_mut().filter(|row| row.undecided) {
            let list = match lists.contains(&row.key) {
                true => true,
                false => !lists.is_empty() && !registers.contains(&row.key),
            };
            row.kind = if list { mop_kind::READ_LIST } else { mop_kind::READ };
            row.undecided = false;
        }
    }

    /// A read that saw the integer `initial` of a key to which nobody writes it found nothing.
    /// O(micro-operations).
    pub(crate) fn settle_initial(&mut self, initial: i64) {
        let initial = self.arena.int_code(initial).0;
        let writes = |row: &&MopRow| row.kind == mop_kind::WRITE && row.a == initial;
        let written: FxHashSet<Code> =
            self.arena.mops.iter().filter(writes).map(|row| row.key).collect();
        for row in &mut self.arena.mops {
            if row.kind == mop_kind::READ && row.a == initial && !written.contains(&row.key) {
                row.a = Code::ABSENT.0;
            }
        }
    }
}

impl Draft<'_> {
    #[inline]
    pub(crate) fn int(&mut self, int: i64) -> Code {
        self.builder.arena.int_code(int)
    }

    pub(crate) fn code(&mut self, value: &Value) -> Code {
        self.builder.arena.code(value)
    }

    #[inline]
    fn push(&mut self, kind: u8, key: Code, a: u32, b: u32) {
        self.builder.draft.push(MopRow { key, a, b, kind, undecided: false });
    }

    #[inline]
    pub(crate) fn write(&mut self, key: Code, value: Code) {
        self.push(mop_kind::WRITE, key, value.0, 0);
    }

    pub(crate) fn add(&mut self, key: Code, delta: i64, seen: Observed<i64>) {
        let delta = self.int(delta);
        let seen = seen.map(|seen| self.int(seen));
        self.push(mop_kind::ADD, key, delta.0, code(seen));
    }

    #[inline]
    pub(crate) fn append(&mut self, key: Code, element: Code) {
        self.push(mop_kind::APPEND, key, element.0, 0);
    }

    #[inline]
    pub(crate) fn read(&mut self, key: Code, seen: Observed<Code>) {
        self.push(mop_kind::READ, key, code(seen), 0);
    }

    /// A read of a list that was not answered, or of one that is not there.
    #[inline]
    pub(crate) fn read_no_list(&mut self, key: Code, seen: Observed<()>) {
        self.push(mop_kind::READ_LIST, key, code(seen.map(|()| Code::ABSENT)), 0);
    }

    /// A read that found a list; what was there is given to [`Draft::element`] next.
    #[inline]
    pub(crate) fn read_list(&mut self, key: Code) {
        let start = self.builder.arena.lists_end();
        self.push(mop_kind::READ_LIST, key, start, 0);
    }

    /// The reads of predicates: as for lists, and elements are keys and values by turns.
    pub(crate) fn read_no_predicate(&mut self, predicate: Code, seen: Observed<()>) {
        self.push(mop_kind::READ_PREDICATE, predicate, code(seen.map(|()| Code::ABSENT)), 0);
    }

    /// A predicate read that found something, see [`Draft::read_list`].
    pub(crate) fn read_predicate(&mut self, predicate: Code) {
        let start = self.builder.arena.lists_end();
        self.push(mop_kind::READ_PREDICATE, predicate, start, 0);
    }

    /// One more element of the list that was read last.
    #[inline]
    pub(crate) fn element(&mut self, element: Code) {
        self.builder.arena.push_code(element);
        if let Some(row) = self.builder.draft.last_mut() {
            row.b += 1;
        }
    }

    /// A read of which is not known yet what it reads: nothing seen, or nothing there.
    pub(crate) fn read_undecided(&mut self, key: Code, absent: bool) {
        let a = if absent { Code::ABSENT.0 } else { Code::PENDING.0 };
        self.builder.draft.push(MopRow { key, a, b: 0, kind: mop_kind::READ, undecided: true });
    }

    /// What it asks, as an owned value.
    pub(crate) fn question(&self) -> TxnOp {
        self.builder.arena.txn_of(&self.builder.draft).pending()
    }

    /// What it says, as an owned value.
    #[cfg(test)]
    pub(crate) fn told(&self) -> TxnOp {
        self.builder.arena.txn_of(&self.builder.draft)
    }

    /// `process` asked for this transaction; what it saw is not kept.
    ///
    /// # Errors
    /// As [`Builder::invoke`].
    pub(crate) fn invoke(
        self,
        time: Nanos,
        process: Process,
        session: Option<Session>,
        node: Option<NodeId>,
    ) -> Result<OpIndex, HistoryError> {
        let builder = self.builder;
        builder.may_invoke(time, process)?;
        builder.arena.forget_lists(builder.draft_lists);
        let a = builder.arena.mops.len() as u32;
        for row in &builder.draft {
            let (a, b) = match row.kind {
                mop_kind::WRITE | mop_kind::APPEND => (row.a, row.b),
                mop_kind::ADD => (row.a, Code::PENDING.0),
                _ => (Code::PENDING.0, 0),
            };
            builder.arena.mops.push(MopRow { a, b, ..*row });
        }
        let row = Row { f: F::Txn, key: Code(0), a, b: builder.draft.len() as u32 };
        Ok(builder.opened(time, process, session, node, row))
    }

    /// The open transaction of `process` ended, and this is it filled in.
    ///
    /// # Errors
    /// As [`Builder::complete`].
    pub(crate) fn complete(
        self,
        time: Nanos,
        process: Process,
        outcome: Outcome,
        error: Option<&ErrorClass>,
    ) -> Result<OpIndex, HistoryError> {
        let builder = self.builder;
        let (index, first) = builder.may_complete(time, process, outcome)?;
        let asked = builder.row(index);
        let txn = asked.f == F::Txn && asked.b as usize == builder.draft.len();
        let rows = match txn {
            true => &mut builder.arena.mops[asked.a as usize..(asked.a + asked.b) as usize],
            false => &mut [],
        };
        let mut pairs = rows.iter().zip(&builder.draft);
        let same = txn && pairs.all(|(asked, row)| asked.same_question(*row));
        if !same {
            let second = builder.events();
            let answered = brief(&Op::Txn(builder.arena.txn_of(&builder.draft)));
            let asked = brief(&builder.arena.op(asked).pending());
            return Err(HistoryError::OtherQuestion { first, second, asked, answered });
        }
        if outcome == Outcome::Ok {
            rows.copy_from_slice(&builder.draft);
        } else {
            builder.arena.forget_lists(builder.draft_lists);
        }
        builder.closed(index, time, outcome, error);
        Ok(index)
    }
}

fn code(seen: Observed<Code>) -> u32 {
    match seen {
        Observed::Pending => Code::PENDING.0,
        Observed::Absent => Code::ABSENT.0,
        Observed::Present(code) => code.0,
    }
}
