//! Containers that values are put into and taken out of: what queues, stacks and priority queues
//! have in common.

use std::fmt::Debug;
use std::hash::Hash;

use tribunal_history::{Code, Op, Operation, QueueOp, Value};

use super::effect::{change, look, seen};
use super::taken::{Slips, suspects};
use crate::linearizable::containers::{Next, fast_queue};
use crate::linearizable::meter::value_bytes;
use crate::linearizable::{
    Allowance, Dialect, Entry, Fast, FromHistory, Interpreted, Model, Partition, Steps, Words,
};

/// Which value is next.
pub trait Discipline: Clone + Send + Sync {
    /// What is inside.
    type Shelf: Clone + Default + Eq + Hash + Debug + Send + Sync + 'static;
    /// `shelf` with `value` put in.
    fn put(&self, shelf: &Self::Shelf, value: &Value) -> Self::Shelf;
    /// The next value; `None` of an empty shelf.
    fn next<'a>(&self, shelf: &'a Self::Shelf) -> Option<&'a Value>;
    /// `shelf` without its next value.
    fn take(&self, shelf: &Self::Shelf) -> Self::Shelf;
    /// Whether `value` is inside.
    fn holds(&self, shelf: &Self::Shelf, value: &Value) -> bool;
    /// What is inside, for people, next value first.
    fn describe(&self, shelf: &Self::Shelf) -> String;
    /// Which value that is, as the fast path puts it.
    fn order(&self) -> Option<Next> {
        None
    }
    /// Bytes one change adds.
    fn heap_bytes(&self, shelf: &Self::Shelf) -> u64;
}

/// A container, empty at first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container<D>(pub D);

/// An operation with its answer. `None`: the container was empty.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ContainerOp {
    /// Put this in.
    Put(Value),
    /// Took this out.
    Take(Option<Value>),
    /// Looked at the next value.
    Peek(Option<Value>),
    /// Took the next value out, if there was one, and nobody was told which.
    TakeUntold,
    /// The same, if it took effect at all.
    TakeCrashed,
}

impl<D: Discipline> Model for Container<D> {
    type State = D::Shelf;
    type Op = ContainerOp;

    fn initial(&self) -> D::Shelf {
        D::Shelf::default()
    }

    fn step(&self, state: &D::Shelf, op: &ContainerOp) -> Steps<D::Shelf> {
        let next = self.0.next(state);
        match op {
            ContainerOp::Put(value) => Steps::One(self.0.put(state, value)),
            ContainerOp::Peek(seen) if seen.as_ref() == next => Steps::One(state.clone()),
            ContainerOp::Take(seen) if seen.as_ref() == next => Steps::One(self.taken(state)),
            ContainerOp::Peek(_) | ContainerOp::Take(_) => Steps::None,
            ContainerOp::TakeUntold | ContainerOp::TakeCrashed => Steps::One(self.taken(state)),
        }
    }

    fn is_pure(&self, op: &ContainerOp) -> bool {
        match op {
            ContainerOp::Peek(_) | ContainerOp::Take(None) => true,
            ContainerOp::Put(_)
            | ContainerOp::Take(Some(_))
            | ContainerOp::TakeUntold
            | ContainerOp::TakeCrashed => false,
        }
    }

    /// By projection to fewer values: without all operations of a value the others keep their
    /// order, and what was empty stays so. Who takes an unknown value may have made room for
    /// every later one; where it never took effect it needs nothing itself.
    fn observes(&self, observer: &ContainerOp, producer: &ContainerOp) -> bool {
        let unknown = matches!(producer, ContainerOp::TakeUntold | ContainerOp::TakeCrashed);
        match observer {
            ContainerOp::Put(_) | ContainerOp::TakeCrashed => false,
            ContainerOp::TakeUntold => unknown || matches!(producer, ContainerOp::Put(_)),
            ContainerOp::Take(seen) | ContainerOp::Peek(seen) => {
                unknown || matches!(producer, ContainerOp::Put(put) if seen.as_ref() == Some(put))
            }
        }
    }

    const CONSUMES: bool = true;

    fn consumes(&self, consumer: &ContainerOp, producer: &ContainerOp) -> bool {
        match (consumer, producer) {
            (ContainerOp::Take(Some(taken)), ContainerOp::Put(put)) => taken == put,
            _ => false,
        }
    }

    fn settles(&self, op: &ContainerOp) -> bool {
        matches!(op, ContainerOp::Take(None) | ContainerOp::Peek(None))
    }

    /// Of one value, what was put in, taken out and seen. Whoever took one of which nobody knows
    /// which leaves one too many of it, and so does who is left out: then there is still one where
    /// one was taken or seen, and no other value may be next.
    fn about(&self, op: &ContainerOp, elements: &[Value]) -> Option<ContainerOp> {
        match (op, elements) {
            (
                ContainerOp::Put(value)
                | ContainerOp::Take(Some(value))
                | ContainerOp::Peek(Some(value)),
                [only],
            ) if value == only => Some(op.clone()),
            _ => None,
        }
    }

