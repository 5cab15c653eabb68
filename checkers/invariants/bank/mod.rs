//! Banks: transfers move money between accounts, and every read of all of them adds up.
//!
//! Decides four rules on transactions of additions and reads. It knows nothing of orders of
//! transactions: a history that keeps all four may still not be serializable.

mod books;
mod checker;
mod explain;
mod planted;
mod rules;
mod search;
#[cfg(test)]
mod tests;

pub use checker::{Bank, Opening, Options};
