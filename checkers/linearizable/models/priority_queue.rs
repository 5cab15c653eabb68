//! A priority queue: a value is its own priority, equal ones are alike.

use tribunal_history::Value;

use super::container::{Container, Discipline, listed};
use crate::linearizable::containers::Next;
use crate::linearizable::persistent::Map;

/// Which end of the order of values is next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Priority {
    /// The greatest value.
    #[default]
    Greatest,
    /// The least value.
    Least,
}

/// A priority queue.
pub type PriorityQueue = Container<Priority>;

/// What a priority queue holds: values, and how often.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
pub struct Heap(Map<Value, u32>);

impl Discipline for Priority {
    type Shelf = Heap;

    fn put(&self, shelf: &Heap, value: &Value) -> Heap {
        let times = shelf.0.get(value).copied().unwrap_or(0);
        Heap(shelf.0.with(value.clone(), times + 1))
    }

    fn next<'a>(&self, shelf: &'a Heap) -> Option<&'a Value> {
        let next = match self {
            Priority::Greatest => shelf.0.last(),
            Priority::Least => shelf.0.first(),
        };
        next.map(|(value, _)| value)
    }

    fn take(&self, shelf: &Heap) -> Heap {
        let Some(next) = self.next(shelf) else { return shelf.clone() };
        Heap(match shelf.0.get(next) {
            Some(times) if *times > 1 => shelf.0.with(next.clone(), times - 1),
            Some(_) | None => shelf.0.without(next),
        })
    }

    fn holds(&self, shelf: &Heap, value: &Value) -> bool {
        shelf.0.get(value).is_some()
    }

    fn describe(&self, shelf: &Heap) -> String {
        let mut values: Vec<&Value> =
            shelf.0.iter().flat_map(|(value, times)| (0..*times).map(move |_| value)).collect();
        if *self == Priority::Greatest {
            values.reverse();
        }
        let len = values.len();
        listed(values.into_iter(), len)
    }

    fn order(&self) -> Option<Next> {
        Some(match self {
            Priority::Greatest => Next::Greatest,
            Priority::Least => Next::Least,
        })
    }

    fn heap_bytes(&self, shelf: &Heap) -> u64 {
        shelf.0.change_bytes()
    }
}
