//! A register with compare-and-set.

use tribunal_history::{Code, F, Op, Operation, Outcome, Value};

use super::register::{
    interpret_read, interpret_write, read_refusal, read_words, register_likeness, write_words,
};
use crate::linearizable::meter::value_bytes;
use crate::linearizable::zones::{self, RegisterKind};
use crate::linearizable::{
    Allowance, Dialect, Fast, FromHistory, Interpreted, Model, Partition, Steps, Words,
};

/// A register that holds `initial` until it is first changed; `Value::Nil` is an absent register.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CasRegister {
    /// What it holds before the first change.
    pub initial: Value,
}

/// An operation with its answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CasRegisterOp {
    /// Found this value.
    Read(Value),
    /// Wrote this value.
    Write(Value),
    /// Found `from` and wrote `to`.
    Cas {
        /// What it found.
        from: Value,
        /// What it wrote.
        to: Value,
    },
    /// A compare-and-set that found something else than this value.
    Missed(Value),
}

impl Model for CasRegister {
    type State = Value;
    type Op = CasRegisterOp;

    fn initial(&self) -> Value {
        self.initial.clone()
    }

    fn step(&self, state: &Value, op: &CasRegisterOp) -> Steps<Value> {
        let next = match op {
            CasRegisterOp::Read(value) => (value == state).then_some(state),
            CasRegisterOp::Write(value) => Some(value),
            CasRegisterOp::Cas { from, to } => (from == state).then_some(to),
            CasRegisterOp::Missed(from) => (from != state).then_some(state),
        };
        next.cloned().map_or(Steps::None, Steps::One)
    }

    fn is_pure(&self, op: &CasRegisterOp) -> bool {
        match op {
            CasRegisterOp::Read(_) | CasRegisterOp::Missed(_) => true,
            CasRegisterOp::Cas { from, to } => from == to,
            CasRegisterOp::Write(_) => false,
        }
    }

    fn is_blind(&self, op: &CasRegisterOp) -> bool {
        matches!(op, CasRegisterOp::Write(_))
    }

    fn observes(&self, observer: &CasRegisterOp, producer: &CasRegisterOp) -> bool {
        let value = match producer {
            CasRegisterOp::Write(value) | CasRegisterOp::Cas { to: value, .. } => value,
            CasRegisterOp::Read(_) | CasRegisterOp::Missed(_) => return false,
        };
        match observer {
            CasRegisterOp::Read(seen) | CasRegisterOp::Cas { from: seen, .. } => seen == value,
            // A cas that missed `a` saw that the register held something else: it depends on
            // every producer of another value.
            CasRegisterOp::Missed(from) => from != value,
            CasRegisterOp::Write(_) => false,
        }
    }

    /// Two copies: one to keep, and one to know it by.
    fn heap_bytes(&self, state: &Value) -> u64 {
        2 * value_bytes(state)
    }

    fn op_heap_bytes(&self, op: &CasRegisterOp) -> u64 {
        match op {
            CasRegisterOp::Read(value)
            | CasRegisterOp::Write(value)
            | CasRegisterOp::Missed(value) => value_bytes(value),
            CasRegisterOp::Cas { from, to } => value_bytes(from) + value_bytes(to),
        }
    }

    fn describe_state(&self, state: &Value) -> String {
        state.to_string()
    }

    fn words(&self, op: &CasRegisterOp) -> Words {
        match op {
            CasRegisterOp::Read(value) => read_words(value),
            CasRegisterOp::Write(value) => write_words(value),
            CasRegisterOp::Cas { from, to } => Words {
                past: format!("compared {from} and set {to}"),
                perfect: format!("compared {from} and set {to}"),
            },
            CasRegisterOp::Missed(from) => {
                Words { past: format!("did not find {from}"), perfect: format!("not found {from}") }
            }
        }
    }

    fn refusal(&self, state: &Value, op: &CasRegisterOp) -> String {
        match op {
            CasRegisterOp::Read(value) => read_refusal(state, value),
            CasRegisterOp::Cas { from, .. } => {
                format!("a cas from {from} cannot succeed where the register holds {state}")
            }
            CasRegisterOp::Missed(from) => {
                format!("a cas from {from} cannot fail where the register holds {state}")
            }
            CasRegisterOp::Write(_) => unreachable!("a write is legal in every state"),
        }
    }
}

impl FromHistory for CasRegister {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<CasRegisterOp>, String> {
        match operation.f() {
            F::Read => Ok(interpret_read(operation, dialect, CasRegisterOp::Read)),
            F::Write => Ok(interpret_write(operation, CasRegisterOp::Write)),
            F::Cas => Ok(interpret_cas(operation, dialect)),
            F::Txn
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
        zones::decide(partition, allowance, &self.initial, RegisterKind::Cas)
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        keys.push(operation.key());
    }
}

fn interpret_cas(operation: &Operation<'_>, dialect: Dialect) -> Interpreted<CasRegisterOp> {
    let (from, to) = match operation.op() {
        Op::Register(tribunal_history::RegisterOp::Cas { from, to, .. }) => (from, to),
        other => unreachable!("{other} is no cas"),
    };
    match operation.outcome() {
        Outcome::Ok => Interpreted::Completed(CasRegisterOp::Cas { from, to }),
        // Where it took effect it succeeded: a cas that missed changes nothing.
        Outcome::Info | Outcome::Open => Interpreted::Crashed(CasRegisterOp::Cas { from, to }),
        Outcome::Fail if dialect.failed_cas.is_observation(operation.error().as_ref()) => {
            Interpreted::Completed(CasRegisterOp::Missed(from))
        }
        Outcome::Fail => Interpreted::Nothing,
    }
}
