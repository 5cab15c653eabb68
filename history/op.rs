//! The closed set of operations checkers understand. One family is one file and one variant here.

use std::fmt;

use crate::{CounterOp, F, IdOp, LockOp, QueueOp, RegisterOp, SetOp, TxnOp, Value};

/// The owned exchange value of clients, generators and codecs.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Op {
    /// Read, write, compare-and-set, append on one key.
    Register(RegisterOp),
    /// A transaction over micro-operations.
    Txn(TxnOp),
    /// Add, remove, look up, read all of one set.
    Set(SetOp),
    /// Add to and read one number.
    Counter(CounterOp),
    /// Put in, take out, look at the next of one container.
    Queue(QueueOp),
    /// Take and give back one lock.
    Lock(LockOp),
    /// Ask one source for an identifier.
    Id(IdOp),
}

/// Which family an operation belongs to. Targets declare the families they speak.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Family {
    /// See [`RegisterOp`].
    Register,
    /// See [`TxnOp`].
    Txn,
    /// See [`SetOp`].
    Set,
    /// See [`CounterOp`].
    Counter,
    /// See [`QueueOp`]: queues, stacks, priority queues.
    Queue,
    /// See [`LockOp`]: mutexes, locks, semaphores.
    Lock,
    /// See [`IdOp`].
    Id,
}

impl Op {
    /// The operation's family.
    pub fn family(&self) -> Family {
        self.f().family()
    }

    /// The operation's name: see [`F::name`].
    pub fn name(&self) -> &'static str {
        self.f().name()
    }

    /// Which operation of its family it is.
    pub fn f(&self) -> F {
        match self {
            Op::Register(op) => op.f(),
            Op::Txn(_) => F::Txn,
            Op::Set(op) => op.f(),
            Op::Counter(op) => op.f(),
            Op::Queue(op) => op.f(),
            Op::Lock(op) => op.f(),
            Op::Id(op) => op.f(),
        }
    }

    /// The key of the one object it operates on; `None` for a transaction, which may have several.
    pub fn key(&self) -> Option<&Value> {
        match self {
            Op::Register(op) => Some(op.key()),
            Op::Txn(_) => None,
            Op::Set(op) => Some(op.key()),
            Op::Counter(op) => Some(op.key()),
            Op::Queue(op) => Some(op.key()),
            Op::Lock(op) => Some(op.key()),
            Op::Id(op) => Some(op.key()),
        }
    }

    /// The same operation on the object of another key. A transaction names its objects itself
    /// and stays as it is.
    pub fn on_key(mut self, key: &Value) -> Op {
        let place = match &mut self {
            Op::Register(op) => op.key_mut(),
            Op::Txn(_) => return self,
            Op::Set(op) => op.key_mut(),
            Op::Counter(op) => op.key_mut(),
            Op::Queue(op) => op.key_mut(),
            Op::Lock(op) => op.key_mut(),
            Op::Id(op) => op.key_mut(),
        };
        place.clone_from(key);
        self
    }

    /// Whether this is `asked` filled in: the same question, whatever was observed.
    pub fn answers(&self, asked: &Op) -> bool {
        match (self, asked) {
            (Op::Register(this), Op::Register(asked)) => this.answers(asked),
            (Op::Txn(this), Op::Txn(asked)) => this.answers(asked),
            (Op::Set(this), Op::Set(asked)) => this.answers(asked),
            (Op::Counter(this), Op::Counter(asked)) => this.answers(asked),
            (Op::Queue(this), Op::Queue(asked)) => this.answers(asked),
            (Op::Lock(this), Op::Lock(asked)) => this.answers(asked),
            (Op::Id(this), Op::Id(asked)) => this.answers(asked),
            (
                Op::Register(_)
                | Op::Txn(_)
                | Op::Set(_)
                | Op::Counter(_)
                | Op::Queue(_)
                | Op::Lock(_)
                | Op::Id(_),
                _,
            ) => false,
        }
    }

    /// The operation as it was invoked: nothing observed yet.
    pub fn pending(&self) -> Op {
        match self {
            Op::Register(op) => Op::Register(op.pending()),
            Op::Txn(op) => Op::Txn(op.pending()),
            Op::Set(op) => Op::Set(op.pending()),
            Op::Counter(op) => Op::Counter(op.pending()),
            Op::Queue(op) => Op::Queue(op.pending()),
            Op::Lock(op) => Op::Lock(op.pending()),
            Op::Id(op) => Op::Id(op.pending()),
        }
    }

    /// Whether the operation can change the database. An operation that cannot is `fail` rather
    /// than `info` when its outcome is lost: it changed nothing, whatever happened.
    pub fn writes(&self) -> bool {
        match self {
            Op::Txn(txn) => txn.mops.iter().any(crate::Mop::writes),
            Op::Register(_)
            | Op::Set(_)
            | Op::Counter(_)
            | Op::Queue(_)
            | Op::Lock(_)
            | Op::Id(_) => self.f().writes(),
        }
    }
}

impl Family {
    /// Every family, in the order of the wire formats.
    pub const ALL: [Family; 7] = [
        Family::Register,
        Family::Txn,
        Family::Set,
        Family::Counter,
        Family::Queue,
        Family::Lock,
        Family::Id,
    ];

    /// The family's name in every format.
    pub fn name(self) -> &'static str {
        match self {
            Family::Register => "register",
            Family::Txn => "txn",
            Family::Set => "set",
            Family::Counter => "counter",
            Family::Queue => "queue",
            Family::Lock => "lock",
            Family::Id => "id",
        }
    }

    /// The family of a name.
    pub fn from_name(name: &str) -> Option<Family> {
        Family::ALL.into_iter().find(|family| family.name() == name)
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Register(op) => op.fmt(f),
            Op::Txn(op) => op.fmt(f),
            Op::Set(op) => op.fmt(f),
            Op::Counter(op) => op.fmt(f),
            Op::Queue(op) => op.fmt(f),
            Op::Lock(op) => op.fmt(f),
            Op::Id(op) => op.fmt(f),
        }
    }
}
