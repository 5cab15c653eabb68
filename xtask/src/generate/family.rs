//! What a family of histories is.

use tribunal_history::{Builder, History, Value};

use super::event::{Event, record};

/// A kind of history.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Stable name.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// The model that judges it, by its name on the command line.
    pub model: &'static str,
    /// What every object holds first, as on the command line; empty where nothing need be said.
    pub initial: &'static str,
    /// What the verdict must be.
    pub expected: Expected,
    /// Clients, unless asked otherwise.
    pub clients: u32,
    /// Of a thousand operations that write, how many crash, unless asked otherwise.
    pub crashes_per_mille: u32,
    pub(super) events: fn(&Shape, &mut dyn FnMut(Event)),
}

/// What is known about the verdict without a checker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Expected {
    /// Linearizable by construction.
    Valid,
    /// Not linearizable by construction.
    Invalid,
    /// Either.
    Unstated,
}

/// The size of a history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// How many operations are asked for; a family may put a few before them.
    pub operations: u64,
    /// How many clients work at a time.
    pub clients: u32,
    /// Of a thousand operations that write, how many crash.
    pub crashes_per_mille: u32,
    /// Everything that is drawn.
    pub seed: u64,
}

impl Family {
    /// The usual shape.
    pub fn shape(&self, operations: u64, seed: u64) -> Shape {
        let Family { clients, crashes_per_mille, .. } = *self;
        Shape { operations, clients, crashes_per_mille, seed }
    }

    /// Tells `each` what happens, in order of time. O(operations), and no more memory than the
    /// object and its clients need where the family changes nothing afterwards.
    pub fn events(&self, shape: &Shape, each: &mut dyn FnMut(Event)) {
        (self.events)(shape, each);
    }

    /// The history.
    pub fn history(&self, shape: &Shape) -> History {
        let mut builder = Builder::as_given();
        let mut at = 0;
        self.events(shape, &mut |event| {
            record(&mut builder, at, &event);
            at += 1;
        });
        builder.finish()
    }

    /// What every object holds first: a number, or nothing.
    pub fn initial(&self) -> Value {
        self.initial.parse().map_or(Value::Nil, Value::Int)
    }
}
