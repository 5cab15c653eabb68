//! Texts by key: get, put, append (Porcupine's key-value model). Each key is judged alone.

use std::sync::Arc;

use tribunal_history::{Code, Op, Operation, RegisterOp as Recorded, Value};

use super::effect::{change, look, seen_there};
use super::spelled::{Slips, suspects};
use crate::linearizable::meter::{chunk_bytes, value_bytes};
use crate::linearizable::{
    Allowance, Dialect, Entry, Fast, FromHistory, Interpreted, Merge, Model, Partition, Steps,
    Words, texts,
};

/// Texts by key, `initial` until they are first put or appended to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kv {
    /// What every key holds at first; usually nothing.
    pub initial: Arc<str>,
}

/// What a key holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Held {
    /// This text.
    Text(Arc<str>),
    /// Some text that no get shows, nor anything that begins with it.
    Unread,
}

/// An operation with its answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum KvOp {
    /// Found this text.
    Get(Arc<str>),
    /// Got a reply that is no text, so nothing that was ever put.
    GetUnparsed(Value),
    /// Put this text.
    Put(Arc<str>),
    /// Appended this text.
    Append(Arc<str>),
}

impl KvOp {
    fn read(&self) -> Option<&str> {
        match self {
            KvOp::Get(seen) => Some(seen),
            KvOp::GetUnparsed(_) | KvOp::Put(_) | KvOp::Append(_) => None,
        }
    }
}

impl Model for Kv {
    type State = Held;
    type Op = KvOp;

    fn initial(&self) -> Held {
        Held::Text(self.initial.clone())
    }

    fn step(&self, state: &Held, op: &KvOp) -> Steps<Held> {
        match (op, state) {
            (KvOp::Get(seen), Held::Text(text)) if seen == text => Steps::One(state.clone()),
            (KvOp::Get(_) | KvOp::GetUnparsed(_), _) => Steps::None,
            (KvOp::Put(text), _) => Steps::One(Held::Text(text.clone())),
            (KvOp::Append(more), Held::Text(text)) => {
                Steps::One(Held::Text([&**text, more].concat().into()))
            }
            (KvOp::Append(_), Held::Unread) => Steps::One(Held::Unread),
        }
    }

    /// A text with which no get begins is never read: what is appended to it neither, whatever
    /// the order, until something is put.
    fn merged<'a>(&'a self, ops: &'a [KvOp]) -> Option<Merge<'a, Held>> {
        let mut read: Vec<&str> = ops.iter().filter_map(KvOp::read).collect();
        read.sort_unstable();
        Some(Box::new(move |state| match &state {
            Held::Text(text) => {
                let next = read.partition_point(|read| **read < **text);
                let begins = read.get(next).is_some_and(|read| read.starts_with(&**text));
                if begins { state } else { Held::Unread }
            }
            Held::Unread => Held::Unread,
        }))
    }

    fn is_pure(&self, op: &KvOp) -> bool {
        match op {
            KvOp::Get(_) | KvOp::GetUnparsed(_) => true,
            KvOp::Put(_) => false,
            KvOp::Append(text) => text.is_empty(),
        }
    }

    fn is_blind(&self, op: &KvOp) -> bool {
        matches!(op, KvOp::Put(_))
    }

    /// A get shows what was last put and everything appended since: all of that stays.
    fn observes(&self, observer: &KvOp, producer: &KvOp) -> bool {
        match (observer, producer) {
            (KvOp::Get(seen), KvOp::Put(text)) => seen.starts_with(&**text),
            (KvOp::Get(seen), KvOp::Append(text)) => seen.contains(&**text),
            (KvOp::Get(_), KvOp::Get(_) | KvOp::GetUnparsed(_))
            | (KvOp::GetUnparsed(_) | KvOp::Put(_) | KvOp::Append(_), _) => false,
        }
    }

    fn settles(&self, op: &KvOp) -> bool {
        matches!(op, KvOp::Put(_) | KvOp::Get(_))
    }

