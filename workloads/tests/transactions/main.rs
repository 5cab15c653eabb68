//! Workloads of transactions.

mod append;
mod common;
mod shapes;
mod wr;
