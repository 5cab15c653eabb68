//! The smallest pieces: varints, values, results.
//!
//! A value starts with a varint `x`. Even: the integer `x / 2`. Odd: bits 1-3 are a [`kind`] and
//! the rest its payload. Small keys and values of a register are one byte.

use crate::codec::CodecError;
use crate::{Observed, Value};

/// What an odd value head means; its payload in the comment.
pub(super) mod kind {
    /// 0 nil, 1 pending, 2 absent.
    pub(crate) const SPECIAL: u64 = 0;
    /// Number of the string in the dictionary of the segment.
    pub(crate) const INTERNED: u64 = 1;
    /// Length in bytes; UTF-8 follows.
    pub(crate) const TEXT: u64 = 2;
    /// Length in bytes; raw bytes follow.
    pub(crate) const UNPARSED: u64 = 3;
    /// 0; eight bytes of a little-endian i64 follow.
    pub(crate) const WIDE: u64 = 4;
    /// `-1 - n` of the negative integer n.
    pub(crate) const NEGATIVE: u64 = 5;
    /// Number of elements; their values follow.
    pub(crate) const LIST: u64 = 6;
    /// Number of pairs; their keys and values follow, alternating.
    pub(crate) const PAIRS: u64 = 7;
}

pub(super) const NIL: u64 = 0;
pub(super) const PENDING: u64 = 1;
pub(super) const ABSENT: u64 = 2;

/// Integers of a larger magnitude take the wide form.
const NARROW: u64 = 1 << 59;

#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// As a number that is small where `value` is near zero.
#[inline]
pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

#[inline]
pub(super) fn put_head(out: &mut Vec<u8>, kind: u64, payload: u64) {
    put_varint(out, payload << 4 | kind << 1 | 1);
}

#[inline]
pub(super) fn put_int(out: &mut Vec<u8>, int: i64) {
    if int.unsigned_abs() >= NARROW {
        put_head(out, kind::WIDE, 0);
        out.extend_from_slice(&int.to_le_bytes());
    } else if int >= 0 {
        put_varint(out, (int as u64) << 1);
    } else {
        put_head(out, kind::NEGATIVE, !int as u64);
    }
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// One decoded result of a read.
#[derive(Debug)]
pub(super) enum Seen {
    Value(Observed<Value>),
    List(Vec<Value>),
    Pairs(Vec<(Value, Value)>),
}

/// Reads a record. Every method fails rather than look past the end.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Offset of `bytes` in the file, for errors.
    base: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(bytes: &'b [u8], base: usize) -> Cursor<'b> {
        Cursor { bytes, at: 0, base }
    }

    pub(super) fn offset(&self) -> usize {
        self.base + self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn error(&self, message: impl Into<String>) -> CodecError {
        CodecError::native(self.offset(), message)
    }

    pub(super) fn byte(&mut self) -> Result<u8, CodecError> {
        let byte = self.bytes.get(self.at).ok_or_else(|| self.error(ENDS))?;
        self.at += 1;
        Ok(*byte)
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'b [u8], CodecError> {
        let rest = &self.bytes[self.at..];
        let length = usize::try_from(length).map_err(|_| self.error(ENDS))?;
        let taken = rest.get(..length).ok_or_else(|| self.error(ENDS))?;
        self.at += length;
        Ok(taken)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, CodecError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("a number does not fit 64 bits"))
    }

    #[inline]
    pub(super) fn zigzag(&mut self) -> Result<i64, CodecError> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn narrow<T: TryFrom<u64>>(&mut self, what: &str) -> Result<T, CodecError> {
        let value = self.varint()?;
        T::try_from(value).map_err(|_| self.error(format!("{what} {value} is out of range")))
    }

    pub(super) fn text(&mut self) -> Result<&'b str, CodecError> {
        let length = self.varint()?;
        self.text_of(length)
    }

    fn text_of(&mut self, length: u64) -> Result<&'b str, CodecError> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| self.error("a text is not UTF-8"))
    }

    pub(super) fn value(&mut self, dictionary: &[Box<str>]) -> Result<Value, CodecError> {
        match self.seen(dictionary)? {
            Seen::Value(Observed::Present(value)) => Ok(value),
            Seen::Value(Observed::Pending | Observed::Absent) | Seen::List(_) | Seen::Pairs(_) => {
                Err(self.error("a value was expected here, not an observation"))
            }
        }
    }

    pub(super) fn seen(&mut self, dictionary: &[Box<str>]) -> Result<Seen, CodecError> {
        let head = self.varint()?;
        if head & 1 == 0 {
            return Ok(Seen::Value(Observed::Present(Value::Int((head >> 1) as i64))));
        }
        let payload = head >> 4;
        let value = match head >> 1 & 7 {
            kind::SPECIAL => return self.special(payload),
            kind::INTERNED => {
                let text = usize::try_from(payload).ok().and_then(|id| dictionary.get(id));
                let missing = || self.error(format!("text {payload} is not in the dictionary"));
                Value::Text(text.ok_or_else(missing)?.clone())
            }
            kind::TEXT => Value::text(self.text_of(payload)?),
            kind::UNPARSED => Value::unparsed(self.take(payload)?),
            kind::WIDE => {
                let mut wide = [0; 8];
                wide.copy_from_slice(self.take(8)?);
                Value::Int(i64::from_le_bytes(wide))
            }
            kind::NEGATIVE => Value::Int(!(payload as i64)),
            kind::LIST => return self.elements(payload, dictionary).map(Seen::List),
            _ => {
                let flat = self.elements(payload.saturating_mul(2), dictionary)?;
                let mut pairs = Vec::with_capacity(flat.len() / 2);
                let mut flat = flat.into_iter();
                while let (Some(key), Some(value)) = (flat.next(), flat.next()) {
                    pairs.push((key, value));
                }
                return Ok(Seen::Pairs(pairs));
            }
        };
        Ok(Seen::Value(Observed::Present(value)))
    }

    fn special(&self, payload: u64) -> Result<Seen, CodecError> {
        let observed = match payload {
            NIL => Observed::Present(Value::Nil),
            PENDING => Observed::Pending,
            ABSENT => Observed::Absent,
            other => return Err(self.error(format!("special value {other} is unknown"))),
        };
        Ok(Seen::Value(observed))
    }

    /// Elements are plain values: lists do not nest, so neither does this function's caller.
    fn elements(&mut self, count: u64, dict: &[Box<str>]) -> Result<Vec<Value>, CodecError> {
        let left = (self.bytes.len() - self.at) as u64;
        if count > left {
            return Err(self.error(format!("a list of {count} elements in {left} bytes")));
        }
        let mut elements = Vec::with_capacity(count as usize);
        for _ in 0..count {
            elements.push(self.element(dict)?);
        }
        Ok(elements)
    }

    fn element(&mut self, dictionary: &[Box<str>]) -> Result<Value, CodecError> {
        let head = self.clone().varint()?;
        if head & 1 == 1 && head >> 1 & 7 >= kind::LIST {
            return Err(self.error("a list inside a list"));
        }
        self.value(dictionary)
    }
}

const ENDS: &str = "the record ends in the middle of a field";
