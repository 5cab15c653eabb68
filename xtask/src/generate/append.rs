//! Transactions that append to lists and read them, serializable by construction.
//!
//! Ten keys are live; a key is chosen geometrically and retired after 32 appends, whereupon a new
//! one takes its place. A transaction has one to four micro-operations, half of them appends, and
//! takes effect at one instant between invocation and completion: the history is strict
//! serializable. What aborts (a crash aside) does so before it takes effect.

use std::collections::BTreeMap;

use tribunal_history::{Mop, Observed, Op, Outcome, TxnOp, Value};

use super::family::{Expected, Family};
use super::random::Random;
use super::schedule::{self, Object};

pub(super) const FAMILY: Family = Family {
    name: "append",
    summary: "transactions of 2.5 appends and reads of lists on ten live keys",
    model: "list-append",
    initial: "",
    expected: Expected::Valid,
    clients: 10,
    crashes_per_mille: 0,
    events: |shape, each| {
        let object = &mut Lists::new();
        schedule::run(object, shape, &mut Random::new(shape.seed), each);
    },
};

/// Keys in use at a time.
const LIVE: usize = 10;
/// Appends asked for before a key is retired.
const APPENDS: i64 = 32;

struct Lists {
    /// Live keys, each with the element that was appended last.
    live: Vec<(i64, i64)>,
    next_key: i64,
    held: BTreeMap<i64, Vec<Value>>,
}

impl Lists {
    fn new() -> Lists {
        let live: Vec<(i64, i64)> = (0..LIVE as i64).map(|key| (key, 0)).collect();
        Lists { next_key: LIVE as i64, live, held: BTreeMap::new() }
    }

    fn pick(random: &mut Random) -> usize {
        let mut at = 0;
        while at + 1 < LIVE && random.below(2) == 0 {
            at += 1;
        }
        at
    }

    fn mop(&mut self, random: &mut Random) -> Mop {
        let at = Lists::pick(random);
        let (key, last) = &mut self.live[at];
        if random.below(2) == 0 {
            return Mop::ReadList { key: Value::Int(*key), elements: Observed::Pending };
        }
        *last += 1;
        let mop = Mop::Append { key: Value::Int(*key), element: Value::Int(*last) };
        if *last == APPENDS {
            self.live[at] = (self.next_key, 0);
            self.next_key += 1;
        }
        mop
    }
}

impl Object for Lists {
    fn ask(&mut self, random: &mut Random) -> Op {
        let many = 1 + random.below(4);
        Op::Txn(TxnOp { mops: (0..many).map(|_| self.mop(random)).collect() })
    }

    fn answer(&mut self, op: &mut Op) -> Outcome {
        let Op::Txn(txn) = op else { unreachable!("{op} was not asked") };
        for mop in &mut txn.mops {
            match mop {
                Mop::Append { key: Value::Int(key), element } => {
                    self.held.entry(*key).or_default().push(element.clone());
                }
                Mop::ReadList { key: Value::Int(key), elements } => {
                    *elements = match self.held.get(key) {
                        Some(held) => Observed::Present(held.clone()),
                        None => Observed::Absent,
                    };
                }
                other => unreachable!("{other} was not asked"),
            }
        }
        Outcome::Ok
    }
}
