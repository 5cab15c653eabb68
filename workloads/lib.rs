//! Workloads: what clients do, and which promises are judged on it. One workload per file.

mod append;
mod isolation;
mod keys;
mod register;
pub mod registry;
mod transactions;
mod workload;
mod wr;

pub use transactions::{Objects, Shape, Transactions};
pub use workload::{Setting, Workload, WorkloadError};
