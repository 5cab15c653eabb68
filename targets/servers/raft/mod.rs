//! Raft without input or output: `step` takes what happened and says what to do.
//!
//! Decides elections, replication, commitment and read leases by confirmation; must not know
//! sockets, files, clocks or the state machine. Theory: Ongaro and Ousterhout, *In Search of an
//! Understandable Consensus Algorithm* (extended version), figures 2, 8 and 13, section 8;
//! check-quorum as in Ongaro's dissertation, 6.2. There is no pre-vote: a node that returns from
//! a partition may depose a leader once.

mod core;
mod election;
mod log;
mod reads;
mod replication;
mod types;

pub use core::{Config, Raft};
pub use log::Log;
pub use types::{Entry, HardState, Input, Message, Output, Peer, Recovered, Snapshot};
