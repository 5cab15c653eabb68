//! One request to each of several nodes at once, and what came back.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tribunal_agent::protocol::{Body, Measured, Reply};
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{Evidence, NemesisError, Parameter};
use tribunal_harness::seed::Draw;
use tribunal_history::NodeId;

/// Patience of one look. Longer than any healthy round trip on a busy machine.
pub(crate) const LOOK_MS: u64 = 400;

/// Patience for one request about a fault.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Most daemons of one node that a fault can concern.
const PARTS: u32 = 64;

/// The number under which an agent keeps one part of a fault: agents keep one lease for each
/// number, and a fault may concern several daemons of one node.
pub(crate) fn agent_id(fault: u32, part: usize) -> u32 {
    fault * PARTS + part as u32 % PARTS
}

/// Each parameter of a kind, from what is usual.
pub(crate) fn draw_parameters(known: &[Parameter], draw: &mut Draw) -> BTreeMap<String, i64> {
    let drawn = known.iter().map(|Parameter { name, usual, .. }| {
        let span = usual.1.abs_diff(usual.0).saturating_add(1);
        (name.to_string(), usual.0 + draw.below(span) as i64)
    });
    drawn.collect()
}

/// Where a node answers reachability probes from its peers.
pub(crate) fn probe_address(cluster: &Cluster, node: NodeId) -> SocketAddr {
    let at = usize::from(node.0);
    SocketAddr::new(cluster.nodes[at].info.address, cluster.hellos[at].probe_port)
}

/// Every address at which peers may meet a node: the inventory's, and those of its interfaces,
/// without the one that only controllers use. A missed address would be a leak of every cut.
pub(crate) fn peer_addresses(cluster: &Cluster, node: NodeId) -> Vec<IpAddr> {
    let at = usize::from(node.0);
    let control = cluster.hellos[at].ssh.map(|ssh| ssh.ip());
    let mut all = vec![cluster.nodes[at].info.address];
    for address in &cluster.hellos[at].addresses {
        if Some(*address) != control && !all.contains(address) {
            all.push(*address);
        }
    }
    all
}

/// Asks every node at once; answers come in the order asked.
pub(crate) async fn ask(
    cluster: &Cluster,
    requests: Vec<(NodeId, Body)>,
) -> Vec<(NodeId, Result<Reply, String>)> {
    let mut tasks = JoinSet::new();
    for (node, body) in requests {
        let target = cluster.nodes[usize::from(node.0)].clone();
        tasks.spawn(async move {
            let reply = target.call(body, PATIENCE).await;
            (node, reply.map_err(|error| error.to_string()))
        });
    }
    let mut answers = Vec::new();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(answer) => answers.push(answer),
            Err(panic) => tracing::error!("a request to an agent panicked: {panic}"),
        }
    }
    answers.sort_by_key(|(node, _)| *node);
    answers
}

/// What `Inject`, `Verify` and `Heal` measured on each node, as one piece of evidence.
///
/// # Errors
/// A node that did not answer, or answered something else.
pub(crate) async fn measure(
    cluster: &Cluster,
    step: &'static str,
    fault: u32,
    requests: Vec<(NodeId, Body)>,
) -> Result<Evidence, NemesisError> {
    let mut evidence = Evidence { effective: !requests.is_empty(), notes: Vec::new() };
    let mut failure = None;
    for (node, answer) in ask(cluster, requests).await {
        let name = cluster.nodes[usize::from(node.0)].info.name.clone();
        let problem = match answer {
            Ok(Reply::Fault(Measured { effective, evidence: note, .. })) => {
                evidence.effective &= effective;
                evidence.notes.push(format!("{name}: {note}"));
                continue;
            }
            Ok(other) => format!("unexpected answer {other:?}"),
            Err(problem) => problem,
        };
        failure.get_or_insert(NemesisError { step, fault, node: name, problem });
    }
    failure.map_or(Ok(evidence), Err)
}
