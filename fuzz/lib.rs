//! What is demanded of the readers and the checkers, whatever they are given.

#[path = "../history/tests/common/arbitrary.rs"]
mod arbitrary;
mod check;
mod drawn;
pub mod mutate;
mod readers;
mod target;
mod words;

pub use target::Target;
