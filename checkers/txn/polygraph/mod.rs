//! Serializability, snapshot isolation and consistent prefix of transactions over registers,
//! decided completely: the order in which versions were written is not known and is looked for.

mod blocks;
mod build;
mod clocks;
mod core;
mod decide;
mod dynamic;
mod facts;
mod graph;
mod level;
mod reasons;
mod saturate;
mod search;
#[cfg(test)]
mod tests;
mod traps;
mod verify;

pub(crate) use decide::{Decided, decide};
pub(crate) use facts::{Facts, INITIAL, NEVER};
pub(crate) use level::{Form, Kept, Question};
pub(crate) use verify::{holds_in_some_order, shows};
