//! What operations asked and observed, read from the fields of a record.

use super::form;
use super::wire::{Cursor, Seen};
use crate::codec::CodecError;
use crate::{
    CounterOp, F, IdOp, LockOp, Mop, Observed, Op, QueueOp, RegisterOp, SetOp, TxnOp, Value,
};

/// The texts of a segment.
type Dictionary = [Box<str>];

/// A text, where a value stands that can only be one.
pub(super) fn string(
    dictionary: &Dictionary,
    cursor: &mut Cursor<'_>,
) -> Result<Box<str>, CodecError> {
    match cursor.value(dictionary)? {
        Value::Text(text) => Ok(text),
        Value::Nil | Value::Int(_) | Value::Unparsed(_) => {
            Err(cursor.error("a text was expected here"))
        }
    }
}

/// An operation as it was asked, from the number of its [`F`].
pub(super) fn question(
    f: u8,
    dictionary: &Dictionary,
    cursor: &mut Cursor<'_>,
) -> Result<Op, CodecError> {
    let Some(f) = F::from_number(f) else {
        let message = format!("operation {f} is unknown; a newer release wrote this");
        return Err(cursor.error(message));
    };
    if f == F::Txn {
        return txn(dictionary, cursor);
    }
    let key = cursor.value(dictionary)?;
    Ok(match f {
        F::Txn => unreachable!("read above"),
        F::Read => Op::Register(RegisterOp::Read { key, value: Observed::Pending }),
        F::Write => Op::Register(RegisterOp::Write { key, value: cursor.value(dictionary)? }),
        F::Append => Op::Register(RegisterOp::Append { key, value: cursor.value(dictionary)? }),
        F::Cas => {
            let from = cursor.value(dictionary)?;
            let to = cursor.value(dictionary)?;
            Op::Register(RegisterOp::Cas { key, from, to })
        }
        F::SetAdd => {
            let element = cursor.value(dictionary)?;
            Op::Set(SetOp::Add { key, element, added: Observed::Pending })
        }
        F::SetRemove => {
            let element = cursor.value(dictionary)?;
            Op::Set(SetOp::Remove { key, element, removed: Observed::Pending })
        }
        F::SetContains => {
            let element = cursor.value(dictionary)?;
            Op::Set(SetOp::Contains { key, element, found: Observed::Pending })
        }
        F::SetRead => Op::Set(SetOp::Read { key, elements: Observed::Pending }),
        F::CounterAdd => {
            let delta = int(dictionary, cursor)?;
            Op::Counter(CounterOp::Add { key, delta, value: Observed::Pending })
        }
        F::CounterRead => Op::Counter(CounterOp::Read { key, value: Observed::Pending }),
        F::Enqueue => Op::Queue(QueueOp::Enqueue { key, value: cursor.value(dictionary)? }),
        F::Dequeue => Op::Queue(QueueOp::Dequeue { key, value: Observed::Pending }),
        F::Peek => Op::Queue(QueueOp::Peek { key, value: Observed::Pending }),
        F::Acquire => {
            let permits = int(dictionary, cursor)?;
            Op::Lock(LockOp::Acquire { key, permits, token: Observed::Pending })
        }
        F::Release => {
            let permits = int(dictionary, cursor)?;
            let token = number(cursor.seen(dictionary)?, cursor)?;
            Op::Lock(LockOp::Release { key, permits, token })
        }
        F::Generate => Op::Id(IdOp::Generate { key, id: Observed::Pending }),
    })
}

fn txn(dictionary: &Dictionary, cursor: &mut Cursor<'_>) -> Result<Op, CodecError> {
    let count = cursor.varint()?;
    let mut mops = Vec::new();
    for _ in 0..count {
        mops.push(mop(dictionary, cursor)?);
    }
    Ok(Op::Txn(TxnOp { mops }))
}

fn mop(dictionary: &Dictionary, cursor: &mut Cursor<'_>) -> Result<Mop, CodecError> {
    let kind = cursor.byte()?;
    if kind == 4 {
        let predicate = string(dictionary, cursor)?;
        return Ok(Mop::ReadPredicate { predicate, matches: Observed::Pending });
    }
    let key = cursor.value(dictionary)?;
    Ok(match kind {
        0 => Mop::Read { key, value: Observed::Pending },
        1 => Mop::Write { key, value: cursor.value(dictionary)? },
        2 => Mop::Append { key, element: cursor.value(dictionary)? },
        3 => Mop::ReadList { key, elements: Observed::Pending },
        5 => Mop::Add { key, delta: int(dictionary, cursor)?, value: Observed::Pending },
        other => return Err(cursor.error(format!("micro-operation {other} is unknown"))),
    })
}

