//! A node: where it is and how to talk to its agent.

use std::net::IpAddr;

use tribunal_history::NodeId;

/// What everybody may know about a node: plain data, so that targets are testable without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Position in the cluster.
    pub id: NodeId,
    /// Name (`n1`).
    pub name: String,
    /// Address of the data network: servers listen here, clients connect here, faults act here.
    pub address: IpAddr,
    /// Directory on the node beneath which everything of a target lives.
    pub dir: String,
}
