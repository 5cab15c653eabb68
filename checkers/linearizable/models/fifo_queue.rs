//! A queue: first in, first out.

use tribunal_history::Value;

use super::container::{Container, Discipline, listed};
use crate::linearizable::containers::Next;
use crate::linearizable::meter::value_bytes;
use crate::linearizable::persistent::Sequence;

/// The order of a queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fifo;

/// A queue.
pub type FifoQueue = Container<Fifo>;

/// What a queue holds.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Line(Sequence<Value>);

impl Discipline for Fifo {
    type Shelf = Line;

    fn put(&self, shelf: &Line, value: &Value) -> Line {
        Line(shelf.0.with(value.clone()))
    }

    fn next<'a>(&self, shelf: &'a Line) -> Option<&'a Value> {
        shelf.0.first()
    }

    fn take(&self, shelf: &Line) -> Line {
        Line(shelf.0.without_first())
    }

    fn holds(&self, shelf: &Line, value: &Value) -> bool {
        shelf.0.backwards().any(|held| held == value)
    }

    fn describe(&self, shelf: &Line) -> String {
        let mut values: Vec<&Value> = shelf.0.backwards().collect();
        values.reverse();
        listed(values.into_iter(), shelf.0.len())
    }

    fn order(&self) -> Option<Next> {
        Some(Next::First)
    }

    /// What was put in last, also where something was taken since: that shares it.
    fn heap_bytes(&self, shelf: &Line) -> u64 {
        Sequence::<Value>::ELEMENT_BYTES + shelf.0.last().map_or(0, value_bytes)
    }
}
