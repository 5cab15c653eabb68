//! Registers: one, several that transactions touch together, and texts.

use std::collections::BTreeMap;

use tribunal_history::{Mop, Observed, Op, RegisterOp, TxnOp, Value};

use super::super::generate::Random;
use super::{World, int};
use crate::linearizable::{Kv, MultiRegister, Register};

pub(super) struct Plain;

impl World for Plain {
    type Object = i64;
    type Model = Register;

    fn model(&self) -> Register {
        Register { initial: Value::Int(0) }
    }

    fn object(&self) -> i64 {
        0
    }

    fn ask(&self, random: &mut Random, _process: u32, _object: &i64) -> Op {
        let key = Value::Nil;
        Op::Register(match random.below(2) {
            0 => RegisterOp::Read { key, value: Observed::Pending },
            _ => RegisterOp::Write { key, value: Value::Int(random.below(4) as i64) },
        })
    }

    fn outcomes(&self, object: &i64, _process: u32, question: &Op) -> Vec<(Op, i64)> {
        match question.clone() {
            Op::Register(RegisterOp::Read { key, .. }) => {
                let value = Observed::Present(Value::Int(*object));
                vec![(Op::Register(RegisterOp::Read { key, value }), *object)]
            }
            Op::Register(RegisterOp::Write { ref value, .. }) => {
                vec![(question.clone(), int(value))]
            }
            other => panic!("{other}"),
        }
    }

    fn renamed(&self, op: &Op) -> Op {
        let other = |value: Value| Value::Int(int(&value) * 17);
        match op.clone() {
            Op::Register(RegisterOp::Read { key, value }) => {
                Op::Register(RegisterOp::Read { key, value: value.map(other) })
            }
            Op::Register(RegisterOp::Write { key, value }) => {
                Op::Register(RegisterOp::Write { key, value: other(value) })
            }
            other => panic!("{other}"),
        }
    }
}

/// Two registers, of which transactions touch one or both.
pub(super) struct Several;

impl World for Several {
    type Object = BTreeMap<Value, i64>;
    type Model = MultiRegister;

    fn model(&self) -> MultiRegister {
        MultiRegister { initial: Value::Int(0) }
    }

    fn object(&self) -> BTreeMap<Value, i64> {
        BTreeMap::new()
    }

    fn ask(&self, random: &mut Random, _process: u32, _object: &BTreeMap<Value, i64>) -> Op {
        let mops = (0..=random.below(3)).map(|_| {
            let key = Value::Int(random.below(2) as i64);
            match random.below(2) {
                0 => Mop::Read { key, value: Observed::Pending },
                _ => Mop::Write { key, value: Value::Int(random.below(3) as i64) },
            }
        });
        Op::Txn(TxnOp { mops: mops.collect() })
    }

    fn outcomes(
        &self,
        object: &BTreeMap<Value, i64>,
        _process: u32,
        question: &Op,
    ) -> Vec<(Op, BTreeMap<Value, i64>)> {
        let Op::Txn(mut txn) = question.clone() else { panic!("{question}") };
        let mut object = object.clone();
        for mop in &mut txn.mops {
            match mop {
                Mop::Read { key, value } => {
                    let held = object.get(key).copied().unwrap_or(0);
                    *value = Observed::Present(Value::Int(held));
                }
                Mop::Write { key, value } => drop(object.insert(key.clone(), int(value))),
                other => panic!("{other}"),
            }
        }
        vec![(Op::Txn(txn), object)]
    }

    /// The client may have been told some of its reads only.
    fn effects(
        &self,
        object: &BTreeMap<Value, i64>,
        process: u32,
        told: &Op,
    ) -> Vec<BTreeMap<Value, i64>> {
        let outcomes = self.outcomes(object, process, &told.pending()).into_iter();
        let agrees = outcomes.filter(|(answer, _)| agrees_in_part(answer, told));
        agrees.map(|(_, object)| object).collect()
    }

    fn moved(&self, op: &Op) -> Op {
        let Op::Txn(mut txn) = op.clone() else { panic!("{op}") };
        for mop in &mut txn.mops {
            match mop {
                Mop::Read { key, .. } | Mop::Write { key, .. } => *key = Value::Int(int(key) + 10),
                other => panic!("{other}"),
            }
        }
        Op::Txn(txn)
    }

    fn is_keyed(&self) -> bool {
        false
    }

    fn most(&self) -> u64 {
        8
    }
}

/// Whether a transaction with `answer` may be one whose client was told `said`: all of it, or some
/// of its reads.
pub(super) fn agrees_in_part(answer: &Op, said: &Op) -> bool {
    let (Op::Txn(answer), Op::Txn(said)) = (answer, said) else { panic!("{answer}, {said}") };
    answer.mops.iter().zip(&said.mops).all(|(answer, said)| {
        answer == said || (*said == said.pending() && answer.pending() == *said)
    })
}

/// A text.
pub(super) struct Texts;

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        other => panic!("{other} is no text"),
    }
}

impl World for Texts {
    type Object = String;
    type Model = Kv;

    fn model(&self) -> Kv {
        Kv { initial: "".into() }
    }

    fn object(&self) -> String {
        String::new()
    }

    fn ask(&self, random: &mut Random, _process: u32, _object: &String) -> Op {
        let key = Value::Nil;
        let value = Value::text(["", "a", "b", "ab"][random.below(4) as usize]);
        Op::Register(match random.below(5) {
            0 | 1 => RegisterOp::Read { key, value: Observed::Pending },
            2 => RegisterOp::Write { key, value },
            _ => RegisterOp::Append { key, value },
        })
    }

    fn outcomes(&self, object: &String, _process: u32, question: &Op) -> Vec<(Op, String)> {
        let Op::Register(op) = question else { panic!("{question}") };
        let next = match op {
            RegisterOp::Read { key, .. } => {
                let value = Observed::Present(Value::text(object.as_str()));
                let op = RegisterOp::Read { key: key.clone(), value };
                return vec![(Op::Register(op), object.clone())];
            }
            RegisterOp::Write { value, .. } => text(value).to_owned(),
            RegisterOp::Append { value, .. } => object.clone() + text(value),
            RegisterOp::Cas { .. } => panic!("{op}"),
        };
        vec![(question.clone(), next)]
    }
}
