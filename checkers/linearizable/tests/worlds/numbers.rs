//! Counters and sources of identifiers.

use std::collections::BTreeSet;

use tribunal_history::{CounterOp, IdOp, Observed, Op, Value};

use super::super::generate::Random;
use super::{World, int};
use crate::linearizable::{Counter, UniqueIds};

pub(super) struct Sum {
    pub(super) shrinks: bool,
}

impl World for Sum {
    type Object = i64;
    type Model = Counter;

    fn model(&self) -> Counter {
        Counter { initial: 0, shrinks: self.shrinks }
    }

    fn object(&self) -> i64 {
        0
    }

    fn ask(&self, random: &mut Random, _process: u32, _object: &i64) -> Op {
        let key = Value::Nil;
        let down = if self.shrinks { 2 } else { 0 };
        Op::Counter(match random.below(2) {
            0 => CounterOp::Read { key, value: Observed::Pending },
            _ => CounterOp::Add {
                key,
                delta: random.below(4) as i64 - down,
                value: Observed::Pending,
            },
        })
    }

    fn outcomes(&self, object: &i64, _process: u32, question: &Op) -> Vec<(Op, i64)> {
        let Op::Counter(op) = question.clone() else { panic!("{question}") };
        let (answer, next) = match op {
            CounterOp::Add { key, delta, .. } => {
                let next = object + delta;
                (CounterOp::Add { key, delta, value: Observed::Present(next) }, next)
            }
            CounterOp::Read { key, .. } => {
                (CounterOp::Read { key, value: Observed::Present(*object) }, *object)
            }
        };
        // Some counters do not say what they became.
        let silent = (question.clone(), next);
        vec![(Op::Counter(answer), next), silent]
    }

    /// Three times as much of everything.
    fn renamed(&self, op: &Op) -> Op {
        let Op::Counter(op) = op.clone() else { panic!("{op}") };
        Op::Counter(match op {
            CounterOp::Add { key, delta, value } => {
                CounterOp::Add { key, delta: 3 * delta, value: value.map(|value| 3 * value) }
            }
            CounterOp::Read { key, value } => {
                CounterOp::Read { key, value: value.map(|value| 3 * value) }
            }
        })
    }
}

pub(super) struct Ids;

impl World for Ids {
    type Object = BTreeSet<i64>;
    type Model = UniqueIds;

    fn model(&self) -> UniqueIds {
        UniqueIds
    }

    fn object(&self) -> BTreeSet<i64> {
        BTreeSet::new()
    }

    fn ask(&self, _random: &mut Random, _process: u32, _object: &BTreeSet<i64>) -> Op {
        Op::Id(IdOp::Generate { key: Value::Nil, id: Observed::Pending })
    }

    fn outcomes(
        &self,
        object: &BTreeSet<i64>,
        _process: u32,
        question: &Op,
    ) -> Vec<(Op, BTreeSet<i64>)> {
        let Op::Id(IdOp::Generate { key, .. }) = question.clone() else { panic!("{question}") };
        let new = object.last().map_or(0, |last| last + 1);
        let mut next = object.clone();
        next.insert(new);
        let id = Observed::Present(Value::Int(new));
        vec![(Op::Id(IdOp::Generate { key, id }), next)]
    }

    /// Any identifier may have been given that was not given before; one that nobody was told can
    /// be one that nobody else has.
    fn effects(&self, object: &BTreeSet<i64>, _process: u32, told: &Op) -> Vec<BTreeSet<i64>> {
        let Op::Id(IdOp::Generate { id, .. }) = told else { panic!("{told}") };
        let Observed::Present(id) = id else { return vec![object.clone()] };
        let mut next = object.clone();
        if next.insert(int(id)) { vec![next] } else { Vec::new() }
    }

    fn renamed(&self, op: &Op) -> Op {
        let Op::Id(IdOp::Generate { key, id }) = op.clone() else { panic!("{op}") };
        Op::Id(IdOp::Generate { key, id: id.map(|id| Value::text(format!("id {id}"))) })
    }
}
