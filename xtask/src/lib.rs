//! What chores and benchmarks share: histories made to order.

pub mod generate;
