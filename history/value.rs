//! Values as the database gave them: bounded, typed, and never dropped.

use std::fmt;

/// Longest kept prefix of a reply that could not be parsed, in bytes.
pub const UNPARSED_LIMIT: usize = 4096;

/// A key or a value. Ordered and hashable so that reports do not depend on arrival order.
///
/// `Nil` is the explicit "nothing" of the data type (`null`, `nil`). A read that found nothing is
/// [`Observed::Absent`]; codecs turn a read of `Nil` into that, so the two never compete.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Value {
    /// The absent value, written or compared explicitly.
    Nil,
    /// A signed 64-bit integer.
    Int(i64),
    /// UTF-8 text.
    Text(Box<str>),
    /// A reply the client could not parse, cut at [`UNPARSED_LIMIT`]; equal to nothing ever
    /// written.
    Unparsed(Box<[u8]>),
}

impl Value {
    /// Text value.
    pub fn text(text: impl Into<Box<str>>) -> Value {
        Value::Text(text.into())
    }

    /// Raw reply, cut at [`UNPARSED_LIMIT`] bytes.
    pub fn unparsed(raw: &[u8]) -> Value {
        Value::Unparsed(raw[..raw.len().min(UNPARSED_LIMIT)].into())
    }
}

impl From<i64> for Value {
    fn from(int: i64) -> Value {
        Value::Int(int)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Int(int) => write!(f, "{int}"),
            Value::Text(text) => write!(f, "{:?}", text),
            Value::Unparsed(raw) => write!(f, "unparsed {:?}", String::from_utf8_lossy(raw)),
        }
    }
}

/// What a read saw. Three different facts that must not be confused: a read that was not answered,
/// one that found nothing, and one that found a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Observed<T> {
    /// Asked, not answered: asserts nothing.
    #[default]
    Pending,
    /// Answered: there is nothing there.
    Absent,
    /// Answered: this is there.
    Present(T),
}

impl<T> Observed<T> {
    /// The value, if one was seen.
    pub fn present(&self) -> Option<&T> {
        match self {
            Observed::Present(value) => Some(value),
            Observed::Pending | Observed::Absent => None,
        }
    }

    /// The same observation of a borrowed value.
    pub fn as_ref(&self) -> Observed<&T> {
        match self {
            Observed::Pending => Observed::Pending,
            Observed::Absent => Observed::Absent,
            Observed::Present(value) => Observed::Present(value),
        }
    }

    /// The same observation of another form of the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Observed::Pending => Observed::Pending,
            Observed::Absent => Observed::Absent,
            Observed::Present(value) => Observed::Present(f(value)),
        }
    }

    /// Whether the read was answered at all.
    pub fn is_answered(&self) -> bool {
        !matches!(self, Observed::Pending)
    }
}

impl<T: fmt::Display> fmt::Display for Observed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Observed::Pending => f.write_str("?"),
            Observed::Absent => f.write_str("nil"),
            Observed::Present(value) => value.fmt(f),
        }
    }
}

/// Writes what a read of a list saw.
pub(crate) fn list(f: &mut fmt::Formatter<'_>, elements: &Observed<Vec<Value>>) -> fmt::Result {
    let elements = match elements {
        Observed::Pending => return f.write_str("?"),
        Observed::Absent => return f.write_str("nil"),
        Observed::Present(elements) => elements,
    };
    f.write_str("[")?;
    for (i, element) in elements.iter().enumerate() {
        write!(f, "{}{element}", if i == 0 { "" } else { " " })?;
    }
    f.write_str("]")
}