/// `op` with what it observed.
pub(super) fn observation(
    form: u8,
    mut op: Op,
    dictionary: &Dictionary,
    cursor: &mut Cursor<'_>,
) -> Result<Op, CodecError> {
    match (form, &mut op) {
        (form::RESULTS, Op::Txn(txn)) => {
            let count = cursor.varint()?;
            let reads = txn.mops.iter().filter(|mop| mop.observes()).count() as u64;
            if count != reads {
                let message = format!("{count} results for the {reads} reads of `{txn}`");
                return Err(cursor.error(message));
            }
            for mop in txn.mops.iter_mut().filter(|mop| mop.observes()) {
                fill_mop(mop, cursor.seen(dictionary)?, cursor)?;
            }
            Ok(op)
        }
        (form::RESULT, observer) if observes(observer) => {
            fill(observer, cursor.seen(dictionary)?, cursor)?;
            Ok(op)
        }
        (form, op) => Err(cursor.error(format!("an answer of form {form} does not fit `{op}`"))),
    }
}

/// Whether one result answers it.
fn observes(op: &Op) -> bool {
    match op.f() {
        F::Read
        | F::SetAdd
        | F::SetRemove
        | F::SetContains
        | F::SetRead
        | F::CounterAdd
        | F::CounterRead
        | F::Dequeue
        | F::Peek
        | F::Acquire
        | F::Generate => true,
        F::Write | F::Cas | F::Append | F::Txn | F::Enqueue | F::Release => false,
    }
}

fn fill(op: &mut Op, seen: Seen, cursor: &Cursor<'_>) -> Result<(), CodecError> {
    match op {
        Op::Register(RegisterOp::Read { value, .. })
        | Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. })
        | Op::Id(IdOp::Generate { id: value, .. }) => match seen {
            Seen::Value(seen) => *value = seen,
            Seen::List(_) | Seen::Pairs(_) => {
                return Err(cursor.error("a list was seen where there is one value"));
            }
        },
        Op::Set(
            SetOp::Add { added: told, .. }
            | SetOp::Remove { removed: told, .. }
            | SetOp::Contains { found: told, .. },
        ) => {
            *told = match number(seen, cursor)? {
                Observed::Pending => Observed::Pending,
                Observed::Absent => Observed::Absent,
                Observed::Present(0) => Observed::Present(false),
                Observed::Present(1) => Observed::Present(true),
                Observed::Present(_) => return Err(cursor.error("yes is 1 and no is 0")),
            };
        }
        Op::Set(SetOp::Read { elements, .. }) => *elements = elements_of(seen, cursor)?,
        Op::Counter(CounterOp::Add { value, .. } | CounterOp::Read { value, .. })
        | Op::Lock(LockOp::Acquire { token: value, .. }) => *value = number(seen, cursor)?,
        Op::Register(
            RegisterOp::Write { .. } | RegisterOp::Cas { .. } | RegisterOp::Append { .. },
        )
        | Op::Queue(QueueOp::Enqueue { .. })
        | Op::Lock(LockOp::Release { .. })
        | Op::Txn(_) => {}
    }
    Ok(())
}

fn fill_mop(mop: &mut Mop, seen: Seen, cursor: &Cursor<'_>) -> Result<(), CodecError> {
    match (mop, seen) {
        (Mop::Read { value, .. }, Seen::Value(seen)) => *value = seen,
        (Mop::ReadList { elements, .. }, seen @ (Seen::List(_) | Seen::Value(_))) => {
            *elements = elements_of(seen, cursor)?;
        }
        (Mop::Add { value, .. }, seen) => *value = number(seen, cursor)?,
        (Mop::ReadPredicate { matches, .. }, Seen::Pairs(seen)) => {
            *matches = Observed::Present(seen);
        }
        (Mop::ReadPredicate { .. }, Seen::Value(Observed::Pending)) => {}
        (Mop::ReadPredicate { matches, .. }, Seen::Value(Observed::Absent)) => {
            *matches = Observed::Absent;
        }
        (mop, _) => return Err(cursor.error(format!("a result of the wrong kind for `{mop}`"))),
    }
    Ok(())
}

fn elements_of(seen: Seen, cursor: &Cursor<'_>) -> Result<Observed<Vec<Value>>, CodecError> {
    match seen {
        Seen::List(elements) => Ok(Observed::Present(elements)),
        Seen::Value(Observed::Pending) => Ok(Observed::Pending),
        Seen::Value(Observed::Absent) => Ok(Observed::Absent),
        Seen::Value(Observed::Present(_)) | Seen::Pairs(_) => {
            Err(cursor.error("a list was expected here"))
        }
    }
}

fn number(seen: Seen, cursor: &Cursor<'_>) -> Result<Observed<i64>, CodecError> {
    match seen {
        Seen::Value(Observed::Pending) => Ok(Observed::Pending),
        Seen::Value(Observed::Absent) => Ok(Observed::Absent),
        Seen::Value(Observed::Present(Value::Int(int))) => Ok(Observed::Present(int)),
        Seen::Value(Observed::Present(Value::Nil | Value::Text(_) | Value::Unparsed(_)))
        | Seen::List(_)
        | Seen::Pairs(_) => Err(cursor.error("an integer was expected here")),
    }
}

fn int(dictionary: &Dictionary, cursor: &mut Cursor<'_>) -> Result<i64, CodecError> {
    match number(cursor.seen(dictionary)?, cursor)? {
        Observed::Present(int) => Ok(int),
        Observed::Pending | Observed::Absent => Err(cursor.error("an integer was expected here")),
    }
}
