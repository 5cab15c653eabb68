//! A set whose elements are added once and removed at most once.

use std::collections::HashSet;

use tribunal_history::codec::SOLE_KEY;
use tribunal_history::{Observed, Op, Outcome, SetOp, Value};

use super::family::{Expected, Family};
use super::random::Random;
use super::schedule::{self, Object};

pub(super) const FAMILY: Family = Family {
    name: "set",
    summary: "a set; a third each adds a new element, removes one, looks one up",
    model: "set",
    initial: "",
    expected: Expected::Valid,
    clients: 10,
    crashes_per_mille: 0,
    events: |shape, each| {
        let object = &mut Set::default();
        schedule::run(object, shape, &mut Random::new(shape.seed), each);
    },
};

#[derive(Default)]
struct Set {
    last: i64,
    /// Added, and nobody was asked to remove them.
    kept: Vec<i64>,
    held: HashSet<i64>,
}

/// Elements looked up are at most this old: about half of them are still there.
const RECENT: u64 = 64;

impl Object for Set {
    fn ask(&mut self, random: &mut Random) -> Op {
        let key = SOLE_KEY;
        let kept = self.kept.len() as u64;
        Op::Set(match random.below(3) {
            0 if kept > 0 => {
                let element = Value::Int(self.kept.swap_remove(random.below(kept) as usize));
                SetOp::Remove { key, element, removed: Observed::Pending }
            }
            1 if self.last > 0 => {
                let back = random.below(RECENT.min(self.last as u64)) as i64;
                let element = Value::Int(self.last - back);
                SetOp::Contains { key, element, found: Observed::Pending }
            }
            _ => {
                self.last += 1;
                let element = Value::Int(self.last);
                SetOp::Add { key, element, added: Observed::Pending }
            }
        })
    }

    fn answer(&mut self, op: &mut Op) -> Outcome {
        let Op::Set(op) = op else { unreachable!("{op} was not asked") };
        match op {
            SetOp::Add { element: Value::Int(element), added, .. } => {
                *added = Observed::Present(self.held.insert(*element));
                self.kept.push(*element);
            }
            SetOp::Remove { element: Value::Int(element), removed, .. } => {
                *removed = Observed::Present(self.held.remove(element));
            }
            SetOp::Contains { element: Value::Int(element), found, .. } => {
                *found = Observed::Present(self.held.contains(element));
            }
            other => unreachable!("{other} was not asked"),
        }
        Outcome::Ok
    }
}
