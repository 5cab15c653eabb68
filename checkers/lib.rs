//! Pure functions from a history to a report.
//!
//! No clock, no runtime, no network, no random number: the same history gives the same bytes of
//! report. What bounds a check is a [`Budget`], whose clock belongs to the caller.

mod anomaly;
mod budget;
mod checker;
mod consistency;
pub mod invariants;
pub mod linearizable;
mod planted;
pub mod registry;
#[cfg(test)]
mod simulated;
pub mod stats;
#[cfg(test)]
mod testing;
pub mod txn;
pub mod vacuity;
mod verdict;
pub mod weak;

pub use anomaly::{
    Anomaly, AnomalyKind, Dependency, DependencyKind, Evidence, StateBefore, Step, Unconfirmed,
};
pub use budget::{Budget, Spent};
pub use checker::{
    CheckError, Checker, Cost, Coverage, Fact, Happened, LevelAnswer, Linearization, ReasonClass,
    Report, Watched,
};
pub use consistency::Consistency;
pub use verdict::Verdict;
