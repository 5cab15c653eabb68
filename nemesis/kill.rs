//! Kill: SIGKILL to every process of the target's daemons; healing starts them again.

use async_trait::async_trait;
use tribunal_agent::protocol::{Body, Fault, FaultKind};
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{ClusterView, Evidence, Injection, Nemesis, NemesisError};
use tribunal_harness::seed::Stream;
use tribunal_history::NodeId;

use crate::schedule::empty;
use crate::step::{agent_id, measure};
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
        let kind = |daemon: &str| FaultKind::Kill { daemon: daemon.into() };
        measure(cluster, "inject", it.id, inject_each(cluster, it, kind)).await
    }

    async fn verify(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let ask = |fault, _: &str| Body::Verify { fault };
        measure(cluster, "verify", it.id, each_daemon(cluster, it, ask)).await
    }

    async fn heal(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let ask = |fault, _: &str| Body::Heal { fault };
        measure(cluster, "heal", it.id, each_daemon(cluster, it, ask)).await
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

/// One `Inject` per daemon of each target node.
pub(crate) fn inject_each(
    cluster: &Cluster,
    it: &Injection,
    kind: impl Fn(&str) -> FaultKind,
) -> Vec<(NodeId, Body)> {
    let lease_ms = it.lease.as_millis() as u64;
    each_daemon(cluster, it, |id, daemon| Body::Inject(Fault { id, lease_ms, kind: kind(daemon) }))
}

/// One request per daemon of each target node.
pub(crate) fn each_daemon(
    cluster: &Cluster,
    it: &Injection,
    body: impl Fn(u32, &str) -> Body,
) -> Vec<(NodeId, Body)> {
    let mut requests = Vec::new();
    for node in &it.targets {
        let daemons = cluster.nodes[usize::from(node.0)].link.daemons();
        for (part, daemon) in daemons.iter().enumerate() {
            requests.push((*node, body(agent_id(it.id, part), daemon)));
        }
    }
    requests
}
