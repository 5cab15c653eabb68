//! A whole cluster in one process: virtual time, seeded network, disks and faults.
//!
//! The engines are the real ones. The same seed gives the same history, byte for byte. The oracle
//! here is small and only judges these simulations; Tribunal's own checkers judge real runs.

mod check;
mod clients;
mod disk;
mod faults;
mod invariants;
mod world;

pub use check::{Judgement, judge};
pub use clients::{Ask, Outcome, Pair, Record};
pub use disk::SimDisk;
pub use faults::{Choice, Package, Shape, What};
pub use world::{Finished, SimConfig, run};
