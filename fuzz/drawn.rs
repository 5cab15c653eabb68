//! Small histories from bytes: few keys and values, so that operations meet, and answers that are
//! often right.

use tribunal_history::{
    Builder, CounterOp, ErrorClass, Family, History, IdOp, LockOp, Mop, Nanos, Observed, Op,
    Outcome, Process, QueueOp, RegisterOp, SetOp, TxnOp, Value,
};

/// Most steps of a history.
const STEPS: usize = 40;
const SLOTS: usize = 4;

/// Bytes, then zeros.
#[derive(Clone, Debug)]
pub(crate) struct Bytes<'b> {
    bytes: &'b [u8],
}

impl<'b> Bytes<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Bytes<'b> {
        Bytes { bytes }
    }

    pub(crate) fn below(&mut self, bound: u8) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first % bound
    }

    fn value(&mut self) -> Value {
        match self.below(10) {
            small @ 0..8 => Value::Int(i64::from(small % 4)),
            8 => Value::Nil,
            _ => Value::text(["", "a", "b"][usize::from(self.below(3))]),
        }
    }

    fn int(&mut self) -> i64 {
        match self.below(16) {
            0 => i64::MAX,
            1 => i64::MIN,
            small => i64::from(small) - 4,
        }
    }

    fn seen<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Observed<T> {
        match self.below(12) {
            0 => Observed::Pending,
            1 | 2 => Observed::Absent,
            _ => Observed::Present(value(self)),
        }
    }

    fn values(&mut self) -> Vec<Value> {
        (0..self.below(4)).map(|_| self.value()).collect()
    }
}

/// What a history asks of registers, and its transactions of objects: no model has every operation.
#[derive(Clone, Copy, Debug)]
enum Registers {
    Plain,
    /// And compare-and-sets; in transactions, reads by predicates.
    Cas,
    /// Texts and lists.
    Append,
    /// In transactions, anything.
    Mixed,
}

/// A history of one family.
pub(crate) fn history(family: Family, bytes: &mut Bytes<'_>) -> History {
    let mut builder = Builder::as_given();
    let mut process: [u32; SLOTS] = [0, 1, 2, 3];
    let mut open: [bool; SLOTS] = [false; SLOTS];
    let registers = match bytes.below(8) {
        0 | 1 => Registers::Plain,
        2..5 => Registers::Cas,
        5 | 6 => Registers::Append,
        _ => Registers::Mixed,
    };
    for time in 0..STEPS {
        if bytes.bytes.is_empty() {
            break;
        }
        let slot = usize::from(bytes.below(SLOTS as u8));
        let (who, time) = (Process(process[slot]), Nanos(time as u64));
        if !std::mem::replace(&mut open[slot], true) {
            let op = question(family, registers, bytes);
            builder.invoke(time, who, None, None, &op).expect("idle");
            continue;
        }
        open[slot] = false;
        let asked = builder.open_op(who).expect("open");
        let outcome = match bytes.below(8) {
            0 => Outcome::Fail,
            1 => Outcome::Info,
            _ => Outcome::Ok,
        };
        let error = match (outcome, bytes.below(2)) {
            (Outcome::Fail, 0) => Some(ErrorClass::MISMATCH),
            (_, _) => None,
        };
        process[slot] += if outcome == Outcome::Info { SLOTS as u32 } else { 0 };
        let answer = answer(asked, bytes);
        builder.complete(time, who, outcome, Some(&answer), error.as_ref()).expect("its answer");
    }
    builder.finish()
}

