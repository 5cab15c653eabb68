//! Workloads: what clients do, and which promises are judged on it. One workload per file.

mod append;
mod bank;
mod causal;
mod isolation;
mod keys;
mod long_fork;
mod multi_register;
mod predicate;
mod register;
pub mod registry;
mod session;
mod transactions;
mod workload;
mod wr;

pub use transactions::{Mix, Objects, Shape, Transactions};
pub use workload::{Setting, Workload, WorkloadError};
