//! A register: read and write.

use tribunal_history::{Code, F, History, Op, Operation, Outcome, Value};

use crate::linearizable::meter::value_bytes;
use crate::linearizable::zones::{self, RegisterKind};
use crate::linearizable::{
    Allowance, Dialect, Fast, FromHistory, Interpreted, Model, NilRead, Partition, Steps, Words,
};

/// A register that holds `initial` until it is first written; `Value::Nil` is an absent register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Register {
    /// What it holds before the first write.
    pub initial: Value,
}

/// A read with its answer, or a write.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RegisterOp {
    /// Found this value.
    Read(Value),
    /// Wrote this value.
    Write(Value),
}

impl Model for Register {
    type State = Value;
    type Op = RegisterOp;

    fn initial(&self) -> Value {
        self.initial.clone()
    }

    fn step(&self, state: &Value, op: &RegisterOp) -> Steps<Value> {
        match op {
            RegisterOp::Read(value) if value == state => Steps::One(state.clone()),
            RegisterOp::Read(_) => Steps::None,
            RegisterOp::Write(value) => Steps::One(value.clone()),
        }
    }

    fn is_pure(&self, op: &RegisterOp) -> bool {
        matches!(op, RegisterOp::Read(_))
    }

    fn is_blind(&self, op: &RegisterOp) -> bool {
        matches!(op, RegisterOp::Write(_))
    }

    fn observes(&self, observer: &RegisterOp, producer: &RegisterOp) -> bool {
        match (observer, producer) {
            (RegisterOp::Read(seen), RegisterOp::Write(value)) => seen == value,
            (RegisterOp::Write(_), _) | (_, RegisterOp::Read(_)) => false,
        }
    }

    /// Two copies: one to keep, and one to know it by.
    fn heap_bytes(&self, state: &Value) -> u64 {
        2 * value_bytes(state)
    }

    fn op_heap_bytes(&self, op: &RegisterOp) -> u64 {
        match op {
            RegisterOp::Read(value) | RegisterOp::Write(value) => value_bytes(value),
        }
    }

    fn describe_state(&self, state: &Value) -> String {
        state.to_string()
    }

    fn words(&self, op: &RegisterOp) -> Words {
        match op {
            RegisterOp::Read(value) => read_words(value),
            RegisterOp::Write(value) => write_words(value),
        }
    }

    fn refusal(&self, state: &Value, op: &RegisterOp) -> String {
        match op {
            RegisterOp::Read(value) => read_refusal(state, value),
            RegisterOp::Write(_) => unreachable!("a write is legal in every state"),
        }
    }
}

impl FromHistory for Register {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<RegisterOp>, String> {
        match operation.f() {
            F::Read => Ok(interpret_read(operation, dialect, RegisterOp::Read)),
            F::Write => Ok(interpret_write(operation, RegisterOp::Write)),
            F::Cas
            | F::Txn
            | F::Append
            | F::SetAdd
            | F::SetRemove
            | F::SetContains
            | F::SetRead
            | F::CounterAdd
            | F::CounterRead
            | F::Enqueue
            | F::Dequeue
            | F::Peek
            | F::Acquire
            | F::Release
            | F::Generate => Err(operation.op().to_string()),
        }
    }

    fn likeness(&self, operation: &Operation<'_>, dialect: Dialect) -> Option<[u32; 3]> {
        register_likeness(operation, dialect)
    }

    fn fast(&self, partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
        zones::decide(partition, allowance, &self.initial, RegisterKind::Plain)
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        keys.push(operation.key());
    }
}

/// Which operation, what came of it, and its values; of a failed compare-and-set whether it
/// observed something.
pub(super) fn register_likeness(operation: &Operation<'_>, dialect: Dialect) -> Option<[u32; 3]> {
    let (f, outcome) = (operation.f(), operation.outcome());
    let observed = || dialect.failed_cas.is_observation(operation.error().as_ref());
    let observed = outcome == Outcome::Fail && f == F::Cas && observed();
    let kind = f as u32 | (outcome as u32) << 8 | u32::from(observed) << 16;
    (f != F::Txn).then(|| [kind, operation.a().0, operation.b().0])
}

/// An unanswered read asserts nothing, whatever its outcome: it is optional and changes nothing.
pub(super) fn interpret_read<O>(
    operation: &Operation<'_>,
    dialect: Dialect,
    read: impl FnOnce(Value) -> O,
) -> Interpreted<O> {
    if operation.outcome() != Outcome::Ok {
        return Interpreted::Nothing;
    }
    match (read_value(operation), dialect.nil_read) {
        (None, _) | (Some(Value::Nil), NilRead::Unknown) => Interpreted::Nothing,
        (Some(value), _) => Interpreted::Completed(read(value)),
    }
}

pub(super) fn interpret_write<O>(
    operation: &Operation<'_>,
    write: impl FnOnce(Value) -> O,
) -> Interpreted<O> {
    let value = || match operation.op() {
        Op::Register(tribunal_history::RegisterOp::Write { value, .. }) => value,
        other => unreachable!("{other} is no write"),
    };
    match operation.outcome() {
        Outcome::Ok => Interpreted::Completed(write(value())),
        Outcome::Info | Outcome::Open => Interpreted::Crashed(write(value())),
        Outcome::Fail => Interpreted::Nothing,
    }
}

/// What an answered read found; nothing there is `Nil`.
fn read_value(operation: &Operation<'_>) -> Option<Value> {
    match operation.op() {
        Op::Register(tribunal_history::RegisterOp::Read { value, .. }) => match value {
            tribunal_history::Observed::Pending => None,
            tribunal_history::Observed::Absent => Some(Value::Nil),
            tribunal_history::Observed::Present(value) => Some(value),
        },
        other => unreachable!("{other} is no read"),
    }
}

pub(super) fn read_words(value: &Value) -> Words {
    Words { past: format!("read {value}"), perfect: format!("read {value}") }
}

pub(super) fn write_words(value: &Value) -> Words {
    Words { past: format!("wrote {value}"), perfect: format!("written {value}") }
}

pub(super) fn read_refusal(state: &Value, value: &Value) -> String {
    match value {
        Value::Unparsed(_) => {
            format!("the reply could not be parsed, and the register held {state}")
        }
        value => format!("a read of {value} is illegal where the register holds {state}"),
    }
}

/// Whether `operation` is an answered read whose reply could not be parsed.
pub(crate) fn is_unparsed_read(history: &History, operation: &Operation<'_>) -> bool {
    let answered = operation.f() == F::Read && operation.outcome() == Outcome::Ok;
    let codes = [Code::PENDING, Code::ABSENT];
    answered
        && !codes.contains(&operation.a())
        && matches!(history.value(operation.a()), Value::Unparsed(_))
}
