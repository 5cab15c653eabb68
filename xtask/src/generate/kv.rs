//! Strings under ten keys, as in Porcupine's key-value logs: half of what is asked reads, the rest
//! appends, and now and then puts.

use std::collections::BTreeMap;

use tribunal_history::{Observed, Op, Outcome, RegisterOp, Value};

use super::family::{Expected, Family};
use super::random::Random;
use super::schedule::{self, Object};

pub(super) const FAMILY: Family = Family {
    name: "kv",
    summary: "strings under ten keys: get, append, and now and then put",
    model: "kv",
    initial: "",
    expected: Expected::Valid,
    clients: 50,
    crashes_per_mille: 0,
    events: |shape, each| {
        let object = &mut Strings::default();
        schedule::run(object, shape, &mut Random::new(shape.seed), each);
    },
};

const KEYS: u64 = 10;

#[derive(Default)]
struct Strings {
    written: u64,
    held: BTreeMap<Value, String>,
}

impl Object for Strings {
    fn ask(&mut self, random: &mut Random) -> Op {
        let key = Value::text(random.below(KEYS).to_string());
        let mut token = || {
            self.written += 1;
            Value::text(format!("x {} y", self.written))
        };
        Op::Register(match random.below(100) {
            0..50 => RegisterOp::Read { key, value: Observed::Pending },
            50..95 => RegisterOp::Append { key, value: token() },
            _ => RegisterOp::Write { key, value: token() },
        })
    }

    fn answer(&mut self, op: &mut Op) -> Outcome {
        let Op::Register(op) = op else { unreachable!("{op} was not asked") };
        let held = self.held.entry(op.key().clone()).or_default();
        match op {
            RegisterOp::Read { value, .. } => {
                *value = Observed::Present(Value::text(held.as_str()));
            }
            RegisterOp::Write { value: Value::Text(value), .. } => *held = value.to_string(),
            RegisterOp::Append { value: Value::Text(value), .. } => held.push_str(value),
            other => unreachable!("{other} was not asked"),
        }
        Outcome::Ok
    }
}
