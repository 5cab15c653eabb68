//! A history: well-formed by construction, columnar, immutable.

mod arena;
mod builder;
mod columns;
mod draft;
mod error;
mod f;
mod mops;
mod operation;
mod rewrite;
mod rows;
mod store;
#[cfg(test)]
mod tests;
mod times;

pub use builder::Builder;
pub use columns::Code;
pub(crate) use draft::Draft;
pub use error::HistoryError;
pub use f::F;
pub use mops::MopView;
pub use operation::{OpIndex, Operation, Outcome};
pub use store::History;
