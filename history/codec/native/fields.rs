//! What records are made of: the dictionary, values, questions and answers.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::wire::{self, kind, put_head, put_int, put_text, put_varint};
use super::{INTERN_COUNT, INTERN_LENGTH, tag};
use crate::{Mop, Observed, Op, RegisterOp, TxnOp, Value};

/// The dictionary of the segment being written.
#[derive(Default, Debug)]
pub(super) struct Dictionary {
    ids: HashMap<Box<str>, u32, FixedState>,
}

/// Appends fields to a frame.
#[derive(Debug)]
pub(super) struct Fields<'e> {
    pub(super) frame: &'e mut Vec<u8>,
    pub(super) dictionary: &'e mut Dictionary,
}

impl Dictionary {
    pub(super) fn clear(&mut self) {
        self.ids.clear();
    }
}

impl Fields<'_> {
    /// Dictionary records stand before the record that uses them.
    pub(super) fn intern_op(&mut self, op: &Op, answered: bool) {
        match op {
            Op::Register(RegisterOp::Read { key, value }) => {
                self.intern_value(key);
                if answered && let Observed::Present(value) = value {
                    self.intern_value(value);
                }
            }
            Op::Register(RegisterOp::Write { key, value }) => {
                self.intern_value(key);
                self.intern_value(value);
            }
            Op::Register(RegisterOp::Cas { key, from, to }) => {
                self.intern_value(key);
                self.intern_value(from);
                self.intern_value(to);
            }
            Op::Txn(txn) => txn.mops.iter().for_each(|mop| self.intern_mop(mop, answered)),
        }
    }

    fn intern_mop(&mut self, mop: &Mop, answered: bool) {
        match mop {
            Mop::Read { key, value } => {
                self.intern_value(key);
                if answered && let Observed::Present(value) = value {
                    self.intern_value(value);
                }
            }
            Mop::Write { key, value: argument } | Mop::Append { key, element: argument } => {
                self.intern_value(key);
                self.intern_value(argument);
            }
            Mop::ReadList { key, elements } => {
                self.intern_value(key);
                if answered && let Observed::Present(elements) = elements {
                    elements.iter().for_each(|element| self.intern_value(element));
                }
            }
            Mop::ReadPredicate { predicate, matches } => {
                self.intern(predicate);
                if answered && let Observed::Present(matches) = matches {
                    for (key, value) in matches {
                        self.intern_value(key);
                        self.intern_value(value);
                    }
                }
            }
        }
    }

    #[inline]
    fn intern_value(&mut self, value: &Value) {
        if let Value::Text(text) = value {
            self.intern(text);
        }
    }

    pub(super) fn intern(&mut self, text: &str) {
        if text.len() > INTERN_LENGTH
            || self.dictionary.ids.len() >= INTERN_COUNT
            || self.dictionary.ids.contains_key(text)
        {
            return;
        }
        self.dictionary.ids.insert(text.into(), self.dictionary.ids.len() as u32);
        self.frame.push(tag::INTERN);
        put_text(self.frame, text);
    }

    pub(super) fn put_string(&mut self, text: &str) {
        match self.dictionary.ids.get(text) {
            Some(id) => put_head(self.frame, kind::INTERNED, (*id).into()),
            None => {
                put_head(self.frame, kind::TEXT, text.len() as u64);
                self.frame.extend_from_slice(text.as_bytes());
            }
        }
    }

    #[inline]
    fn put_value(&mut self, value: &Value) {
        match value {
            Value::Int(int) => put_int(self.frame, *int),
            Value::Nil => put_head(self.frame, kind::SPECIAL, wire::NIL),
            Value::Text(text) => self.put_string(text),
            Value::Unparsed(raw) => {
                put_head(self.frame, kind::UNPARSED, raw.len() as u64);
                self.frame.extend_from_slice(raw);
            }
        }
    }

    #[inline]
    fn put_observed(&mut self, value: &Observed<Value>) {
        match value {
            Observed::Pending => put_head(self.frame, kind::SPECIAL, wire::PENDING),
            Observed::Absent => put_head(self.frame, kind::SPECIAL, wire::ABSENT),
            Observed::Present(value) => self.put_value(value),
        }
    }

    #[inline]
    pub(super) fn put_question(&mut self, op: &Op) {
        match op {
            Op::Register(RegisterOp::Read { key, .. }) => self.put_value(key),
            Op::Register(RegisterOp::Write { key, value }) => {
                self.put_value(key);
                self.put_value(value);
            }
            Op::Register(RegisterOp::Cas { key, from, to }) => {
                self.put_value(key);
                self.put_value(from);
                self.put_value(to);
            }
            Op::Txn(TxnOp { mops }) => {
                put_varint(self.frame, mops.len() as u64);
                for mop in mops {
                    self.put_mop(mop);
                }
            }
        }
    }

    fn put_mop(&mut self, mop: &Mop) {
        self.frame.push(mop.code());
        match mop {
            Mop::Read { key, .. } | Mop::ReadList { key, .. } => self.put_value(key),
            Mop::Write { key, value: argument } | Mop::Append { key, element: argument } => {
                self.put_value(key);
                self.put_value(argument);
            }
            Mop::ReadPredicate { predicate, .. } => self.put_string(predicate),
        }
    }

    #[inline]
    pub(super) fn put_observation(&mut self, op: &Op) {
        match op {
            Op::Register(RegisterOp::Read { value, .. }) => self.put_observed(value),
            Op::Register(RegisterOp::Write { .. } | RegisterOp::Cas { .. }) => {}
            Op::Txn(TxnOp { mops }) => {
                let reads = mops.iter().filter(|mop| !mop.writes()).count();
                if reads > 0 {
                    put_varint(self.frame, reads as u64);
                }
                for mop in mops {
                    self.put_result(mop);
                }
            }
        }
    }

    fn put_result(&mut self, mop: &Mop) {
        match mop {
            Mop::Write { .. } | Mop::Append { .. } => {}
            Mop::Read { value, .. } => self.put_observed(value),
            Mop::ReadList { elements, .. } => match elements {
                Observed::Pending => self.put_observed(&Observed::Pending),
                Observed::Absent => self.put_observed(&Observed::Absent),
                Observed::Present(elements) => {
                    put_head(self.frame, kind::LIST, elements.len() as u64);
                    elements.iter().for_each(|element| self.put_value(element));
                }
            },
            Mop::ReadPredicate { matches, .. } => match matches {
                Observed::Pending => self.put_observed(&Observed::Pending),
                Observed::Absent => self.put_observed(&Observed::Absent),
                Observed::Present(matches) => {
                    put_head(self.frame, kind::PAIRS, matches.len() as u64);
                    for (key, value) in matches {
                        self.put_value(key);
                        self.put_value(value);
                    }
                }
            },
        }
    }
}

/// The observation bits of a completion.
pub(super) fn observation(op: &Op) -> u8 {
    match op {
        Op::Register(RegisterOp::Read { .. }) => 1,
        Op::Register(RegisterOp::Write { .. } | RegisterOp::Cas { .. }) => 0,
        Op::Txn(txn) => 2 * u8::from(txn.mops.iter().any(|mop| !mop.writes())),
    }
}
