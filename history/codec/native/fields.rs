//! What records are made of: the dictionary, values, questions and answers.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::wire::{self, kind, put_head, put_int, put_text, put_varint};
use super::{INTERN_COUNT, INTERN_LENGTH, form, tag};
use crate::{CounterOp, IdOp, LockOp, Mop, Observed, Op, QueueOp, RegisterOp, SetOp, TxnOp, Value};

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
        if let Some(key) = op.key() {
            self.intern_value(key);
        }
        match op {
            Op::Register(RegisterOp::Read { value, .. })
            | Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. })
            | Op::Id(IdOp::Generate { id: value, .. }) => {
                if answered && let Observed::Present(value) = value {
                    self.intern_value(value);
                }
            }
            Op::Register(RegisterOp::Write { value, .. } | RegisterOp::Append { value, .. })
            | Op::Queue(QueueOp::Enqueue { value, .. }) => self.intern_value(value),
            Op::Register(RegisterOp::Cas { from, to, .. }) => {
                self.intern_value(from);
                self.intern_value(to);
            }
            Op::Set(
                SetOp::Add { element, .. }
                | SetOp::Remove { element, .. }
                | SetOp::Contains { element, .. },
            ) => self.intern_value(element),
            Op::Set(SetOp::Read { elements, .. }) => {
                if answered && let Observed::Present(elements) = elements {
                    elements.iter().for_each(|element| self.intern_value(element));
                }
            }
            // Numbers only.
            Op::Counter(_) | Op::Lock(_) => {}
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
            // The rest is numbers.
            Mop::Add { key, .. } => self.intern_value(key),
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
        if let Some(key) = op.key() {
            self.put_value(key);
        }
        match op {
            Op::Register(RegisterOp::Read { .. })
            | Op::Set(SetOp::Read { .. })
            | Op::Counter(CounterOp::Read { .. })
            | Op::Queue(QueueOp::Dequeue { .. } | QueueOp::Peek { .. })
            | Op::Id(IdOp::Generate { .. }) => {}
            Op::Register(RegisterOp::Write { value, .. } | RegisterOp::Append { value, .. })
            | Op::Queue(QueueOp::Enqueue { value, .. }) => self.put_value(value),
            Op::Register(RegisterOp::Cas { from, to, .. }) => {
                self.put_value(from);
                self.put_value(to);
            }
            Op::Set(
                SetOp::Add { element, .. }
                | SetOp::Remove { element, .. }
                | SetOp::Contains { element, .. },
            ) => self.put_value(element),
            Op::Counter(CounterOp::Add { delta, .. }) => put_int(self.frame, *delta),
            Op::Lock(LockOp::Acquire { permits, .. }) => put_int(self.frame, *permits),
            Op::Lock(LockOp::Release { permits, token, .. }) => {
                put_int(self.frame, *permits);
                self.put_number(*token);
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
            Mop::Add { key, delta, .. } => {
                self.put_value(key);
                put_int(self.frame, *delta);
            }
            Mop::ReadPredicate { predicate, .. } => self.put_string(predicate),
        }
    }

    /// What [`observation`] announces.
    #[inline]
    pub(super) fn put_observation(&mut self, op: &Op) {
        if observation(op) == form::NONE {
            return;
        }
        match op {
            Op::Register(RegisterOp::Read { value, .. })
            | Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. })
            | Op::Id(IdOp::Generate { id: value, .. }) => self.put_observed(value),
            Op::Set(
                SetOp::Add { added: told, .. }
                | SetOp::Remove { removed: told, .. }
                | SetOp::Contains { found: told, .. },
            ) => self.put_number(told.map(i64::from)),
            Op::Set(SetOp::Read { elements, .. }) => self.put_list(elements),
            Op::Counter(CounterOp::Add { value, .. } | CounterOp::Read { value, .. })
            | Op::Lock(LockOp::Acquire { token: value, .. }) => self.put_number(*value),
            Op::Register(
                RegisterOp::Write { .. } | RegisterOp::Cas { .. } | RegisterOp::Append { .. },
            )
            | Op::Queue(QueueOp::Enqueue { .. })
            | Op::Lock(LockOp::Release { .. }) => {}
            Op::Txn(TxnOp { mops }) => {
                let reads = mops.iter().filter(|mop| mop.observes()).count();
                put_varint(self.frame, reads as u64);
                for mop in mops {
                    self.put_result(mop);
                }
            }
        }
    }

    fn put_number(&mut self, number: Observed<i64>) {
        match number {
            Observed::Pending => put_head(self.frame, kind::SPECIAL, wire::PENDING),
            Observed::Absent => put_head(self.frame, kind::SPECIAL, wire::ABSENT),
            Observed::Present(int) => put_int(self.frame, int),
        }
    }

    fn put_list(&mut self, elements: &Observed<Vec<Value>>) {
        match elements {
            Observed::Pending => self.put_observed(&Observed::Pending),
            Observed::Absent => self.put_observed(&Observed::Absent),
            Observed::Present(elements) => {
                put_head(self.frame, kind::LIST, elements.len() as u64);
                elements.iter().for_each(|element| self.put_value(element));
            }
        }
    }

    fn put_result(&mut self, mop: &Mop) {
        match mop {
            Mop::Write { .. } | Mop::Append { .. } => {}
            Mop::Read { value, .. } => self.put_observed(value),
            Mop::ReadList { elements, .. } => self.put_list(elements),
            Mop::Add { value, .. } => self.put_number(*value),
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

/// The observation bits of a completion. An unanswered register read says so with a result, as
/// the first release wrote it; elsewhere nothing observed is nothing written.
pub(super) fn observation(op: &Op) -> u8 {
    let told = |answered: bool| if answered { form::RESULT } else { form::NONE };
    match op {
        Op::Register(RegisterOp::Read { .. }) => form::RESULT,
        Op::Register(
            RegisterOp::Write { .. } | RegisterOp::Cas { .. } | RegisterOp::Append { .. },
        )
        | Op::Queue(QueueOp::Enqueue { .. })
        | Op::Lock(LockOp::Release { .. }) => form::NONE,
        Op::Queue(QueueOp::Dequeue { value, .. } | QueueOp::Peek { value, .. })
        | Op::Id(IdOp::Generate { id: value, .. }) => told(value.is_answered()),
        Op::Set(
            SetOp::Add { added, .. }
            | SetOp::Remove { removed: added, .. }
            | SetOp::Contains { found: added, .. },
        ) => told(added.is_answered()),
        Op::Set(SetOp::Read { elements, .. }) => told(elements.is_answered()),
        Op::Counter(CounterOp::Add { value, .. } | CounterOp::Read { value, .. })
        | Op::Lock(LockOp::Acquire { token: value, .. }) => told(value.is_answered()),
        Op::Txn(txn) => match txn.mops.iter().any(Mop::observes) {
            true => form::RESULTS,
            false => form::NONE,
        },
    }
}
