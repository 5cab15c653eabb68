//! What clients are cut off from: nodes, whose peers go on. Met where the nodes receive.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tribunal_agent::links::{Hit, Link};
use tribunal_agent::protocol::{Body, Fault, FaultKind, Line, Look, Reply};
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{
    ClusterView, Evidence, Injection, Nemesis, NemesisError, Parameter,
};
use tribunal_harness::seed::Stream;
use tribunal_history::NodeId;

use crate::schedule::empty;
use crate::step::{LOOK_MS, agent_id, ask, draw_parameters, measure, probe_address};
use crate::targets::Choice;

/// A fault between the controller's clients and the chosen nodes, of a kind that agents know.
#[derive(Clone, Copy, Debug)]
pub struct ClientFault {
    pub(crate) link: &'static Link,
}

#[async_trait]
impl Nemesis for ClientFault {
    fn name(&self) -> &'static str {
        self.link.about.name
    }

    fn requires(&self) -> &'static str {
        self.link.about.name
    }

    fn shapes(&self) -> Vec<&'static str> {
        Choice::ALL.map(Choice::name).to_vec()
    }

    fn parameters(&self) -> &'static [Parameter] {
        self.link.about.parameters
    }

    fn takes_down(&self) -> bool {
        self.link.takes_down
    }

    fn plan(&self, shape: &str, view: &ClusterView, stream: &Stream) -> Result<Injection, String> {
        let choice = Choice::parse(shape).ok_or_else(|| {
            let (name, known) = (self.name(), self.shapes().join(", "));
            format!("{name} does not know the targets {shape:?}; known are {known}")
        })?;
        let targets = choice.draw(view.nodes, &mut stream.draw(0, 0));
        let parameters = draw_parameters(self.parameters(), &mut stream.draw(0, 1));
        Ok(Injection { targets, parameters, ..empty(self.name(), choice.name()) })
    }

    async fn inject(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let lease_ms = it.lease.as_millis() as u64;
        let requests = it.targets.iter().map(|node| {
            let kind = FaultKind::Link {
                kind: it.kind.clone(),
                from: controllers(cluster, *node),
                to: Vec::new(),
                ports: ports(cluster, *node),
                flap: None,
                parameters: it.parameters.clone(),
            };
            (*node, Body::Inject(Fault { id: agent_id(it.id, 0), lease_ms, kind }))
        });
        measure(cluster, "inject", it.id, requests.collect()).await
    }

    /// No client of ours gets a connection to a node that is hit, one gets it to every other, and
    /// the nodes still reach those that are hit at the same port.
    async fn verify(
        &self,
        cluster: &Cluster,
        it: &Injection,
        others: &[Injection],
    ) -> Result<Evidence, NemesisError> {
        let seen = self.look(cluster, it, others, &it.targets).await;
        let peers = peers_go_on(cluster, it, others).await;
        let requests = it.targets.iter().map(|node| (*node, verifying(it)));
        let mut evidence = measure(cluster, "verify", it.id, requests.collect()).await?;
        evidence.effective &= seen.effective && peers.effective;
        evidence.notes.splice(0..0, seen.notes.into_iter().chain(peers.notes));
        Ok(evidence)
    }

    async fn heal(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let heal = || Body::Heal { fault: agent_id(it.id, 0) };
        let requests = it.targets.iter().map(|node| (*node, heal()));
        measure(cluster, "heal", it.id, requests.collect()).await
    }

    async fn verify_healed(
        &self,
        cluster: &Cluster,
        it: &Injection,
        others: &[Injection],
    ) -> Result<Option<Evidence>, NemesisError> {
        Ok(Some(self.look(cluster, it, others, &[]).await))
    }
}

impl ClientFault {
    /// What a client sees of every node, of which `hit` should serve none.
    async fn look(
        &self,
        cluster: &Cluster,
        it: &Injection,
        others: &[Injection],
        hit: &[NodeId],
    ) -> Evidence {
        let nodes = cluster.nodes.iter().map(|node| node.info.id);
        let judged = nodes.filter(|node| it.targets.contains(node) || !hit.is_empty());
        let judged: Vec<NodeId> = judged.filter(|node| !is_elsewhere(others, *node)).collect();
        let mut asking = JoinSet::new();
        for node in judged.iter().copied() {
            let at = service(cluster, node);
            asking.spawn_blocking(move || (node, at.map_or(Line::Untried, connect)));
        }
        let seen: BTreeMap<NodeId, Line> = asking.join_all().await.into_iter().collect();
        self.judge(&judged, &seen, hit, &it.parameters)
    }

    fn judge(
        &self,
        judged: &[NodeId],
        seen: &BTreeMap<NodeId, Line>,
        hit: &[NodeId],
        parameters: &BTreeMap<String, i64>,
    ) -> Evidence {
        let wrong = judged.iter().filter_map(|node| {
            let service = seen.get(node).copied().unwrap_or_default();
            let of = Hit { out: hit.contains(node), back: false };
            let how = (self.link.differs)(of, &Look { service, ..Look::default() }, parameters)?;
            Some(format!("{node} {how}"))
        });
        let wrong: Vec<String> = wrong.collect();
        let served = seen.values().filter(|line| **line == Line::Open).count();
        let note = match wrong.as_slice() {
            [] => format!("clients are served by {served} of {} nodes, as planned", judged.len()),
            wrong => format!("clients: {}", wrong.join(", ")),
        };
        Evidence { effective: wrong.is_empty(), notes: vec![note] }
    }
}

