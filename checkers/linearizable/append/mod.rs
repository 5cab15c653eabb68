//! Lists that grow at the end, where a read shows the whole list: decided by one sweep over its
//! versions.
//!
//! The longest read gives the order of what was seen, every other read is a prefix of it, and
//! version by version the latest call of what came before must precede the earliest return of what
//! shows it. Instants are dense, so these bounds are all there is. Knows nothing of histories but
//! ranks; `columns` fetches them.

mod columns;
mod sweep;
mod traps;

pub(super) use columns::decide;
#[cfg(test)]
pub(super) use columns::decide_with;
#[cfg(test)]
pub(super) use traps::{Planted, Trap};