    fn suspects(&self, entries: &[Entry], ops: &[ContainerOp]) -> Option<Vec<Value>> {
        suspects(entries, ops, Slips::default())
    }

    fn heap_bytes(&self, state: &D::Shelf) -> u64 {
        self.0.heap_bytes(state)
    }

    fn op_heap_bytes(&self, op: &ContainerOp) -> u64 {
        match op {
            ContainerOp::Put(value)
            | ContainerOp::Take(Some(value))
            | ContainerOp::Peek(Some(value)) => value_bytes(value),
            ContainerOp::Take(None)
            | ContainerOp::Peek(None)
            | ContainerOp::TakeUntold
            | ContainerOp::TakeCrashed => 0,
        }
    }

    fn describe_state(&self, state: &D::Shelf) -> String {
        self.0.describe(state)
    }

    /// True whatever other values are inside.
    fn clash(&self, state: &D::Shelf, op: &ContainerOp) -> Option<String> {
        let next = self.0.next(state);
        match op {
            ContainerOp::Take(Some(value)) | ContainerOp::Peek(Some(value)) => match next {
                Some(next) if self.0.holds(state, value) => {
                    Some(format!(" while {next} was ahead of it"))
                }
                Some(_) | None => Some(" when it was not inside".into()),
            },
            ContainerOp::Take(None) | ContainerOp::Peek(None) => {
                next.map(|next| format!(" while {next} was inside"))
            }
            ContainerOp::Put(_) | ContainerOp::TakeUntold | ContainerOp::TakeCrashed => None,
        }
    }

    fn words(&self, op: &ContainerOp) -> Words {
        let same = |text: String| Words { past: text.clone(), perfect: text };
        match op {
            ContainerOp::Put(value) => same(format!("put {value} in")),
            ContainerOp::Take(Some(value)) => {
                Words { past: format!("took {value} out"), perfect: format!("taken {value} out") }
            }
            ContainerOp::Take(None) => same("found nothing to take out".into()),
            ContainerOp::Peek(Some(value)) => {
                Words { past: format!("saw {value} next"), perfect: format!("seen {value} next") }
            }
            ContainerOp::Peek(None) => same("found nothing inside".into()),
            ContainerOp::TakeUntold | ContainerOp::TakeCrashed => Words {
                past: "took an unknown value out".into(),
                perfect: "taken an unknown value out".into(),
            },
        }
    }

    fn refusal(&self, state: &D::Shelf, op: &ContainerOp) -> String {
        let held = match self.0.next(state) {
            Some(next) => format!("{next} is next"),
            None => "it is empty".into(),
        };
        match op {
            ContainerOp::Take(Some(value)) => format!("{value} cannot be taken out where {held}"),
            ContainerOp::Peek(Some(value)) => format!("{value} cannot be seen where {held}"),
            ContainerOp::Take(None) | ContainerOp::Peek(None) => {
                format!("it cannot be found empty where {held}")
            }
            ContainerOp::Put(_) | ContainerOp::TakeUntold | ContainerOp::TakeCrashed => {
                unreachable!("legal in every state")
            }
        }
    }
}

impl<D: Discipline> Container<D> {
    fn taken(&self, shelf: &D::Shelf) -> D::Shelf {
        if self.0.next(shelf).is_some() { self.0.take(shelf) } else { shelf.clone() }
    }
}

impl<D: Discipline> FromHistory for Container<D> {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<ContainerOp>, String> {
        let op = match operation.op() {
            Op::Queue(op) => op,
            other => return Err(other.to_string()),
        };
        Ok(match op {
            QueueOp::Enqueue { value, .. } => {
                let put = || ContainerOp::Put(value.clone());
                change(operation, put, put)
            }
            QueueOp::Dequeue { value, .. } => change(
                operation,
                || seen(value, dialect).map_or(ContainerOp::TakeUntold, ContainerOp::Take),
                || ContainerOp::TakeCrashed,
            ),
            QueueOp::Peek { value, .. } => {
                look(operation, seen(value, dialect).map(ContainerOp::Peek))
            }
        })
    }

    fn fast(&self, partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
        match self.0.order() {
            Some(next) => fast_queue(partition, allowance, next),
            None => Fast::HandOver("the order of values is not one of ours"),
        }
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        keys.push(operation.key());
    }
}

/// `[1 2 3]`, shortened: what is next matters most.
pub(super) fn listed<'a>(values: impl Iterator<Item = &'a Value>, len: usize) -> String {
    const SHOWN: usize = 12;
    if len == 0 {
        return "empty".into();
    }
    let mut shown: Vec<String> = values.take(SHOWN).map(Value::to_string).collect();
    if len > SHOWN {
        shown.push(format!("and {} more", len - SHOWN));
    }
    format!("[{}]", shown.join(" "))
}
