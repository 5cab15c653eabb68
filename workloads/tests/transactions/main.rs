//! Workloads of transactions.

mod append;
mod bank;
mod common;
mod predicate;
mod shapes;
mod wr;
