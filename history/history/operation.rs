//! One operation of a history: a view.

use super::History;
use super::columns::{Code, MopRow, Row};
use super::mops::MopView;
use super::rows::flag;
use crate::{ErrorClass, EventId, F, Nanos, NodeId, Observed, Op, Process, Session};

/// Position of an operation among the operations of its history, in the order recorded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct OpIndex(pub u32);

/// What came of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Outcome {
    /// It happened, between invocation and completion.
    Ok = 0,
    /// It did not happen and never will.
    Fail = 1,
    /// Unknown, said so: at any time after the invocation, or never.
    Info = 2,
    /// Unknown because the record ends: read exactly like `Info`.
    Open = 3,
}

/// One operation: a view into its history.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'h> {
    history: &'h History,
    index: OpIndex,
}

impl<'h> Operation<'h> {
    #[inline]
    pub(super) fn new(history: &'h History, index: OpIndex) -> Operation<'h> {
        Operation { history, index }
    }

    #[inline]
    fn at(&self) -> usize {
        self.index.0 as usize
    }

    /// Its position.
    #[inline]
    pub fn index(&self) -> OpIndex {
        self.index
    }

    /// Rank of its invocation.
    #[inline]
    pub fn call(&self) -> EventId {
        EventId(self.history.call[self.at()])
    }

    /// Rank of its completion; an `info` has one too, and it bounds nothing.
    #[inline]
    pub fn ret(&self) -> Option<EventId> {
        let rank = self.history.ret[self.at()];
        (rank != u32::MAX).then_some(EventId(rank))
    }

    /// Who.
    pub fn process(&self) -> Process {
        self.history.process[self.at()]
    }

    /// In which conversation.
    pub fn session(&self) -> Session {
        let own = Session(self.process().0);
        self.history.sessions.get(&self.index.0).copied().unwrap_or(own)
    }

    /// Who was asked, when known.
    pub fn node(&self) -> Option<NodeId> {
        let node = self.history.node[self.at()];
        (node != u16::MAX).then_some(NodeId(node))
    }

    /// What came of it.
    #[inline]
    pub fn outcome(&self) -> Outcome {
        match self.history.tag[self.at()] >> 6 {
            0 => Outcome::Ok,
            1 => Outcome::Fail,
            2 => Outcome::Info,
            _ => Outcome::Open,
        }
    }

    /// Why it did not end `ok`.
    pub fn error(&self) -> Option<ErrorClass> {
        self.history.arena.error(self.history.error[self.at()])
    }

    /// When it was sent.
    pub fn invoked_at(&self) -> Nanos {
        Nanos(self.history.times.invoked[self.at()])
    }

    /// When it was answered; of an open operation, when it was sent.
    pub fn completed_at(&self) -> Nanos {
        self.history.times.completed(self.at())
    }

    /// Which operation of its family it is.
    #[inline]
    pub fn f(&self) -> F {
        F::from_tag(self.history.tag[self.at()])
    }

    /// Code of the key; meaningless for a transaction.
    #[inline]
    pub fn key(&self) -> Code {
        self.history.key[self.at()]
    }

    /// First argument, see [`F`].
    #[inline]
    pub fn a(&self) -> Code {
        Code(self.history.a[self.at()])
    }

    /// Second argument, see [`F`].
    #[inline]
    pub fn b(&self) -> Code {
        Code(self.history.b[self.at()])
    }

    /// The first argument as an integer: a delta, a number of permits, an integer seen. `None`
    /// where it is pending, absent or no integer.
    pub fn int_a(&self) -> Option<i64> {
        self.history.arena.int(self.a())
    }

    /// The second argument as an integer: the value after an addition, a token. `None` where it is
    /// pending, absent or no integer.
    pub fn int_b(&self) -> Option<i64> {
        self.history.arena.int(self.b())
    }

    /// What the client was told of `set-add`, `set-remove` and `set-contains`; pending of every
    /// other operation.
    pub fn told(&self) -> Observed<bool> {
        match self.f() {
            F::SetAdd | F::SetRemove | F::SetContains => flag(self.b()),
            F::Read
            | F::Write
            | F::Cas
            | F::Txn
            | F::Append
            | F::SetRead
            | F::CounterAdd
            | F::CounterRead
            | F::Enqueue
            | F::Dequeue
            | F::Peek
            | F::Acquire
            | F::Release
            | F::Generate => Observed::Pending,
        }
    }

    /// What `set-read` saw, in the order of the reply; pending of every other operation.
    pub fn elements(&self) -> Observed<&'h [Code]> {
        match self.f() {
            F::SetRead => self.history.arena.stored(self.a().0, self.b().0),
            F::Read
            | F::Write
            | F::Cas
            | F::Txn
            | F::Append
            | F::SetAdd
            | F::SetRemove
            | F::SetContains
            | F::CounterAdd
            | F::CounterRead
            | F::Enqueue
            | F::Dequeue
            | F::Peek
            | F::Acquire
            | F::Release
            | F::Generate => Observed::Pending,
        }
    }

    /// Codes of the objects that a transaction's micro-operations name, one each; none of every
    /// other operation.
    pub fn mop_keys(&self) -> impl Iterator<Item = Code> + use<'h> {
        self.mop_rows().iter().map(|row| row.key)
    }

    /// A transaction's micro-operations in program order, without a copy; none of every other
    /// operation.
    #[inline]
    pub fn mops(&self) -> impl ExactSizeIterator<Item = MopView<'h>> + Clone + use<'h> {
        let arena = &self.history.arena;
        self.mop_rows().iter().map(|row| arena.mop_view(row))
    }

    #[inline]
    fn mop_rows(&self) -> &'h [MopRow] {
        let txn = self.f() == F::Txn;
        let (from, many) = if txn { (self.a().0 as usize, self.b().0 as usize) } else { (0, 0) };
        &self.history.arena.mops[from..from + many]
    }

    /// The operation with what it observed, owned.
    pub fn op(&self) -> Op {
        let row = Row { f: self.f(), key: self.key(), a: self.a().0, b: self.b().0 };
        self.history.arena.op(row)
    }
}
