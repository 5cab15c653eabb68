//! Ways to nodes: local namespaces, SSH, child processes.
//!
//! Only this module and the agent touch a node. It decides nothing about faults or targets.

mod addresses;
mod bootstrap;
mod bulk;
pub(crate) mod connect;
mod error;
mod holder;
mod hostkey;
pub mod inventory;
mod lane;
mod lease;
mod link;
pub mod local;
mod network;
mod processes;
mod provider;
mod quote;
mod secret;
mod ssh;
mod vagrant;

pub use bootstrap::{AGENT_VARIABLE, AgentBinary};
pub(crate) use connect::{Answered, Outcome};
pub use error::{ClusterError, Step};
pub(crate) use holder::holder;
pub use hostkey::HostKeys;
pub use inventory::{Host, HostKeyMode, Inventory};
pub(crate) use lease::Renewal;
pub(crate) use link::Pending;
pub use link::{Link, LinkState};
pub use network::Network;
pub use provider::Provider;
pub use secret::{PASSWORD_FD_VARIABLE, PASSWORD_VARIABLE, Secret};
