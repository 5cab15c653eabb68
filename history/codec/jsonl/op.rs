//! The operation of a line: `{"f":..,"key":..}` and what else its name asks for.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::value::{Name, Once, Plain, Seen, written};
use crate::{
    CounterOp, F, IdOp, LockOp, Mop, Observed, Op, QueueOp, RegisterOp, SetOp, TxnOp, Value,
};

pub(super) struct ParsedOp(pub(super) Op);

impl<'de> Deserialize<'de> for ParsedOp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ParsedOp, D::Error> {
        deserializer.deserialize_map(OpVisitor)
    }
}

/// The fields of an operation in any order, before its name says which of them it has.
#[derive(Default)]
struct Fields {
    key: Option<Value>,
    value: Option<Observed<Value>>,
    from: Option<Value>,
    to: Option<Value>,
    element: Option<Value>,
    elements: Observed<Vec<Value>>,
    added: Observed<bool>,
    removed: Observed<bool>,
    found: Observed<bool>,
    delta: Option<i64>,
    permits: Option<i64>,
    token: Observed<i64>,
    id: Observed<Value>,
    mops: Option<Vec<ParsedMop>>,
}

struct OpVisitor;

impl<'de> Visitor<'de> for OpVisitor {
    type Value = ParsedOp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an operation with a field \"f\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ParsedOp, A::Error> {
        let mut f = None;
        let mut fields = Fields::default();
        let mut seen = Once::default();
        while let Some(Name(name)) = map.next_key()? {
            seen.is_new(&name)?;
            match &*name {
                "f" => f = Some(map.next_value::<Name<'_>>()?),
                "key" => fields.key = Some(map.next_value::<Plain>()?.0),
                "value" => fields.value = Some(map.next_value::<Seen>()?.0),
                "from" => fields.from = Some(map.next_value::<Plain>()?.0),
                "to" => fields.to = Some(map.next_value::<Plain>()?.0),
                "element" => fields.element = Some(map.next_value::<Plain>()?.0),
                "elements" => {
                    let elements = observed(Some(map.next_value::<Option<Vec<Plain>>>()?));
                    fields.elements = elements.map(values);
                }
                "added" => fields.added = observed(Some(map.next_value()?)),
                "removed" => fields.removed = observed(Some(map.next_value()?)),
                "found" => fields.found = observed(Some(map.next_value()?)),
                "delta" => fields.delta = Some(map.next_value()?),
                "permits" => fields.permits = Some(map.next_value()?),
                "token" => fields.token = observed(Some(map.next_value()?)),
                "id" => fields.id = map.next_value::<Seen>()?.0,
                "mops" => fields.mops = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let Name(f) = f.ok_or_else(|| A::Error::missing_field("f"))?;
        let Some(f) = F::from_name(&f) else {
            return Err(A::Error::custom(format!("operation `{f}` is of no family known here")));
        };
        fields.op(f).map(ParsedOp)
    }
}

impl Fields {
    fn op<E: Error>(self, f: F) -> Result<Op, E> {
        if f == F::Txn {
            let mops = self.mops.ok_or_else(|| E::missing_field("mops"))?;
            let mops = mops.into_iter().map(|ParsedMop(mop)| mop).collect();
            return Ok(Op::Txn(TxnOp { mops }));
        }
        let key = self.key.ok_or_else(|| E::missing_field("key"))?;
        let seen = self.value.clone().unwrap_or_default();
        let value = || self.value.map(written).ok_or_else(|| E::missing_field("value"));
        let element = || self.element.ok_or_else(|| E::missing_field("element"));
        let permits = self.permits.unwrap_or(1);
        Ok(match f {
            F::Txn => unreachable!("made above"),
            F::Read => Op::Register(RegisterOp::Read { key, value: seen }),
            F::Write => Op::Register(RegisterOp::Write { key, value: value()? }),
            F::Append => Op::Register(RegisterOp::Append { key, value: value()? }),
            F::Cas => Op::Register(RegisterOp::Cas {
                key,
                from: self.from.ok_or_else(|| E::missing_field("from"))?,
                to: self.to.ok_or_else(|| E::missing_field("to"))?,
            }),
            F::SetAdd => Op::Set(SetOp::Add { key, element: element()?, added: self.added }),
            F::SetRemove => {
                Op::Set(SetOp::Remove { key, element: element()?, removed: self.removed })
            }
            F::SetContains => {
                Op::Set(SetOp::Contains { key, element: element()?, found: self.found })
            }
            F::SetRead => Op::Set(SetOp::Read { key, elements: self.elements }),
            F::CounterAdd => Op::Counter(CounterOp::Add {
                key,
                delta: self.delta.ok_or_else(|| E::missing_field("delta"))?,
                value: int(seen)?,
            }),
            F::CounterRead => Op::Counter(CounterOp::Read { key, value: int(seen)? }),
            F::Enqueue => Op::Queue(QueueOp::Enqueue { key, value: value()? }),
            F::Dequeue => Op::Queue(QueueOp::Dequeue { key, value: seen }),
            F::Peek => Op::Queue(QueueOp::Peek { key, value: seen }),
            F::Acquire => Op::Lock(LockOp::Acquire { key, permits, token: self.token }),
            F::Release => Op::Lock(LockOp::Release { key, permits, token: self.token }),
            F::Generate => Op::Id(IdOp::Generate { key, id: self.id }),
        })
    }
}

fn int<E: Error>(seen: Observed<Value>) -> Result<Observed<i64>, E> {
    match seen {
        Observed::Pending => Ok(Observed::Pending),
        Observed::Absent => Ok(Observed::Absent),
        Observed::Present(Value::Int(int)) => Ok(Observed::Present(int)),
        Observed::Present(Value::Nil | Value::Text(_) | Value::Unparsed(_)) => {
            Err(E::custom("the value of a counter must be an integer"))
        }
    }
}

fn values(plain: Vec<Plain>) -> Vec<Value> {
    plain.into_iter().map(|Plain(value)| value).collect()
}

struct ParsedMop(Mop);

impl<'de> Deserialize<'de> for ParsedMop {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ParsedMop, D::Error> {
        deserializer.deserialize_seq(MopVisitor)
    }
}

struct MopVisitor;

impl<'de> Visitor<'de> for MopVisitor {
    type Value = ParsedMop;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a micro-operation like [\"append\",key,element]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ParsedMop, A::Error> {
        let short = |length| move || A::Error::invalid_length(length, &self_expects());
        let Name(name) = seq.next_element()?.ok_or_else(short(0))?;
        let Plain(key) = seq.next_element()?.ok_or_else(short(1))?;
        let mop = match &*name {
            "read" => Mop::Read {
                key,
                value: seq.next_element::<Seen>()?.map_or(Observed::Pending, |Seen(seen)| seen),
            },
            "write" => {
                let Plain(value) = seq.next_element()?.ok_or_else(short(2))?;
                Mop::Write { key, value }
            }
            "append" => {
                let Plain(element) = seq.next_element()?.ok_or_else(short(2))?;
                Mop::Append { key, element }
            }
            "add" => {
                let delta = seq.next_element()?.ok_or_else(short(2))?;
                let value = observed(seq.next_element::<Option<i64>>()?);
                Mop::Add { key, delta, value }
            }
            "read-list" => {
                let elements = observed(seq.next_element::<Option<Vec<Plain>>>()?);
                Mop::ReadList { key, elements: elements.map(values) }
            }
            "read-predicate" => {
                let Value::Text(predicate) = key else {
                    return Err(A::Error::custom("a predicate must be a string"));
                };
                let matches = observed(seq.next_element::<Option<Vec<(Plain, Plain)>>>()?);
                let matches = matches.map(|matches| {
                    matches.into_iter().map(|(Plain(key), Plain(value))| (key, value)).collect()
                });
                Mop::ReadPredicate { predicate, matches }
            }
            other => {
                let known = &["read", "write", "append", "add", "read-list", "read-predicate"];
                return Err(A::Error::unknown_variant(other, known));
            }
        };
        if seq.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom(format!("too many elements in a {name}")));
        }
        Ok(ParsedMop(mop))
    }
}

fn self_expects() -> impl serde::de::Expected {
    MopVisitor
}

fn observed<T>(element: Option<Option<T>>) -> Observed<T> {
    match element {
        None => Observed::Pending,
        Some(None) => Observed::Absent,
        Some(Some(value)) => Observed::Present(value),
    }
}
