//! Kill: SIGKILL to every process of the target's daemons; healing starts them again.

use async_trait::async_trait;
use tribunal_agent::protocol::{Body, Fault, FaultKind};
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{ClusterView, Evidence, Injection, Nemesis, NemesisError};
use tribunal_harness::seed::Stream;
use tribunal_history::NodeId;

use crate::schedule::empty;
use crate::step::measure;
use crate::targets::Choice;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Kill;

#[async_trait]
impl Nemesis for Kill {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn requires(&self) -> &'static str {
        "kill"
    }

    fn shapes(&self) -> Vec<&'static str> {
        Choice::ALL.map(Choice::name).to_vec()
    }

    fn plan(&self, shape: &str, view: &ClusterView, stream: &Stream) -> Result<Injection, String> {
        process_plan(self.name(), shape, view, stream)
    }

    async fn inject(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let kind = |daemon: String| FaultKind::Kill { daemon };
        measure(cluster, "inject", it.id, process_requests(cluster, it, kind)).await
    }

    async fn verify(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let ask = |_| Body::Verify { fault: it.id };
        measure(cluster, "verify", it.id, each(it, ask)).await
    }

    async fn heal(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let ask = |_| Body::Heal { fault: it.id };
        measure(cluster, "heal", it.id, each(it, ask)).await
    }
}

/// Chooses nodes; primaries are resolved when it happens.
pub(crate) fn process_plan(
    kind: &str,
    shape: &str,
    view: &ClusterView,
    stream: &Stream,
) -> Result<Injection, String> {
    let choice = Choice::parse(shape).ok_or_else(|| {
        let known = Choice::ALL.map(Choice::name).join(", ");
        format!("{kind} does not know the targets {shape:?}; known are {known}")
    })?;
    let targets = choice.draw(view.nodes, &mut stream.draw(0, 0));
    Ok(Injection { targets, ..empty(kind, choice.name()) })
}

/// One `Inject` per target node. A node with several daemons gets one request for all of them,
/// because a fault is one lease per node.
pub(crate) fn process_requests(
    cluster: &Cluster,
    it: &Injection,
    kind: impl Fn(String) -> FaultKind,
) -> Vec<(NodeId, Body)> {
    let lease_ms = it.lease.as_millis() as u64;
    each(it, |node| {
        let daemon = cluster.nodes[usize::from(node.0)].daemons.join(",");
        Body::Inject(Fault { id: it.id, lease_ms, kind: kind(daemon) })
    })
}

/// The same request to every target.
pub(crate) fn each(it: &Injection, body: impl Fn(NodeId) -> Body) -> Vec<(NodeId, Body)> {
    it.targets.iter().map(|node| (*node, body(*node))).collect()
}
