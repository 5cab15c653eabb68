//! Texts of ten KiB under one key: put and get, by turns at random. What a check holds of such a
//! history is texts.

use std::sync::Arc;

use tribunal_history::{Observed, Op, Outcome, RegisterOp, Value};

use super::family::{Expected, Family};
use super::random::Random;
use super::schedule::{self, Object};

pub(super) const FAMILY: Family = Family {
    name: "long-texts",
    summary: "texts of ten KiB under one key: put and get",
    model: "kv",
    initial: "",
    expected: Expected::Valid,
    clients: 5,
    crashes_per_mille: 0,
    events: |shape, each| {
        let object = &mut Text { written: 0, held: "".into() };
        schedule::run(object, shape, &mut Random::new(shape.seed), each);
    },
};

const LENGTH: usize = 10 << 10;

struct Text {
    written: u64,
    held: Arc<str>,
}

impl Object for Text {
    fn ask(&mut self, random: &mut Random) -> Op {
        let key = Value::text("0");
        Op::Register(match random.below(2) {
            0 => RegisterOp::Read { key, value: Observed::Pending },
            _ => {
                self.written += 1;
                // Of one length, so that no text begins with another.
                let value = Value::text(format!("{:0LENGTH$}", self.written));
                RegisterOp::Write { key, value }
            }
        })
    }

    fn answer(&mut self, op: &mut Op) -> Outcome {
        match op {
            Op::Register(RegisterOp::Read { value, .. }) => {
                *value = Observed::Present(Value::text(&*self.held));
            }
            Op::Register(RegisterOp::Write { value: Value::Text(value), .. }) => {
                self.held = (&**value).into();
            }
            other => unreachable!("{other} was not asked"),
        }
        Outcome::Ok
    }
}
