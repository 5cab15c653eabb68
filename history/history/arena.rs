//! Interned values, micro-operations, list elements and error classes.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::columns::{Code, INTERNED, MopRow};
use crate::{ErrorClass, Observed, Value};

/// What rows refer to by number.
#[derive(Clone, Default, Debug)]
pub(super) struct Arena {
    values: Vec<Value>,
    codes: HashMap<Value, u32, FixedState>,
    pub(super) mops: Vec<MopRow>,
    lists: Vec<Code>,
    errors: Vec<ErrorClass>,
}

impl Arena {
    pub(super) fn code(&mut self, value: &Value) -> Code {
        if let Value::Int(int) = value
            && (0..i64::from(INTERNED)).contains(int)
        {
            return Code(*int as u32);
        }
        if let Some(index) = self.codes.get(value) {
            return Code(INTERNED | index);
        }
        let index = self.values.len() as u32;
        assert!(index < INTERNED - 2, "more than 2^31 distinct values in one history");
        self.values.push(value.clone());
        self.codes.insert(value.clone(), index);
        Code(INTERNED | index)
    }

    /// The code of an integer.
    #[inline]
    pub(super) fn int_code(&mut self, int: i64) -> Code {
        match (0..i64::from(INTERNED)).contains(&int) {
            true => Code(int as u32),
            false => self.code(&Value::Int(int)),
        }
    }

    /// The code of a value that may not occur; `None` when it does not.
    pub(super) fn lookup(&self, value: &Value) -> Option<Code> {
        match value {
            Value::Int(int) if (0..i64::from(INTERNED)).contains(int) => Some(Code(*int as u32)),
            _ => self.codes.get(value).map(|index| Code(INTERNED | index)),
        }
    }

    pub(super) fn value(&self, code: Code) -> Value {
        if code.0 & INTERNED == 0 {
            Value::Int(i64::from(code.0))
        } else {
            self.values[(code.0 & !INTERNED) as usize].clone()
        }
    }

    pub(super) fn observed_code(&mut self, value: &Observed<Value>) -> Code {
        match value {
            Observed::Pending => Code::PENDING,
            Observed::Absent => Code::ABSENT,
            Observed::Present(value) => self.code(value),
        }
    }

    pub(super) fn observed(&self, code: Code) -> Observed<Value> {
        match code {
            Code::PENDING => Observed::Pending,
            Code::ABSENT => Observed::Absent,
            code => Observed::Present(self.value(code)),
        }
    }

    /// Error classes are few: 254 names, then `other`.
    pub(super) fn error_code(&mut self, error: Option<&ErrorClass>) -> u8 {
        let Some(error) = error else { return 0 };
        if let Some(at) = self.errors.iter().position(|known| known == error) {
            return at as u8 + 1;
        }
        if self.errors.len() == 254 {
            return u8::MAX;
        }
        self.errors.push(error.clone());
        self.errors.len() as u8
    }

    pub(super) fn error(&self, code: u8) -> Option<ErrorClass> {
        match code {
            0 => None,
            u8::MAX => Some(ErrorClass::new("other")),
            code => Some(self.errors[usize::from(code) - 1].clone()),
        }
    }

    /// Whether one more operation of at most 2^24 parts fits. A record of the native log is
    /// smaller; 32-bit offsets leave no more room.
    pub(super) fn has_room(&self) -> bool {
        const ROOM: usize = (INTERNED - (1 << 26)) as usize;
        self.values.len() < ROOM && self.mops.len() < ROOM && self.lists.len() < ROOM
    }

    /// Bytes of the micro-operations, and of the lists they saw.
    #[cfg(test)]
    pub(super) fn mop_bytes(&self) -> (usize, usize) {
        let lists = self.lists.capacity() * size_of::<Code>();
        (self.mops.capacity() * size_of::<MopRow>(), lists)
    }

    /// Number of values with an entry of their own.
    #[cfg(test)]
    pub(super) fn value_count(&self) -> usize {
        self.values.len()
    }

    /// Gives back what growing reserved.
    pub(super) fn shrink(&mut self) {
        self.values.shrink_to_fit();
        self.mops.shrink_to_fit();
        self.lists.shrink_to_fit();
    }

    /// Stores a list that was seen: (offset, length in codes). Unanswered and absent lists have
    /// no offset.
    pub(super) fn list<T>(
        &mut self,
        observed: &Observed<Vec<T>>,
        mut push: impl FnMut(&mut Arena, &T),
    ) -> (u32, u32) {
        match observed {
            Observed::Pending => (Code::PENDING.0, 0),
            Observed::Absent => (Code::ABSENT.0, 0),
            Observed::Present(elements) => {
                let offset = self.lists.len();
                for element in elements {
                    push(self, element);
                }
                (offset as u32, (self.lists.len() - offset) as u32)
            }
        }
    }

    /// Adds one code to the list being stored.
    pub(super) fn push_value(&mut self, value: &Value) {
        let code = self.code(value);
        self.lists.push(code);
    }

    /// Where the next list will start.
    pub(super) fn lists_end(&self) -> u32 {
        self.lists.len() as u32
    }

    /// Adds one code to the list being stored.
    #[inline]
    pub(super) fn push_code(&mut self, code: Code) {
        self.lists.push(code);
    }

    /// Forgets what was stored from `end` on.
    pub(super) fn forget_lists(&mut self, end: u32) {
        self.lists.truncate(end as usize);
    }

    /// A stored list.
    pub(super) fn stored(&self, a: u32, b: u32) -> Observed<&[Code]> {
        match Code(a) {
            Code::PENDING => Observed::Pending,
            Code::ABSENT => Observed::Absent,
            Code(offset) => Observed::Present(&self.lists[offset as usize..(offset + b) as usize]),
        }
    }

    /// The integer behind a code; `None` of anything else.
    pub(super) fn int(&self, code: Code) -> Option<i64> {
        if code.0 & INTERNED == 0 {
            return Some(i64::from(code.0));
        }
        match self.values.get((code.0 & !INTERNED) as usize) {
            Some(Value::Int(int)) => Some(*int),
            Some(Value::Nil | Value::Text(_) | Value::Unparsed(_)) | None => None,
        }
    }

    /// The text behind a code; `None` of anything else.
    pub(super) fn text(&self, code: Code) -> Option<&str> {
        if code.0 & INTERNED == 0 {
            return None;
        }
        match self.values.get((code.0 & !INTERNED) as usize) {
            Some(Value::Text(text)) => Some(text),
            Some(Value::Nil | Value::Int(_) | Value::Unparsed(_)) | None => None,
        }
    }
}
