//! Faults: what is done to a cluster, when, with what proof, and how it ends.
//!
//! Plans are pure functions of suite and seed. Every fault is a lease on the node; the ledger
//! records each edge of its life, and a fault counts only once its effect was measured.

mod clients;
pub mod driver;
mod guard;
mod ledger;
mod links;
mod process;
pub mod registry;
mod replay;
pub mod schedule;
pub mod shape;
mod step;
pub mod targets;

pub use clients::ClientFault;
pub use ledger::{Ledger, Sink};
pub use links::LinkFault;
pub use process::ProcessFault;
pub use replay::Recorded;
