//! Nodes made on this machine: namespaces, two networks, one real sshd per node.
//!
//! [`plan`] decides names, addresses and files; `links` makes namespaces and links; `hatchery`
//! starts and ends the nodes; `provider` puts them together; [`lab`] keeps a cluster beyond one
//! run.

mod hatchery;
pub mod lab;
mod links;
pub mod plan;
mod provider;

pub use lab::Keeper;
pub use plan::key_of;
pub use provider::{LocalCluster, clear};
