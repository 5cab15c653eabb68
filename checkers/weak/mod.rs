//! Weak levels of transactions over registers: what a read must not miss.
//!
//! `table` turns transactions into numbers and says what needs no graph; `causal` and `atomic`
//! say which transaction must come before which, so that no read misses what its promise calls
//! visible; `order` finds an order that keeps all of it. Where there is none `witness` finds a
//! short circle and `explain` says why each edge is there. `certificate` and `replay` check
//! circles and orders again from the history alone.

mod atomic;
mod causal;
mod certificate;
mod checker;
mod dense;
mod direct;
mod explain;
mod guarantees;
mod judge;
mod levels;
mod memory;
mod order;
mod planted;
mod predicates;
mod problems;
mod replay;
mod rule;
mod sessions;
mod step;
mod strong;
mod table;
#[cfg(test)]
mod tests;
mod updates;
mod versions;
mod witness;

pub use checker::{Options, RwRegister};
