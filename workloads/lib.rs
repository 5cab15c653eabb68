//! Workloads: what clients do, and which promises are judged on it. One workload per file.

mod keys;
mod register;
pub mod registry;
mod workload;

pub use workload::{Setting, Workload, WorkloadError};