fn question(family: Family, registers: Registers, bytes: &mut Bytes<'_>) -> Op {
    let key = Value::Int(i64::from(bytes.below(8) / 6));
    let value = bytes.value();
    match family {
        Family::Register => Op::Register(match (bytes.below(3), registers) {
            (0, _) => RegisterOp::Read { key, value: Observed::Pending },
            (1, _) | (_, Registers::Plain) => RegisterOp::Write { key, value },
            (_, Registers::Cas | Registers::Mixed) => {
                RegisterOp::Cas { key, from: bytes.value(), to: value }
            }
            (_, Registers::Append) => RegisterOp::Append { key, value },
        }),
        Family::Txn => {
            let mops = (0..bytes.below(4)).map(|_| mop(registers, bytes)).collect();
            Op::Txn(TxnOp { mops })
        }
        Family::Set => Op::Set(match bytes.below(4) {
            0 => SetOp::Add { key, element: value, added: Observed::Pending },
            1 => SetOp::Remove { key, element: value, removed: Observed::Pending },
            2 => SetOp::Contains { key, element: value, found: Observed::Pending },
            _ => SetOp::Read { key, elements: Observed::Pending },
        }),
        Family::Counter => Op::Counter(match bytes.below(2) {
            0 => CounterOp::Add { key, delta: bytes.int(), value: Observed::Pending },
            _ => CounterOp::Read { key, value: Observed::Pending },
        }),
        Family::Queue => Op::Queue(match bytes.below(4) {
            0 | 1 => QueueOp::Enqueue { key, value },
            2 => QueueOp::Dequeue { key, value: Observed::Pending },
            _ => QueueOp::Peek { key, value: Observed::Pending },
        }),
        Family::Lock => {
            let permits = if bytes.below(3) == 0 { bytes.int() } else { 1 };
            Op::Lock(match bytes.below(2) {
                0 => LockOp::Acquire { key, permits, token: Observed::Pending },
                _ => LockOp::Release { key, permits, token: bytes.seen(Bytes::int) },
            })
        }
        Family::Id => Op::Id(IdOp::Generate { key, id: Observed::Pending }),
    }
}

fn mop(registers: Registers, bytes: &mut Bytes<'_>) -> Mop {
    let key = Value::Int(i64::from(bytes.below(3)));
    let kind = match registers {
        Registers::Plain => bytes.below(4),
        Registers::Cas => [0, 1, 2, 3, 7][usize::from(bytes.below(5))],
        Registers::Append => 4 + bytes.below(2),
        Registers::Mixed => bytes.below(8),
    };
    match kind {
        7 => {
            let range = ["keys", "keys 0..2", "keys 1..", "keys 2..1", "something"];
            let predicate = range[bytes.below(5) as usize].into();
            Mop::ReadPredicate { predicate, matches: Observed::Pending }
        }
        6 => Mop::Add { key, delta: bytes.int(), value: Observed::Pending },
        0 | 1 => Mop::Read { key, value: Observed::Pending },
        2 | 3 => Mop::Write { key, value: bytes.value() },
        4 => Mop::Append { key, element: bytes.value() },
        _ => Mop::ReadList { key, elements: Observed::Pending },
    }
}

fn answer(mut op: Op, bytes: &mut Bytes<'_>) -> Op {
    match &mut op {
        Op::Register(RegisterOp::Read { value, .. })
        | Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. })
        | Op::Id(IdOp::Generate { id: value, .. }) => *value = bytes.seen(Bytes::value),
        Op::Set(
            SetOp::Add { added: told, .. }
            | SetOp::Remove { removed: told, .. }
            | SetOp::Contains { found: told, .. },
        ) => *told = bytes.seen(|bytes| bytes.below(2) == 1),
        Op::Set(SetOp::Read { elements, .. }) => *elements = bytes.seen(Bytes::values),
        Op::Counter(CounterOp::Add { value, .. } | CounterOp::Read { value, .. })
        | Op::Lock(LockOp::Acquire { token: value, .. }) => *value = bytes.seen(Bytes::int),
        Op::Register(_) | Op::Queue(_) | Op::Lock(_) => {}
        Op::Txn(txn) => {
            for mop in &mut txn.mops {
                match mop {
                    Mop::Read { value, .. } => *value = bytes.seen(Bytes::value),
                    Mop::ReadList { elements, .. } => *elements = bytes.seen(Bytes::values),
                    Mop::Add { value, .. } => *value = bytes.seen(Bytes::int),
                    Mop::ReadPredicate { matches, .. } => {
                        *matches = bytes.seen(|bytes| {
                            let found = bytes.values().into_iter();
                            found
                                .map(|value| (Value::Int(i64::from(bytes.below(4))), value))
                                .collect()
                        });
                    }
                    Mop::Write { .. } | Mop::Append { .. } => {}
                }
            }
        }
    }
    op
}
