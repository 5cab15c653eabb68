//! Clients pinned to nodes, and the history of what they saw.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

use super::faults::within;
use crate::engine::{Reply, Request};
use crate::kv::Command;

/// What was asked of one register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ask {
    /// Read; filled in with what was seen.
    Get(Option<i64>),
    /// Write.
    Put(i64),
    /// Compare and set.
    Cas(i64, i64),
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// Not applied, the register did not hold the expected value.
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
}

impl Keys {
    pub(super) fn new(active: usize, per_key: u64) -> Keys {
        Keys { active, per_key, given: 0 }
    }

    fn next(&mut self, rng: &mut ChaCha8Rng) -> String {
        let generation = self.given / (self.active as u64 * self.per_key);
        self.given += 1;
        format!("g{generation}-{}", rng.next_u64() % self.active as u64)
    }

    /// The next operation: a third each of reads, writes and compare-and-sets over five values.
    pub(super) fn ask(&mut self, rng: &mut ChaCha8Rng) -> (String, Ask) {
        let key = self.next(rng);
        let value = |rng: &mut ChaCha8Rng| within(rng, (0, 4)) as i64;
        let ask = match rng.next_u64() % 3 {
            0 => Ask::Get(None),
            1 => Ask::Put(value(rng)),
            _ => Ask::Cas(value(rng), value(rng)),
        };
        (key, ask)
    }
}

impl Record {
    pub(super) fn request(&self) -> Request {
        let key = self.key.clone();
        match self.ask {
            Ask::Get(_) => Request::Get { key },
            Ask::Put(value) => Request::Change(Command::Put { key, value }),
            Ask::Cas(from, to) => Request::Change(Command::Cas { key, from: Some(from), to }),
        }
    }

    /// Fills in what came of it; `None` is "nobody knows".
    pub(super) fn complete(&mut self, now: u64, reply: Option<Reply>) {
        self.end = now;
        self.outcome = match reply {
            Some(Reply::Value(value)) => {
                self.ask = Ask::Get(value);
                Outcome::Ok
            }
            Some(Reply::Done) => Outcome::Ok,
            Some(Reply::Mismatch) => Outcome::Mismatch,
            Some(Reply::NotLeader { .. } | Reply::Busy) => Outcome::Fail,
            Some(Reply::Lost) | None => {
                self.end = u64::MAX;
                Outcome::Info
            }
        };
    }
}
