//! Mutexes and semaphores.

use tribunal_history::{LockOp, Observed, Op, Value};

use super::super::generate::Random;
use super::World;
use crate::linearizable::{Exclusive, Fenced, Lock, Locking, Owned, Permits, Reentrant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Anybody,
    Owner,
    Reentrant,
    Fenced,
    Semaphore(i64),
}

pub(super) struct Held<L> {
    pub(super) kind: Kind,
    pub(super) locking: L,
}

pub(super) fn mutex() -> Held<Exclusive> {
    Held { kind: Kind::Anybody, locking: Exclusive }
}

pub(super) fn owner_mutex() -> Held<Owned> {
    Held { kind: Kind::Owner, locking: Owned }
}

pub(super) fn reentrant_mutex() -> Held<Reentrant> {
    Held { kind: Kind::Reentrant, locking: Reentrant }
}

pub(super) fn fenced_mutex() -> Held<Fenced> {
    Held { kind: Kind::Fenced, locking: Fenced }
}

pub(super) fn semaphore() -> Held<Permits> {
    Held { kind: Kind::Semaphore(3), locking: Permits { total: 3 } }
}

/// A token that nobody was told is one of these: beyond all that small histories have, on either
/// side.
const TOKENS: std::ops::Range<i64> = -10..40;

/// Below all tokens.
const FIRST: i64 = -11;

/// Permits taken, one entry each, and tokens handed out.
#[derive(Clone)]
pub(super) struct State {
    holders: Vec<u32>,
    token: i64,
}

impl<L: Locking> World for Held<L> {
    type Object = State;
    type Model = Lock<L>;

    fn model(&self) -> Lock<L> {
        Lock(self.locking.clone())
    }

    fn object(&self) -> State {
        State { holders: Vec::new(), token: FIRST }
    }

    fn ask(&self, random: &mut Random, process: u32, object: &State) -> Op {
        let key = Value::Nil;
        let permits = match self.kind {
            Kind::Semaphore(_) => 1 + random.below(2) as i64,
            _ => 1,
        };
        let mine = match self.kind {
            Kind::Anybody | Kind::Semaphore(_) => object.holders.len(),
            _ => object.holders.iter().filter(|holder| **holder == process).count(),
        };
        let again = matches!(self.kind, Kind::Reentrant | Kind::Semaphore(_));
        let acquire = match mine {
            0 => !random.percent(5),
            _ => again && random.percent(40),
        };
        Op::Lock(match acquire {
            true => LockOp::Acquire { key, permits, token: Observed::Pending },
            false => {
                let token = match self.kind {
                    Kind::Fenced if random.percent(50) => Observed::Present(object.token),
                    _ => Observed::Pending,
                };
                LockOp::Release { key, permits, token }
            }
        })
    }

    fn outcomes(&self, object: &State, process: u32, question: &Op) -> Vec<(Op, State)> {
        let Op::Lock(op) = question.clone() else { panic!("{question}") };
        let mut next = object.clone();
        match op {
            LockOp::Acquire { key, permits, .. } => {
                let most = if let Kind::Semaphore(most) = self.kind { most } else { 1 };
                let free = match self.kind {
                    Kind::Reentrant => object.holders.iter().all(|holder| *holder == process),
                    _ => object.holders.len() as i64 + permits <= most,
                };
                if !free {
                    return Vec::new();
                }
                next.holders.extend((0..permits).map(|_| process));
                if self.kind != Kind::Fenced {
                    return vec![(question.clone(), next)];
                }
                let least = object.token.max(0);
                let granted = (least + 1..=least + 3).map(|token| {
                    let key = key.clone();
                    let told = Observed::Present(token);
                    let state = State { token, ..next.clone() };
                    (Op::Lock(LockOp::Acquire { key, permits, token: told }), state)
                });
                granted.collect()
            }
            LockOp::Release { permits, token, .. } => {
                let mine = |holder: &u32| match self.kind {
                    Kind::Anybody | Kind::Semaphore(_) => true,
                    Kind::Owner | Kind::Reentrant | Kind::Fenced => *holder == process,
                };
                let wrong = token.present().is_some_and(|token| *token != object.token);
                if wrong && self.kind == Kind::Fenced {
                    return Vec::new();
                }
                for _ in 0..permits {
                    let Some(at) = next.holders.iter().position(mine) else { return Vec::new() };
                    next.holders.remove(at);
                }
                vec![(question.clone(), next)]
            }
        }
    }

    /// A token means something to a fenced mutex only, and to that one any greater one will do.
    fn effects(&self, object: &State, process: u32, told: &Op) -> Vec<State> {
        let ways = self.outcomes(object, process, &told.pending()).into_iter();
        let mut states = ways.map(|(_, state)| state);
        match told {
            Op::Lock(LockOp::Acquire { token, .. }) if self.kind == Kind::Fenced => {
                let mut told = token.present().map_or(TOKENS, |token| *token..token + 1);
                told.start = told.start.max(object.token + 1);
                let Some(State { holders, .. }) = states.next_back() else { return Vec::new() };
                told.map(|token| State { holders: holders.clone(), token }).collect()
            }
            _ => states.collect(),
        }
    }

    fn most(&self) -> u64 {
        if self.kind == Kind::Fenced { 8 } else { 9 }
    }
}
