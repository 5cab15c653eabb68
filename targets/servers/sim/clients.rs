//! Clients pinned to nodes, and the history of what they saw.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use super::faults::within;
use crate::engine::{Reply, Request};
use crate::kv::{Command, Compare, Held, Range, Seen, Step, Txn, Unchanged, Value};

/// What two registers that belong together hold, as far as somebody saw them.
pub type Pair = (Option<i64>, Option<i64>);

/// What was asked of one register, or of a pair of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ask {
    /// Read; filled in with what was seen.
    Get(Option<i64>),
    /// Write.
    Put(i64),
    /// Compare and set.
    Cas(i64, i64),
    /// Read both of a pair at one instant; filled in with what was seen.
    Look(Pair),
    /// Write those of a pair that have a new value, if neither has changed since it held `seen`.
    /// No value is written twice, so an unchanged revision and an unchanged value are the same.
    Change {
        /// What both held, with their revisions.
        seen: Pair,
        /// Those revisions.
        revisions: (u64, u64),
        /// New values.
        to: Pair,
    },
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// Not applied: a register did not hold the expected value.
    Mismatch,
    /// It did not happen and never will.
    Fail,
    /// Unknown.
    Info,
}

/// One operation, from its invocation to its completion, in virtual milliseconds. Ticks order:
/// an operation that ends at 5 precedes one that starts at 6, and overlaps one that starts at 5.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    /// Node asked.
    pub node: usize,
    /// Register.
    pub key: String,
    /// What.
    pub ask: Ask,
    /// Start.
    pub start: u64,
    /// End; `u64::MAX` for [`Outcome::Info`].
    pub end: u64,
    /// How it ended.
    pub outcome: Outcome,
}

/// A client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) node: usize,
    /// Token of the open request, and its place in the history.
    pub(super) open: Option<(u64, usize)>,
}

/// The registers in use: a few at a time, each retired after so many operations.
#[derive(Debug)]
pub(super) struct Keys {
    active: usize,
    per_key: u64,
    given: u64,
    /// What each pair held when it was seen last.
    seen: BTreeMap<String, (Pair, (u64, u64))>,
}

impl Keys {
    pub(super) fn new(active: usize, per_key: u64) -> Keys {
        Keys { active, per_key, given: 0, seen: BTreeMap::new() }
    }

    fn next(&mut self, rng: &mut ChaCha8Rng) -> String {
        let generation = self.given / (self.active as u64 * self.per_key);
        self.given += 1;
        format!("g{generation}-{}", rng.next_u64() % self.active as u64)
    }

    /// The next operation. On two keys of three: a third each of reads, writes and
    /// compare-and-sets over five values. The third key is a pair: looks and changes.
    pub(super) fn ask(&mut self, rng: &mut ChaCha8Rng) -> (String, Ask) {
        let key = self.next(rng);
        if rng.next_u64().is_multiple_of(3) {
            let key = format!("{key}-pair");
            let ask = self.of_pair(&key, rng);
            return (key, ask);
        }
        let value = |rng: &mut ChaCha8Rng| within(rng, (0, 4)) as i64;
        let ask = match rng.next_u64() % 3 {
            0 => Ask::Get(None),
            1 => Ask::Put(value(rng)),
            _ => Ask::Cas(value(rng), value(rng)),
        };
        (key, ask)
    }

    fn of_pair(&self, key: &str, rng: &mut ChaCha8Rng) -> Ask {
        let (seen, revisions) = self.seen.get(key).copied().unwrap_or_default();
        let fresh = Some(self.given as i64);
        match rng.next_u64() % 6 {
            0..3 => Ask::Look((None, None)),
            3 => Ask::Change { seen, revisions, to: (fresh, None) },
            4 => Ask::Change { seen, revisions, to: (None, fresh) },
            _ => Ask::Change { seen, revisions, to: (fresh, fresh) },
        }
    }

