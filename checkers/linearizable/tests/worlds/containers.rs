//! Queues, stacks, priority queues.

use std::collections::VecDeque;

use tribunal_history::{Observed, Op, QueueOp, Value};

use super::super::generate::Random;
use super::{World, int, seen};
use crate::linearizable::{
    Container, Discipline, Fifo, FifoQueue, FromHistory, Lifo, Priority, PriorityQueue, Stack,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Queue,
    Stack,
    Greatest,
    Least,
}

/// A container whose values are at the front when they are next.
pub(super) struct Shelf<D> {
    pub(super) kind: Kind,
    pub(super) discipline: D,
    /// Whether the same value is put in more than once.
    pub(super) repeated: bool,
}

pub(super) fn queue(repeated: bool) -> Shelf<Fifo> {
    Shelf { kind: Kind::Queue, discipline: Fifo, repeated }
}

pub(super) fn stack(repeated: bool) -> Shelf<Lifo> {
    Shelf { kind: Kind::Stack, discipline: Lifo, repeated }
}

pub(super) fn priority_queue(repeated: bool) -> Shelf<Priority> {
    Shelf { kind: Kind::Greatest, discipline: Priority::Greatest, repeated }
}

pub(super) fn least_first() -> Shelf<Priority> {
    Shelf { kind: Kind::Least, discipline: Priority::Least, repeated: true }
}

const _: () = {
    const fn is_model<M: FromHistory>() {}
    is_model::<FifoQueue>();
    is_model::<Stack>();
    is_model::<PriorityQueue>();
};

impl<D: Discipline> World for Shelf<D> {
    /// What is inside, and how much was ever put in.
    type Object = (VecDeque<i64>, i64);
    type Model = Container<D>;

    fn model(&self) -> Container<D> {
        Container(self.discipline.clone())
    }

    fn object(&self) -> (VecDeque<i64>, i64) {
        (VecDeque::new(), 0)
    }

    fn ask(&self, random: &mut Random, _process: u32, object: &(VecDeque<i64>, i64)) -> Op {
        let key = Value::Nil;
        let value = match (self.repeated, self.kind) {
            (true, _) => random.below(3) as i64,
            (false, Kind::Queue | Kind::Stack) => 10 + object.1 * 100 + random.below(100) as i64,
            (false, Kind::Greatest | Kind::Least) => random.below(100_000) as i64,
        };
        Op::Queue(match random.below(5) {
            0 | 1 => QueueOp::Enqueue { key, value: Value::Int(value) },
            2 | 3 => QueueOp::Dequeue { key, value: Observed::Pending },
            _ => QueueOp::Peek { key, value: Observed::Pending },
        })
    }

    fn outcomes(
        &self,
        object: &(VecDeque<i64>, i64),
        _process: u32,
        question: &Op,
    ) -> Vec<(Op, (VecDeque<i64>, i64))> {
        let Op::Queue(op) = question.clone() else { panic!("{question}") };
        let (mut inside, mut put) = object.clone();
        let answer = match op {
            QueueOp::Enqueue { ref value, .. } => {
                put += 1;
                match self.kind {
                    Kind::Stack => inside.push_front(int(value)),
                    Kind::Queue => inside.push_back(int(value)),
                    Kind::Greatest | Kind::Least => {
                        inside.push_back(int(value));
                        inside.make_contiguous().sort_unstable();
                        if self.kind == Kind::Greatest {
                            inside.make_contiguous().reverse();
                        }
                    }
                }
                op
            }
            QueueOp::Dequeue { key, .. } => {
                QueueOp::Dequeue { key, value: seen(inside.pop_front()) }
            }
            QueueOp::Peek { key, .. } => {
                QueueOp::Peek { key, value: seen(inside.front().copied()) }
            }
        };
        vec![(Op::Queue(answer), (inside, put))]
    }

    /// Greater values stay greater.
    fn renamed(&self, op: &Op) -> Op {
        let other = |value: Value| Value::Int(3 * int(&value) + 5);
        let Op::Queue(op) = op.clone() else { panic!("{op}") };
        Op::Queue(match op {
            QueueOp::Enqueue { key, value } => QueueOp::Enqueue { key, value: other(value) },
            QueueOp::Dequeue { key, value } => QueueOp::Dequeue { key, value: value.map(other) },
            QueueOp::Peek { key, value } => QueueOp::Peek { key, value: value.map(other) },
        })
    }
}
