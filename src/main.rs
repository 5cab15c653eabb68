//! The composition root: the only place that knows every crate.

mod cli;
mod exit_code;
mod experiment;
mod suite;
mod units;

fn main() {}
