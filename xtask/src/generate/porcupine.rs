//! The text form that `xtask/porcupine` reads: the same operations, for another checker.
//!
//! What asserts nothing (an unanswered read, an operation that did not happen) is left out on this
//! side, to the other checker's advantage.

use std::fmt::Write;

use tribunal_history::{
    ErrorClass, EventId, History, Observed, Op, Operation, Outcome, RegisterOp, Value,
};

/// What this form has no words for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsayable(pub String);

impl std::fmt::Display for Unsayable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no form for {}", self.0)
    }
}

impl std::error::Error for Unsayable {}

/// A question, and its answer unless there is none.
type Words = (String, Option<String>);

/// One register of integers that holds `initial` first.
///
/// `observes` says of the error class of a failed compare-and-set whether it saw another value or
/// did not happen.
///
/// # Errors
/// Another kind of operation, several keys, or a value that is no integer.
pub fn porcupine_register(
    history: &History,
    initial: &Value,
    observes: impl Fn(Option<&ErrorClass>) -> bool,
) -> Result<String, Unsayable> {
    let mut key = None;
    let words = |operation: &Operation<'_>| {
        if *key.get_or_insert(operation.key()) != operation.key() {
            return Err(Unsayable("several keys".into()));
        }
        register(operation, &observes)
    };
    events(format!("register {}\n", integer(initial)?), history, words)
}

/// Strings under keys, the empty one first.
///
/// # Errors
/// Another kind of operation, a key with a space in it, or a value of several lines.
pub fn porcupine_kv(history: &History) -> Result<String, Unsayable> {
    events("kv\n".to_owned(), history, kv)
}

fn events(
    mut text: String,
    history: &History,
    mut words: impl FnMut(&Operation<'_>) -> Result<Option<Words>, Unsayable>,
) -> Result<String, Unsayable> {
    for event in 0..history.event_count() {
        let (operation, is_return) = history.owner(EventId(event));
        let Some((call, answer)) = words(&operation)? else { continue };
        let id = operation.index().0;
        match (is_return, answer) {
            (false, _) => writeln!(text, "call {id} {call}"),
            (true, Some(answer)) => writeln!(text, "return {id} {answer}"),
            (true, None) => Ok(()),
        }
        .expect("writing to a string");
    }
    Ok(text)
}

/// Nothing where nothing is asserted.
fn register(
    operation: &Operation<'_>,
    observes: impl Fn(Option<&ErrorClass>) -> bool,
) -> Result<Option<Words>, Unsayable> {
    let outcome = operation.outcome();
    Ok(match registers(operation)? {
        RegisterOp::Read { value, .. } => match (value, outcome) {
            (Observed::Absent, Outcome::Ok) => Some(("read".into(), Some("nil".into()))),
            (Observed::Present(value), Outcome::Ok) => {
                Some(("read".into(), Some(format!("value {}", integer(&value)?))))
            }
            (_, _) => None,
        },
        RegisterOp::Write { value, .. } => {
            writes(format!("write {}", integer(&value)?), outcome, false)
        }
        RegisterOp::Cas { from, to, .. } => {
            let missed = outcome == Outcome::Fail && observes(operation.error().as_ref());
            writes(format!("cas {} {}", integer(&from)?, integer(&to)?), outcome, missed)
        }
        other @ RegisterOp::Append { .. } => return Err(Unsayable(other.to_string())),
    })
}

fn kv(operation: &Operation<'_>) -> Result<Option<Words>, Unsayable> {
    let outcome = operation.outcome();
    Ok(match registers(operation)? {
        RegisterOp::Read { key, value } => match (value, outcome) {
            (Observed::Present(value), Outcome::Ok) => {
                Some((format!("get {}", word(&key)?), Some(format!("value {}", line(&value)?))))
            }
            (Observed::Absent, Outcome::Ok) => {
                Some((format!("get {}", word(&key)?), Some("value ".into())))
            }
            (_, _) => None,
        },
        RegisterOp::Write { key, value } => {
            writes(format!("put {} {}", word(&key)?, line(&value)?), outcome, false)
        }
        RegisterOp::Append { key, value } => {
            writes(format!("append {} {}", word(&key)?, line(&value)?), outcome, false)
        }
        other @ RegisterOp::Cas { .. } => return Err(Unsayable(other.to_string())),
    })
}

fn registers(operation: &Operation<'_>) -> Result<RegisterOp, Unsayable> {
    match operation.op() {
        Op::Register(op) => Ok(op),
        other => Err(Unsayable(other.to_string())),
    }
}

fn writes(call: String, outcome: Outcome, missed: bool) -> Option<Words> {
    match outcome {
        Outcome::Ok => Some((call, Some("done".into()))),
        Outcome::Info | Outcome::Open => Some((call, None)),
        Outcome::Fail => missed.then(|| (call, Some("missed".into()))),
    }
}

fn integer(value: &Value) -> Result<String, Unsayable> {
    match value {
        Value::Nil => Ok("nil".into()),
        Value::Int(int) => Ok(int.to_string()),
        Value::Text(_) | Value::Unparsed(_) => Err(Unsayable(format!("the value {value}"))),
    }
}

fn line(value: &Value) -> Result<String, Unsayable> {
    match value {
        Value::Int(int) => Ok(int.to_string()),
        Value::Text(text) if !text.contains('\n') => Ok(text.to_string()),
        Value::Nil | Value::Text(_) | Value::Unparsed(_) => {
            Err(Unsayable(format!("the value {value}")))
        }
    }
}

fn word(key: &Value) -> Result<String, Unsayable> {
    line(key).and_then(|key| match key.contains(' ') || key.is_empty() {
        true => Err(Unsayable(format!("the key {key:?}"))),
        false => Ok(key),
    })
}
