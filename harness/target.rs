//! Role: a system under test, as data where possible.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tribunal_history::{Family, NodeId};

use crate::client::{Client, ClientError};
use crate::cluster::Node;
use crate::daemon::Daemon;
use crate::node::NodeInfo;

/// What a target's client can say: M targets and N workloads meet here, not M x N times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Operation families.
    pub families: &'static [Family],
}

/// A fault family a target may be unfit for, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Family name to reason. Absent means fit.
    pub unfit: BTreeMap<String, String>,
}

/// Target options (`--option k=v`, `[target.options]`), by name.
pub type Options = BTreeMap<String, String>;

/// A system under test.
#[async_trait]
pub trait Target: Send + Sync {
    /// Name in the registry.
    fn name(&self) -> &str;

    /// Version, configuration and driver settings that matter for the verdict, for the report.
    fn describe(&self) -> BTreeMap<String, String>;

    /// Operation families its client speaks.
    fn vocabulary(&self) -> Vocabulary;

    /// Faults that make no sense here.
    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    /// What runs on `node` of the cluster `all`. `restart` says that data from this run may exist.
    fn daemons(&self, node: &NodeInfo, all: &[NodeInfo]) -> Vec<Daemon>;

    /// Puts programs and files onto the node. Idempotent.
    async fn install(&self, node: &Node) -> Result<(), TargetError>;

    /// Waits until the cluster as a whole serves: a write acknowledged through each node.
    async fn ready(&self, all: &[NodeInfo]) -> Result<(), TargetError>;

    /// A client for one process, pinned to `node`.
    async fn connect(&self, node: &NodeInfo) -> Result<Box<dyn Client>, ClientError>;

    /// The nodes that believe they lead, now.
    async fn primaries(&self, all: &[NodeInfo]) -> Vec<NodeId>;
}

/// Why a target could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// An option nobody knows, or a value that does not parse.
    #[error("target {target}: option {option}: {problem}")]
    Option {
        /// Target.
        target: String,
        /// Option name.
        option: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A step on a node failed.
    #[error("{step} {target} on {node}: {problem}")]
    Step {
        /// Target.
        target: String,
        /// `install`, `start`, `wait for`.
        step: String,
        /// Node name.
        node: String,
        /// What happened and what to do.
        problem: String,
    },
}
