//! What faults on processes have in common: targets are nodes, and each daemon there is hit.

use async_trait::async_trait;
use tribunal_agent::kinds::About;
use tribunal_agent::protocol::{Body, Fault, FaultKind};
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{
    ClusterView, Evidence, Injection, Nemesis, NemesisError, Parameter,
};
use tribunal_harness::seed::Stream;
use tribunal_history::NodeId;

use crate::schedule::empty;
use crate::step::{agent_id, draw_parameters, measure};
use crate::targets::Choice;

/// A fault on the daemons of the chosen nodes, of a kind that agents know.
#[derive(Clone, Copy, Debug)]
pub struct ProcessFault {
    pub(crate) about: About,
}

#[async_trait]
impl Nemesis for ProcessFault {
    fn name(&self) -> &'static str {
        self.about.name
    }

    fn requires(&self) -> &'static str {
        self.about.name
    }

    fn shapes(&self) -> Vec<&'static str> {
        Choice::ALL.map(Choice::name).to_vec()
    }

    fn parameters(&self) -> &'static [Parameter] {
        self.about.parameters
    }

    fn plan(&self, shape: &str, view: &ClusterView, stream: &Stream) -> Result<Injection, String> {
        let choice = Choice::parse(shape).ok_or_else(|| {
            let known = Choice::ALL.map(Choice::name).join(", ");
            let name = self.about.name;
            format!("{name} does not know the targets {shape:?}; known are {known}")
        })?;
        let targets = choice.draw(view.nodes, &mut stream.draw(0, 0));
        let parameters = draw_parameters(self.about.parameters, &mut stream.draw(0, 1));
        Ok(Injection { targets, parameters, ..empty(self.about.name, choice.name()) })
    }

    async fn inject(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let lease_ms = it.lease.as_millis() as u64;
        let ask = |id, daemon: &str| {
            let (kind, daemon) = (self.about.name.into(), daemon.into());
            let kind = FaultKind::Daemon { kind, daemon, parameters: it.parameters.clone() };
            Body::Inject(Fault { id, lease_ms, kind })
        };
        measure(cluster, "inject", it.id, each_daemon(cluster, it, ask)).await
    }

    async fn verify(
        &self,
        cluster: &Cluster,
        it: &Injection,
        _others: &[Injection],
    ) -> Result<Evidence, NemesisError> {
        let ask = |fault, _: &str| Body::Verify { fault };
        measure(cluster, "verify", it.id, each_daemon(cluster, it, ask)).await
    }

    async fn heal(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let ask = |fault, _: &str| Body::Heal { fault };
        measure(cluster, "heal", it.id, each_daemon(cluster, it, ask)).await
    }
}

/// One request per daemon of each target node.
fn each_daemon(
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
