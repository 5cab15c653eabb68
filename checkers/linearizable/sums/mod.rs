//! Objects that are a number: what cannot be, whatever the order, because too much was added, or
//! too little. A few sums prove it, where a search has thousands of operations to show.

mod beyond;
mod evidence;
mod recent;
mod signed;
mod verify;

pub(super) use beyond::beyond;
pub(super) use evidence::{Base, Sum, find};
#[cfg(test)]
pub(super) use recent::{Bug as HintBug, first};
pub(super) use recent::{Slips as HintSlips, fewest};
pub(super) use signed::BYTES;
#[cfg(test)]
pub(super) use verify::Bug;
pub(super) use verify::{Slips, proves};
