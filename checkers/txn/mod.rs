//! Isolation of transactions: which levels a history rules out, by its dependencies.
//!
//! `table` turns transactions into numbers, `lists` recovers the version orders that reads of
//! lists show, `direct` and `atomic` find what
//! needs no graph. `edges` and `graph` lay the dependencies out,
//! `levels` asks which cycles exist, `witness` finds a short one, `explain` says why each edge is
//! there, and `certificate` checks it all again from the history alone.

mod atomic;
mod certificate;
mod checker;
mod direct;
pub(crate) mod edges;
mod explain;
pub(crate) mod graph;
mod levels;
mod lists;
mod orders;
pub(crate) mod polygraph;
mod table;
mod tails;
#[cfg(test)]
mod tests;
mod witness;

pub use checker::{ListAppend, Options};
