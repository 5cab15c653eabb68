//! Pause: SIGSTOP to every process of the target's daemons; healing sends SIGCONT.
//!
//! A paused process still has its sockets acknowledged by the kernel, which a dead one has not:
//! peers wait instead of reconnecting. That is what makes leases and stale leaders show.

use async_trait::async_trait;
use tribunal_agent::protocol::{Body, FaultKind};
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{ClusterView, Evidence, Injection, Nemesis, NemesisError};
use tribunal_harness::seed::Stream;

use crate::kill::{each_daemon, inject_each, process_plan};
use crate::step::measure;
use crate::targets::Choice;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Pause;

#[async_trait]
impl Nemesis for Pause {
    fn name(&self) -> &'static str {
        "pause"
    }

    fn requires(&self) -> &'static str {
        "pause"
    }

    fn shapes(&self) -> Vec<&'static str> {
        Choice::ALL.map(Choice::name).to_vec()
    }

    fn plan(&self, shape: &str, view: &ClusterView, stream: &Stream) -> Result<Injection, String> {
        process_plan(self.name(), shape, view, stream)
    }

    async fn inject(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let kind = |daemon: &str| FaultKind::Pause { daemon: daemon.into() };
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
