//! A history: well-formed by construction, columnar, immutable.

mod builder;
mod columns;
mod error;
mod operation;
mod store;
#[cfg(test)]
mod tests;
mod times;

pub use builder::Builder;
pub use columns::{Code, F};
pub use error::HistoryError;
pub use operation::{OpIndex, Operation, Outcome};
pub use store::History;
