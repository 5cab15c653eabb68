//! A register, half reads, half writes of what was never written before.

use tribunal_history::codec::SOLE_KEY;
use tribunal_history::{Observed, Op, Outcome, RegisterOp, Value};

use super::family::{Expected, Family};
use super::random::Random;
use super::schedule::{self, Object};

pub(super) const FAMILY: Family = Family {
    name: "unique",
    summary: "a register, half reads, half writes of distinct values",
    model: "register",
    initial: "0",
    expected: Expected::Valid,
    clients: 10,
    crashes_per_mille: 0,
    events: |shape, each| {
        let object = &mut Unique { last: 0, held: 0 };
        schedule::run(object, shape, &mut Random::new(shape.seed), each);
    },
};

struct Unique {
    last: i64,
    held: i64,
}

impl Object for Unique {
    fn ask(&mut self, random: &mut Random) -> Op {
        let key = SOLE_KEY;
        Op::Register(match random.below(2) {
            0 => RegisterOp::Read { key, value: Observed::Pending },
            _ => {
                self.last += 1;
                RegisterOp::Write { key, value: Value::Int(self.last) }
            }
        })
    }

    fn answer(&mut self, op: &mut Op) -> Outcome {
        match op {
            Op::Register(RegisterOp::Read { value, .. }) => {
                *value = Observed::Present(Value::Int(self.held));
            }
            Op::Register(RegisterOp::Write { value: Value::Int(value), .. }) => self.held = *value,
            other => unreachable!("{other} was not asked"),
        }
        Outcome::Ok
    }
}
