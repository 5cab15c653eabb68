//! Sets, FIFO queues, stacks and priority queues in which a value goes in at most once and comes
//! out at most once: near-linear deciders, with proofs.
//!
//! Lee & Mathur, "Efficient Decrease-and-Conquer Linearizability Monitoring" (PACMPL OOPSLA2 2025)
//! for the algorithms on complete histories; peeks, crashed operations, the orders that prove
//! *valid* and the contradictions that prove *invalid* are argued here, file by file. Nothing here
//! knows of histories: only ranks, values by number, and priorities.
//!
//! **Why whole values may be left out.** Take a legal order and leave out every operation of some
//! values. What is left is legal: a queue keeps the order of the others, a stack the nesting, a
//! priority queue its greatest, a set its other elements, and what was empty is empty. So a few
//! values with no legal order prove that all of them have none. The converse reading is the trap:
//! an insert kept without its remove stays inside for ever, so a value is left out whole or not at
//! all. Peeks and observations of emptiness change nothing and may be left out one by one. Crashed
//! removes of unknown result may have taken any value; they stay, all of them: those that took
//! what was left out did not happen in what is left.

mod bits;
mod conflict;
mod crashed;
mod decide;
mod gaps;
mod history;
mod pq;
mod prep;
mod queue;
mod set;
mod stack;
#[cfg(test)]
mod tests;
mod tree;
mod tricks;
mod witness;

pub use decide::{
    Answer, Input, Kind, decide_priority_queue, decide_queue, decide_set, decide_stack,
};
pub use history::{Next, fast_queue, fast_set};
pub use prep::{Act, What};