fn verifying(it: &Injection) -> Body {
    Body::Verify { fault: agent_id(it.id, 0) }
}

/// Another fault may be the reason for what is seen of this node.
fn is_elsewhere(others: &[Injection], node: NodeId) -> bool {
    others.iter().any(|other| other.targets.contains(&node))
}

/// Whether a node that is hit serves another one, which asks as a client would.
async fn peers_go_on(cluster: &Cluster, it: &Injection, others: &[Injection]) -> Evidence {
    let count = cluster.nodes.len();
    let between = |i: NodeId, j: NodeId| {
        let mut cuts = others.iter().flat_map(|other| &other.cuts);
        cuts.any(|cut| *cut == (i, j) || *cut == (j, i))
    };
    let ways = it.targets.iter().filter_map(|to| {
        let from = NodeId(((usize::from(to.0) + 1) % count) as u16);
        let at = service(cluster, *to)?;
        let judged = from != *to && !between(from, *to) && !is_elsewhere(others, *to);
        judged.then_some((from, *to, at))
    });
    let ways: Vec<_> = ways.collect();
    let requests = ways.iter().map(|(from, to, at)| {
        let (targets, services) = (vec![probe_address(cluster, *to)], vec![*at]);
        let fault = it.id;
        (*from, Body::Look { fault, targets, services, timeout_ms: LOOK_MS, numbered: 0 })
    });
    let mut open = 0;
    for (_, answer) in ask(cluster, requests.collect()).await {
        if let Ok(Reply::Looks(looks)) = answer {
            open += looks.iter().filter(|look| look.service == Line::Open).count();
        }
    }
    let note = format!("other nodes are served by {open} of {} of them", ways.len());
    Evidence { effective: open == ways.len(), notes: vec![note] }
}

/// A fresh connection, as a client makes it.
fn connect(at: SocketAddr) -> Line {
    match TcpStream::connect_timeout(&at, Duration::from_millis(LOOK_MS)) {
        Ok(_) => Line::Open,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Line::Reset,
        Err(_) => Line::Silent,
    }
}

/// Ports at which a node serves clients.
fn ports(cluster: &Cluster, node: NodeId) -> Vec<u16> {
    cluster.nodes[usize::from(node.0)].link.ports().clients.into_iter().collect()
}

/// Where it does.
fn service(cluster: &Cluster, node: NodeId) -> Option<SocketAddr> {
    let address = cluster.nodes[usize::from(node.0)].info.address;
    ports(cluster, node).first().map(|port| SocketAddr::new(address, *port))
}

/// Addresses from which clients of this process come to a node: the one that the kernel would take,
/// and the one that the node's sshd sees. One that is missed shows: the fault does not bite.
fn controllers(cluster: &Cluster, node: NodeId) -> Vec<IpAddr> {
    let at = usize::from(node.0);
    let to = cluster.nodes[at].info.address;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let local = UdpSocket::bind(any).and_then(|socket| {
        // Nothing is sent: a datagram socket that is connected knows its own address.
        socket.connect((to, 9))?;
        socket.local_addr()
    });
    let mut all: Vec<IpAddr> = local.map(|local| local.ip()).into_iter().collect();
    let seen = cluster.hellos.get(at).and_then(|hello| hello.ssh).map(|ssh| ssh.ip());
    all.extend(seen.filter(|seen| !all.contains(seen)));
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tribunal_agent::links::{self, Met};
    use tribunal_harness::seed::Seed;

    use super::*;

    fn fault() -> ClientFault {
        let link = links::all().find(|link| link.met == Met::Clients);
        ClientFault { link: link.expect("a kind of clients") }
    }

    #[test]
    fn a_node_that_still_serves_clients_is_named_and_one_that_refuses_them_too() {
        let all = [NodeId(0), NodeId(1), NodeId(2)];
        let says = |lines: [Line; 3], hit: &[NodeId]| {
            let seen = all.into_iter().zip(lines).collect();
            fault().judge(&all, &seen, hit, &BTreeMap::new())
        };
        use Line::{Open, Reset, Silent};
        let planned = says([Open, Silent, Open], &[NodeId(1)]);
        assert!(planned.effective);
        assert_eq!(planned.notes, ["clients are served by 2 of 3 nodes, as planned"]);
        let wrong = says([Silent, Open, Reset], &[NodeId(1), NodeId(2)]);
        assert!(!wrong.effective);
        let note = "clients: n1 serves no clients, n2 serves clients, n3 refuses clients";
        assert_eq!(wrong.notes, [note]);
        assert!(!says([Open, Silent, Open], &[]).effective, "not healed");
        assert!(says([Open; 3], &[]).effective);
    }

    proptest! {
        #[test]
        fn plans_are_pure_and_hit_nodes(seed: u64, n in 1usize..8) {
            let (view, stream) = (ClusterView { nodes: n }, Seed(seed).root());
            for shape in fault().shapes() {
                let plan = fault().plan(shape, &view, &stream).expect("any number of nodes");
                prop_assert_eq!(&plan, &fault().plan(shape, &view, &stream).expect("as before"));
                prop_assert_eq!(plan.targets.is_empty(), shape == "primaries");
                prop_assert!(plan.cuts.is_empty() && plan.targets.len() <= n);
            }
        }
    }
}
