//! Registers between the history's values and a store of text keys and integers.

use tribunal_harness::client::ClientError;
use tribunal_history::{ErrorClass, Observed, Op, RegisterOp, Value};

/// What the workload did wrong: nothing was sent.
pub(crate) fn unsupported(detail: impl Into<String>) -> ClientError {
    ClientError::definite(ErrorClass::new("unsupported"), detail)
}

/// The register operation, if it is one.
pub(crate) fn register(op: &Op) -> Result<&RegisterOp, ClientError> {
    match op {
        Op::Register(op) => Ok(op),
        Op::Txn(_) => Err(unsupported("a transaction is no operation on one register")),
        Op::Set(_) | Op::Counter(_) | Op::Queue(_) | Op::Lock(_) | Op::Id(_) => {
            Err(unsupported(format!("this target has no {}s", op.family().name())))
        }
    }
}

/// A key as text.
pub(crate) fn key(key: &Value) -> Result<String, ClientError> {
    match key {
        Value::Int(int) => Ok(int.to_string()),
        Value::Text(text) => Ok(text.to_string()),
        Value::Nil | Value::Unparsed(_) => Err(unsupported(format!("{key} is no key"))),
    }
}

/// A value as an integer.
pub(crate) fn int(value: &Value) -> Result<i64, ClientError> {
    match value {
        Value::Int(int) => Ok(*int),
        Value::Nil | Value::Text(_) | Value::Unparsed(_) => {
            Err(unsupported(format!("{value} is no integer")))
        }
    }
}

/// What a compare-and-set expects; nil is "there is nothing".
pub(crate) fn expected(value: &Value) -> Result<Option<i64>, ClientError> {
    match value {
        Value::Nil => Ok(None),
        Value::Int(_) | Value::Text(_) | Value::Unparsed(_) => int(value).map(Some),
    }
}

/// A completed read.
pub(crate) fn read(key: &Value, value: Option<i64>) -> Op {
    let value = value.map_or(Observed::Absent, |int| Observed::Present(Value::Int(int)));
    Op::Register(RegisterOp::Read { key: key.clone(), value })
}

/// A completed read of a value that is none of ours: an observation, kept as it came.
pub(crate) fn read_unparsed(key: &Value, raw: &[u8]) -> Op {
    let value = Observed::Present(Value::unparsed(raw));
    Op::Register(RegisterOp::Read { key: key.clone(), value })
}

/// The error of a compare-and-set that found another value.
pub(crate) fn mismatch() -> ClientError {
    ClientError::definite(ErrorClass::MISMATCH, "the register held another value")
}
