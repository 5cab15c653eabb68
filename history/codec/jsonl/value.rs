//! The values of a line: integers, strings, `null`, bytes that are no value.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::codec::hex;
use crate::{Observed, Value, brief};

/// A string, borrowed where it has no escapes.
pub(super) struct Name<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Name<'de>, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

/// Fields of an object, each of which may stand in it once: of two nobody knows which one counts.
#[derive(Default)]
pub(super) struct Once(Vec<String>);

impl Once {
    /// # Errors
    /// It was there before.
    pub(super) fn is_new<E: Error>(&mut self, name: &str) -> Result<(), E> {
        if self.0.iter().any(|seen| seen == name) {
            return Err(E::custom(format!(
                "a second field {} in one object",
                brief(&format!("{name:?}"))
            )));
        }
        self.0.push(name.to_owned());
        Ok(())
    }
}

/// A value where one was asked or written: `null` is nil.
pub(super) struct Plain(pub(super) Value);

/// A value where one was seen: `null` is nothing, `{"nil":null}` is nil.
pub(super) struct Seen(pub(super) Observed<Value>);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plain, D::Error> {
        Seen::deserialize(deserializer).map(|Seen(seen)| Plain(written(seen)))
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, an integer of 64 bits, a string or {\"unparsed\":hex}")
    }

    fn visit_unit<E>(self) -> Result<Seen, E> {
        Ok(Seen(Observed::Absent))
    }

    fn visit_i64<E>(self, int: i64) -> Result<Seen, E> {
        Ok(Seen(Observed::Present(Value::Int(int))))
    }

    fn visit_u64<E: Error>(self, int: u64) -> Result<Seen, E> {
        let int = i64::try_from(int);
        let int = int.map_err(|_| E::custom("an integer does not fit 64 bits with sign"))?;
        Ok(Seen(Observed::Present(Value::Int(int))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Seen, E> {
        Ok(Seen(Observed::Present(Value::text(text))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let value = match map.next_key::<Name<'de>>()? {
            Some(Name(name)) if name == "nil" => {
                map.next_value::<IgnoredAny>()?;
                Value::Nil
            }
            Some(Name(name)) if name == "unparsed" => {
                let Name(digits) = map.next_value()?;
                let raw = hex::decode(&digits);
                Value::unparsed(&raw.ok_or_else(|| A::Error::custom("not hexadecimal"))?)
            }
            Some(_) | None => return Err(A::Error::custom("expected {\"unparsed\":hex}")),
        };
        if map.next_key::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("expected {\"unparsed\":hex} and nothing else"));
        }
        Ok(Seen(Observed::Present(value)))
    }
}

/// `null` is nothing in a read and nil in a write.
pub(super) fn written(value: Observed<Value>) -> Value {
    match value {
        Observed::Present(value) => value,
        Observed::Absent | Observed::Pending => Value::Nil,
    }
}
