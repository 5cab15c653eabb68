//! `unique_values`: every value written is written once.

use std::collections::BTreeMap;

use tribunal_history::{Mop, Op, QueueOp, RegisterOp, SetOp, Value};

use super::wrap::plain;
use super::{Context, Gen, Generator, Next, Observation};
use crate::seed::Stream;

/// Among which writes a value is unique.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Of one key: small values, and a value does not tell the key.
    PerKey,
    /// Of the whole run.
    Global,
}

#[derive(Clone)]
struct Unique {
    scope: Scope,
    first: i64,
    /// Values given out, by key; under `Nil` when the scope is global.
    given: BTreeMap<Value, i64>,
    offered: Vec<Value>,
    child: Gen,
}

/// Replaces every value that `child` writes (`write`, the new value of `cas`, `append`) by the
/// next of `first`, `first + 1` ... Many checkers state unique writes as their precondition.
///
/// A value once committed is never given out again, whatever became of its operation. What `cas`
/// expects is left alone.
pub fn unique_values(scope: Scope, first: i64, child: Gen) -> Gen {
    Box::new(Unique { scope, first, given: BTreeMap::new(), offered: Vec::new(), child })
}

impl Unique {
    fn next_value(&mut self, key: &Value) -> Value {
        let counter = match self.scope {
            Scope::PerKey => key.clone(),
            Scope::Global => Value::Nil,
        };
        let given = self.given.get(&counter).copied().unwrap_or(0);
        let earlier = self.offered.iter().filter(|other| **other == counter).count() as i64;
        self.offered.push(counter);
        Value::Int(self.first + given + earlier)
    }

    fn rewrite(&mut self, op: Op) -> Op {
        match op {
            Op::Register(RegisterOp::Write { key, .. }) => {
                let value = self.next_value(&key);
                Op::Register(RegisterOp::Write { key, value })
            }
            Op::Register(RegisterOp::Cas { key, from, .. }) => {
                let to = self.next_value(&key);
                Op::Register(RegisterOp::Cas { key, from, to })
            }
            Op::Register(RegisterOp::Append { key, .. }) => {
                // A space at the end: 1 and 2 appended must not read like 12.
                let Value::Int(number) = self.next_value(&key) else { unreachable!("a number") };
                Op::Register(RegisterOp::Append { key, value: Value::text(format!("{number} ")) })
            }
            Op::Set(SetOp::Add { key, added, .. }) => {
                let element = self.next_value(&key);
                Op::Set(SetOp::Add { key, element, added })
            }
            Op::Queue(QueueOp::Enqueue { key, .. }) => {
                let value = self.next_value(&key);
                Op::Queue(QueueOp::Enqueue { key, value })
            }
            Op::Register(RegisterOp::Read { .. })
            | Op::Set(SetOp::Remove { .. } | SetOp::Contains { .. } | SetOp::Read { .. })
            | Op::Queue(QueueOp::Dequeue { .. } | QueueOp::Peek { .. })
            | Op::Counter(_)
            | Op::Lock(_)
            | Op::Id(_) => op,
            Op::Txn(mut txn) => {
                txn.mops.iter_mut().for_each(|mop| match mop {
                    Mop::Write { key, value } => *value = self.next_value(key),
                    Mop::Append { key, element } => *element = self.next_value(key),
                    Mop::Read { .. }
                    | Mop::ReadList { .. }
                    | Mop::Add { .. }
                    | Mop::ReadPredicate { .. } => {}
                });
                Op::Txn(txn)
            }
        }
    }
}

impl Generator for Unique {
    fn bind(&mut self, stream: &Stream) {
        self.child.bind(&stream.child("unique_values"));
    }

    fn next(&mut self, cx: &Context<'_>) -> Next {
        self.offered.clear();
        match self.child.next(cx) {
            Next::Invoke { slot, at, node, op } => {
                Next::Invoke { slot, at, node, op: self.rewrite(op) }
            }
            other => other,
        }
    }

    fn commit(&mut self) {
        for counter in self.offered.drain(..) {
            *self.given.entry(counter).or_default() += 1;
        }
        self.child.commit();
    }

    fn observe(&mut self, cx: &Context<'_>, event: &Observation<'_>) {
        self.child.observe(cx, event);
    }

    plain!("unique_values", child);
}
