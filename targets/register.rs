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

/// A key as text. Texts of integers from 0 on are in the order of the integers, so that a range of
/// the one is a range of the other: a letter says how many digits follow, and a sign before it
/// keeps them apart from keys that are words.
pub(crate) fn key(key: &Value) -> Result<String, ClientError> {
    match key {
        Value::Int(int) if *int >= 0 => {
            let digits = int.to_string();
            Ok(format!("#{}{digits}", char::from(b'a' + digits.len() as u8)))
        }
        Value::Int(int) => Ok(int.to_string()),
        Value::Text(text) => Ok(text.to_string()),
        Value::Nil | Value::Unparsed(_) => Err(unsupported(format!("{key} is no key"))),
    }
}

/// The integer from 0 on of which [`key`] makes this text.
pub(crate) fn number(text: &str) -> Option<i64> {
    let number = text.get(2..)?.parse().ok()?;
    (key(&Value::Int(number)).ok()? == text).then_some(number)
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

#[cfg(test)]
mod tests {
    use super::{Value, key, number};

    #[test]
    fn texts_of_keys_are_in_the_order_of_their_integers() {
        let name = |int| key(&Value::Int(int)).expect("an integer");
        let ints = [0, 1, 9, 10, 99, 100, 12_345, i64::MAX];
        let names: Vec<String> = ints.into_iter().map(name).collect();
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!(names.iter().filter_map(|name| number(name)).collect::<Vec<_>>(), ints);
        for other in ["", "#b", "#b12", "7", "b7", "#c07", "#bx", "#é1", &name(-3)] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
