//! Transactions that append to lists and read them, serializable by construction.
//!
//! Ten keys are live; a key is chosen geometrically and retired after 32 appends, whereupon a new
//! one takes its place. A transaction has one to four micro-operations, half of them appends, and
//! takes effect at one instant between invocation and completion: the history is strict
//! serializable. What aborts (a crash aside) does so before it takes effect.
//!
//! Of the second family one read in three misses the last one or two appends: transactions that
//! overtake each other all along the history are one component of their dependencies.

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
        let object = &mut Lists::new(None);
        schedule::run(object, shape, &mut Random::new(shape.seed), each);
    },
};

pub(super) const STALE: Family = Family {
    name: "stale-append",
    summary: "as append, and one read in three misses the last one or two appends",
    expected: Expected::Invalid,
    events: |shape, each| {
        let object = &mut Lists::new(Some(Random::new(!shape.seed)));
        schedule::run(object, shape, &mut Random::new(shape.seed), each);
    },
    ..FAMILY
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
    /// Which reads are stale, if any.
    stale: Option<Random>,
}

impl Lists {
    fn new(stale: Option<Random>) -> Lists {
        let live: Vec<(i64, i64)> = (0..LIVE as i64).map(|key| (key, 0)).collect();
        Lists { next_key: LIVE as i64, live, held: BTreeMap::new(), stale }
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
        let keys: Vec<Value> = txn.mops.iter().filter_map(|mop| mop.key().cloned()).collect();
        for mop in &mut txn.mops {
            // A transaction that contradicts itself would be told as that.
            let alone = keys.iter().filter(|key| mop.key() == Some(*key)).count() == 1;
            match mop {
                Mop::Append { key: Value::Int(key), element } => {
                    self.held.entry(*key).or_default().push(element.clone());
                }
                Mop::ReadList { key: Value::Int(key), elements } => {
                    // One in three misses one or two.
                    let random = self.stale.as_mut().filter(|_| alone);
                    let missed =
                        random.map_or(0, |random| [0, 0, 0, 0, 1, 2][random.below(6) as usize]);
                    let held = self.held.get(key).map_or(&[][..], Vec::as_slice);
                    *elements = match &held[..held.len().saturating_sub(missed)] {
                        [] => Observed::Absent,
                        seen => Observed::Present(seen.to_vec()),
                    };
                }
                other => unreachable!("{other} was not asked"),
            }
        }
        Outcome::Ok
    }
}