    /// Of one text: who got it, what it begins with of all that was put, and what is in it of all
    /// that was appended. Of a legal order, the last put before such a get and all that was
    /// appended since are among these.
    fn about(&self, op: &KvOp, elements: &[Value]) -> Option<KvOp> {
        let [Value::Text(wanted)] = elements else { return None };
        let speaks = match op {
            KvOp::Get(seen) => **seen == **wanted,
            KvOp::GetUnparsed(_) => false,
            KvOp::Put(text) => wanted.starts_with(&**text),
            KvOp::Append(text) => !text.is_empty() && wanted.contains(&**text),
        };
        speaks.then(|| op.clone())
    }

    fn suspects(&self, entries: &[Entry], ops: &[KvOp]) -> Option<Vec<Value>> {
        suspects(entries, ops, &self.initial, Slips::default())
    }

    fn heap_bytes(&self, state: &Held) -> u64 {
        match state {
            Held::Text(text) => chunk_bytes(text.len() + 16),
            Held::Unread => 0,
        }
    }

    fn op_heap_bytes(&self, op: &KvOp) -> u64 {
        match op {
            KvOp::Get(text) | KvOp::Put(text) | KvOp::Append(text) => chunk_bytes(text.len() + 16),
            KvOp::GetUnparsed(raw) => value_bytes(raw),
        }
    }

    fn describe_state(&self, state: &Held) -> String {
        match state {
            Held::Text(text) => format!("{text:?}"),
            Held::Unread => "some text that begins nothing that was got".into(),
        }
    }

    fn words(&self, op: &KvOp) -> Words {
        match op {
            KvOp::Get(seen) => {
                Words { past: format!("got {seen:?}"), perfect: format!("got {seen:?}") }
            }
            KvOp::GetUnparsed(raw) => {
                Words { past: format!("got {raw}"), perfect: format!("got {raw}") }
            }
            KvOp::Put(text) => {
                Words { past: format!("put {text:?}"), perfect: format!("put {text:?}") }
            }
            KvOp::Append(text) => {
                Words { past: format!("appended {text:?}"), perfect: format!("appended {text:?}") }
            }
        }
    }

    fn refusal(&self, state: &Held, op: &KvOp) -> String {
        let state = self.describe_state(state);
        match op {
            KvOp::Get(seen) => {
                format!("a get of {seen:?} is illegal where the key holds {state}")
            }
            KvOp::GetUnparsed(_) => {
                format!("the reply could not be parsed, and the key held {state}")
            }
            KvOp::Put(_) | KvOp::Append(_) => unreachable!("legal in every state"),
        }
    }
}

impl FromHistory for Kv {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<KvOp>, String> {
        let op = match operation.op() {
            Op::Register(op) => op,
            other => return Err(other.to_string()),
        };
        match &op {
            Recorded::Read { value, .. } => {
                let seen = seen_there(value.clone(), dialect).map(|seen| match seen {
                    None => KvOp::Get("".into()),
                    Some(value) => text(&value).map_or(KvOp::GetUnparsed(value), KvOp::Get),
                });
                Ok(look(operation, seen))
            }
            Recorded::Write { value, .. } => {
                let text = text(value).ok_or_else(|| op.to_string())?;
                let put = || KvOp::Put(text.clone());
                Ok(change(operation, put, put))
            }
            Recorded::Append { value, .. } => {
                let text = text(value).ok_or_else(|| op.to_string())?;
                let append = || KvOp::Append(text.clone());
                Ok(change(operation, append, append))
            }
            Recorded::Cas { .. } => Err(op.to_string()),
        }
    }

    fn fast(&self, partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
        texts::decide(partition, allowance, &self.initial)
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        keys.push(operation.key());
    }
}

/// The text a value stands for: nothing for nil, the digits of a number; none for what could not
/// be parsed.
pub fn text(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::Nil => Some("".into()),
        Value::Int(int) => Some(int.to_string().into()),
        Value::Text(text) => Some((&**text).into()),
        Value::Unparsed(_) => None,
    }
}