    /// Remembers what a look saw, for the next change.
    pub(super) fn saw(&mut self, record: &Record, reply: Option<&Reply>) {
        if let (Ask::Look(pair), Some(Reply::Seen(seen))) = (record.ask, reply) {
            let revision = |held: &Option<Held>| held.as_ref().map_or(0, |held| held.revision);
            let [a, b] = record.looked(seen);
            self.seen.insert(record.key.clone(), (pair, (revision(&a), revision(&b))));
        }
    }
}

/// The integer in a register of the simulation, which puts nothing else there.
fn int(held: &Option<Held>) -> Option<i64> {
    held.as_ref().map(|held| match &held.value {
        Value::Int(int) => *int,
        Value::List(list) => unreachable!("nobody wrote the list {list:?}"),
    })
}

impl Record {
    /// The names of a pair.
    fn pair(&self) -> [String; 2] {
        ["a", "b"].map(|half| format!("{}-{half}", self.key))
    }

    /// The range of a pair, where that is how it is read: half of them.
    fn range(&self) -> Option<Range> {
        let number = self.key.trim_end_matches("-pair").bytes().last()?;
        let [from, _] = self.pair();
        (number % 2 == 1).then(|| Range { from, to: format!("{}-c", self.key) })
    }

    /// What a look saw of each of a pair.
    fn looked(&self, seen: &[Seen]) -> [Option<Held>; 2] {
        match seen {
            [Seen::Register(a), Seen::Register(b)] => [a.clone(), b.clone()],
            [Seen::Registers(all)] => self.pair().map(|name| {
                let mut all = all.iter();
                all.find(|(key, _)| *key == name).map(|(_, held)| held.clone())
            }),
            other => unreachable!("nobody asked for {other:?}"),
        }
    }

    pub(super) fn request(&self) -> Request {
        let key = self.key.clone();
        match self.ask {
            Ask::Get(_) => Request::Get { key },
            Ask::Put(value) => Request::Change(Command::Put { key, value: value.into() }),
            Ask::Cas(from, to) => {
                let (from, to) = (Some(from.into()), to.into());
                Request::Change(Command::Cas { key, from, to })
            }
            Ask::Look(_) => {
                let steps = match self.range() {
                    Some(range) => vec![Step::Range(range)],
                    None => self.pair().map(|key| Step::Get { key }).to_vec(),
                };
                Request::Txn(Txn { compare: Vec::new(), unchanged: Vec::new(), steps })
            }
            Ask::Change { revisions, to, .. } => {
                let unchanged = self.range().map(|range| {
                    let revision = revisions.0.max(revisions.1);
                    Unchanged { range, revision }
                });
                let compare = self.pair().into_iter().zip([revisions.0, revisions.1]);
                let compare = compare.filter(|_| unchanged.is_none());
                let compare = compare.map(|(key, revision)| Compare { key, revision }).collect();
                let put = |(key, to): (String, Option<i64>)| {
                    to.map(|to| Step::Put { key, value: to.into() })
                };
                let steps = self.pair().into_iter().zip([to.0, to.1]).filter_map(put).collect();
                let unchanged = unchanged.into_iter().collect();
                Request::Txn(Txn { compare, unchanged, steps })
            }
        }
    }

    /// Fills in what came of it; `None` is "nobody knows".
    pub(super) fn complete(&mut self, now: u64, reply: Option<&Reply>) {
        self.end = now;
        self.outcome = match reply {
            Some(Reply::Value(held)) => {
                self.ask = Ask::Get(int(held));
                Outcome::Ok
            }
            Some(Reply::Seen(seen)) => {
                if let Ask::Look(_) = self.ask {
                    let [a, b] = self.looked(seen);
                    self.ask = Ask::Look((int(&a), int(&b)));
                }
                Outcome::Ok
            }
            Some(Reply::Done) => Outcome::Ok,
            Some(Reply::Mismatch | Reply::Conflict) => Outcome::Mismatch,
            Some(Reply::NotLeader { .. } | Reply::Busy) => Outcome::Fail,
            Some(Reply::Lost) | None => {
                self.end = u64::MAX;
                Outcome::Info
            }
        };
    }
}
