//! Which node a process is on, where nothing is said: clients are dealt out to nodes in turn.

use std::num::{NonZeroU16, NonZeroU32};

use crate::{NodeId, Process};

/// What an invocation says that has no node although its process usually has one.
pub(super) const NO_NODE: u16 = u16::MAX;

/// How clients are spread over nodes. Process `p` is a life of client `p mod clients`, who is on
/// node `p mod clients mod nodes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spread {
    /// Processes at a time.
    pub(super) clients: NonZeroU32,
    /// Nodes.
    pub(super) nodes: NonZeroU16,
}

impl Spread {
    /// None without clients, or without nodes.
    pub fn new(clients: u32, nodes: u16) -> Option<Spread> {
        Some(Spread { clients: NonZeroU32::new(clients)?, nodes: NonZeroU16::new(nodes)? })
    }

    /// The node of `process`.
    #[inline]
    pub(super) fn node(self, process: Process) -> NodeId {
        // Less than the number of nodes, which is a u16.
        NodeId((process.0 % self.clients % NonZeroU32::from(self.nodes)) as u16)
    }
}
