//! The register of five values that several families share: 34 % reads, 33 % writes and 33 %
//! compare-and-set, operands uniform in 0..5, initially 0.

use tribunal_history::codec::SOLE_KEY;
use tribunal_history::{Observed, Op, Outcome, RegisterOp, Value};

use super::event::Event;
use super::family::Shape;
use super::random::Random;
use super::schedule::{self, Object};

/// How many values there are.
pub(super) const DOMAIN: u64 = 5;

/// What happens to such a register.
pub(super) fn events(shape: &Shape, each: &mut dyn FnMut(Event)) {
    schedule::run(&mut Small { held: 0 }, shape, &mut Random::new(shape.seed), each);
}

/// The same, kept.
pub(super) fn all(shape: &Shape) -> Vec<Event> {
    let mut all = Vec::new();
    events(shape, &mut |event| all.push(event));
    all
}

struct Small {
    held: i64,
}

impl Object for Small {
    fn ask(&mut self, random: &mut Random) -> Op {
        let mut value = || Value::Int(random.below(DOMAIN) as i64);
        let (one, other, key) = (value(), value(), SOLE_KEY);
        Op::Register(match random.below(100) {
            0..34 => RegisterOp::Read { key, value: Observed::Pending },
            34..67 => RegisterOp::Write { key, value: one },
            _ => RegisterOp::Cas { key, from: one, to: other },
        })
    }

    fn answer(&mut self, op: &mut Op) -> Outcome {
        match op {
            Op::Register(RegisterOp::Read { value, .. }) => {
                *value = Observed::Present(Value::Int(self.held));
            }
            Op::Register(RegisterOp::Write { value: Value::Int(value), .. }) => self.held = *value,
            Op::Register(RegisterOp::Cas {
                from: Value::Int(from), to: Value::Int(to), ..
            }) => {
                if *from != self.held {
                    return Outcome::Fail;
                }
                self.held = *to;
            }
            other => unreachable!("{other} was not asked"),
        }
        Outcome::Ok
    }
}
