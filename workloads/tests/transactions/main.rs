//! Workloads of transactions.

mod append;
mod bank;
mod common;
mod shapes;
mod wr;
