//! Registers whose written values differ, decided in linear time.
//!
//! Gibbons & Korach, *Testing shared memories* (1997); Golab, Li & Shah, *Analyzing consistency
//! properties for fun and profit* (2011). With distinct values the operations of one value stand
//! together in every linearization; compare-and-sets glue such clusters to chains. A chain has a
//! *zone* between the first return and the last call of its operations, and a history is
//! linearizable iff chains are in order inside and no two zones demand the register at once. This
//! module knows registers and nothing else; where it cannot decide, it hands over.

mod chains;
mod clusters;
mod decide;
mod evidence;
mod missed;
mod order;
mod relabel;
mod rows;
mod stream;
mod traps;

#[cfg(test)]
pub(super) use decide::decide_with;
pub(super) use decide::{RegisterKind, decide};
pub use stream::{Conflict, Event, Stopped, Stream};
#[cfg(test)]
pub(super) use traps::{Planted, Trap};
