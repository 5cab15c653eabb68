//! Texts that are put and appended to, where a get shows the whole text: decided by a sweep over
//! the versions of each put and one over the puts.
//!
//! Where the texts written are a prefix code, a get says which they were and in which order: first
//! what was put, or the initial text, then what was appended. Where it is also clear *which*
//! operation wrote each of them, a put and all that gets show after it stand together in every
//! linearization: any other put would have hidden it, and any other append would show. Such a
//! *block* is a cluster in the sense of Gibbons & Korach, *Testing shared memories* (1997), and
//! what no get shows is a cluster of its own. Inside a block the order of versions is that of the
//! longest get, so it is in order iff, version by version, the latest call of what came before
//! precedes the earliest return of what shows it. Then the block needs every instant between its
//! first return and its last call, and no other, or one instant where the last call comes first;
//! so a history is linearizable iff blocks are in order and no two of them demand the text at once.
//!
//! A text that several operations wrote does no harm where time tells them apart. Where it does not
//! one of them is taken; what follows from that may show that there is an order, never that there
//! is none. Knows nothing of how operations are recorded beyond `rows`.

mod blocks;
mod decide;
mod dictionary;
mod evidence;
mod order;
mod rows;
mod sweep;
mod traps;

pub(super) use decide::decide;
#[cfg(test)]
pub(super) use decide::decide_with;
#[cfg(test)]
pub(super) use traps::{Planted, Trap};
