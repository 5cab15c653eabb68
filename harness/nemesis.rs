//! Role: a fault that is planned, injected, verified and healed.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
pub use tribunal_agent::kinds::Parameter;
use tribunal_history::NodeId;

use crate::cluster::Cluster;
use crate::seed::Stream;

/// What a plan may know of the cluster: nothing that a dry run does not know too.
#[derive(Clone, Debug)]
pub struct ClusterView {
    /// Number of nodes.
    pub nodes: usize,
}

/// A fault, decided. Recorded in the plan, replayable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Injection {
    /// Number in the schedule.
    pub id: u32,
    /// Fault kind, as in the registry.
    pub kind: String,
    /// Shape or variant (`ring`, `all`).
    pub shape: String,
    /// Nodes concerned; empty means "decided when it happens" (primaries).
    pub targets: Vec<NodeId>,
    /// Directed links cut: packets from `.0` are not received by `.1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<(NodeId, NodeId)>,
    /// How hard, by parameter of the kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, i64>,
    /// Timing of a flapping cut: period in milliseconds, percent of it cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flap: Option<(u64, u8)>,
    /// Start, since the start of the load.
    pub at: Duration,
    /// How long it holds.
    pub hold: Duration,
    /// Life without renewal.
    pub lease: Duration,
}

/// What was measured, per node, for the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Evidence {
    /// Whether the effect is there (or, after healing, gone).
    pub effective: bool,
    /// In words, in node order.
    pub notes: Vec<String>,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
#[error("{step} fault {fault} on {node}: {problem}")]
pub struct NemesisError {
    /// `inject`, `verify`, `heal`.
    pub step: &'static str,
    /// Fault number.
    pub fault: u32,
    /// Node name.
    pub node: String,
    /// What happened.
    pub problem: String,
}

/// One kind of fault.
#[async_trait]
pub trait Nemesis: Send + Sync {
    /// Name in the registry.
    fn name(&self) -> &'static str;

    /// Fault family that every target node must have, as probed.
    fn requires(&self) -> &'static str;

    /// Shapes or target choices a suite may name.
    fn shapes(&self) -> Vec<&'static str>;

    /// How hard it hits: what a suite may set, and what is drawn otherwise.
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    /// Whether shapes are of links between nodes, and not choices of nodes.
    fn hits_links(&self) -> bool {
        false
    }

    /// Whether nodes that it hits, or cuts off from a majority, count as down.
    fn takes_down(&self) -> bool {
        true
    }

    /// Decides shape and targets. Pure: a function of its arguments.
    ///
    /// # Errors
    /// A shape this cluster cannot carry, as a sentence.
    fn plan(&self, shape: &str, view: &ClusterView, stream: &Stream) -> Result<Injection, String>;

    /// The same injection, now that the primaries are known.
    fn resolve(&self, it: &Injection, primaries: &[NodeId], _view: &ClusterView) -> Injection {
        Injection { targets: primaries.to_vec(), ..it.clone() }
    }

    /// Brings it about on every node; the undo records are durable first.
    async fn inject(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError>;

    /// Measures the effect, beside that of `others`, which are or may be in force.
    async fn verify(
        &self,
        cluster: &Cluster,
        it: &Injection,
        others: &[Injection],
    ) -> Result<Evidence, NemesisError>;

    /// Undoes it and measures that it is gone. Idempotent; tries every node even if one fails.
    async fn heal(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError>;

    /// Measures afresh that the effect is gone, where what [`Nemesis::heal`] measured is only that
    /// its own doing is undone; `None` where that says it all. The effect of `others`, which may
    /// be in force or be ending, is theirs.
    async fn verify_healed(
        &self,
        _cluster: &Cluster,
        _it: &Injection,
        _others: &[Injection],
    ) -> Result<Option<Evidence>, NemesisError> {
        Ok(None)
    }
}
