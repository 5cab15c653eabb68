//! A stack: last in, first out.

use tribunal_history::Value;

use super::container::{Container, Discipline, listed};
use crate::linearizable::containers::Next;
use crate::linearizable::meter::value_bytes;
use crate::linearizable::persistent::Sequence;

/// The order of a stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifo;

/// A stack.
pub type Stack = Container<Lifo>;

/// What a stack holds.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Pile(Sequence<Value>);

impl Discipline for Lifo {
    type Shelf = Pile;

    fn put(&self, shelf: &Pile, value: &Value) -> Pile {
        Pile(shelf.0.with(value.clone()))
    }

    fn next<'a>(&self, shelf: &'a Pile) -> Option<&'a Value> {
        shelf.0.last()
    }

    fn take(&self, shelf: &Pile) -> Pile {
        Pile(shelf.0.without_last())
    }

    fn holds(&self, shelf: &Pile, value: &Value) -> bool {
        shelf.0.backwards().any(|held| held == value)
    }

    fn describe(&self, shelf: &Pile) -> String {
        listed(shelf.0.backwards(), shelf.0.len())
    }

    fn order(&self) -> Option<Next> {
        Some(Next::Last)
    }

    /// What was put in last, also where something was taken since: that shares it.
    fn heap_bytes(&self, shelf: &Pile) -> u64 {
        Sequence::<Value>::ELEMENT_BYTES + shelf.0.last().map_or(0, value_bytes)
    }
}
