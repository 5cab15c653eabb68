//! Transactions that read and write registers, serializable by construction.
//!
//! As `append`, with registers: ten keys are live; a key is chosen geometrically and retired after
//! 32 writes, whereupon a new one takes its place. No value is written twice to a key. A
//! transaction has one to four micro-operations, half of them writes, and takes effect at one
//! instant between invocation and completion: the history is strict serializable.

use std::collections::BTreeMap;

use tribunal_history::{Mop, Observed, Op, Outcome, TxnOp, Value};

use super::family::{Expected, Family};
use super::random::Random;
use super::schedule::{self, Object};

pub(super) const FAMILY: Family = Family {
    name: "wr",
    summary: "transactions of 2.5 writes and reads of registers on ten live keys",
    model: "rw-register",
    initial: "",
    expected: Expected::Valid,
    clients: 10,
    crashes_per_mille: 0,
    events: |shape, each| {
        let object = &mut Registers::new();
        schedule::run(object, shape, &mut Random::new(shape.seed), each);
    },
};

/// Keys in use at a time.
const LIVE: usize = 10;
/// Writes asked for before a key is retired.
const WRITES: i64 = 32;

struct Registers {
    /// Live keys, each with the value that was given out last.
    live: Vec<(i64, i64)>,
    next_key: i64,
    held: BTreeMap<i64, Value>,
}

impl Registers {
    fn new() -> Registers {
        let live: Vec<(i64, i64)> = (0..LIVE as i64).map(|key| (key, 0)).collect();
        Registers { next_key: LIVE as i64, live, held: BTreeMap::new() }
    }

    fn pick(random: &mut Random) -> usize {
        let mut at = 0;
        while at + 1 < LIVE && random.below(2) == 0 {
            at += 1;
        }
        at
    }

    fn mop(&mut self, random: &mut Random) -> Mop {
        let at = Registers::pick(random);
        let (key, last) = &mut self.live[at];
        if random.below(2) == 0 {
            return Mop::Read { key: Value::Int(*key), value: Observed::Pending };
        }
        *last += 1;
        let mop = Mop::Write { key: Value::Int(*key), value: Value::Int(*last) };
        if *last == WRITES {
            self.live[at] = (self.next_key, 0);
            self.next_key += 1;
        }
        mop
    }
}

impl Object for Registers {
    fn ask(&mut self, random: &mut Random) -> Op {
        let many = 1 + random.below(4);
        Op::Txn(TxnOp { mops: (0..many).map(|_| self.mop(random)).collect() })
    }

    fn answer(&mut self, op: &mut Op) -> Outcome {
        let Op::Txn(txn) = op else { unreachable!("{op} was not asked") };
        for mop in &mut txn.mops {
            match mop {
                Mop::Write { key: Value::Int(key), value } => {
                    self.held.insert(*key, value.clone());
                }
                Mop::Read { key: Value::Int(key), value } => {
                    *value = match self.held.get(key) {
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
