//! What faults on links have in common: packets between nodes are met at the receiver, in both
//! families, and what each end sees of the other is measured.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use async_trait::async_trait;
use tribunal_agent::links::{Hit, Link, Met};
use tribunal_agent::protocol::{Body, Fault, FaultKind, Flap, Line, Look, Reply};
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{
    ClusterView, Evidence, Injection, Nemesis, NemesisError, Parameter,
};
use tribunal_harness::seed::Stream;
use tribunal_history::NodeId;

use crate::schedule::empty;
use crate::shape::{Shape, isolate};
use crate::step::{
    LOOK_MS, agent_id, ask, draw_parameters, measure, peer_addresses, probe_address,
};

/// A fault on the links of a shape, of a kind that agents know.
#[derive(Clone, Copy, Debug)]
pub struct LinkFault {
    pub(crate) link: &'static Link,
}

impl LinkFault {
    /// Only what is dropped whole can flap and still be measured by its counters.
    fn carries(self, shape: Shape) -> bool {
        shape != Shape::Flapping || self.link.flaps
    }

    /// Ports of a node, where only packets to them are met.
    fn ports(self, cluster: &Cluster, node: NodeId) -> Vec<u16> {
        match self.link.met {
            Met::PeersAtPorts => {
                cluster.nodes[usize::from(node.0)].link.ports().peers.into_iter().collect()
            }
            Met::Peers | Met::Clients => Vec::new(),
        }
    }
}

#[async_trait]
impl Nemesis for LinkFault {
    fn name(&self) -> &'static str {
        self.link.about.name
    }

    fn requires(&self) -> &'static str {
        self.link.about.name
    }

    fn shapes(&self) -> Vec<&'static str> {
        let shapes = Shape::ALL.into_iter().filter(|shape| self.carries(*shape));
        shapes.map(Shape::name).collect()
    }

    fn parameters(&self) -> &'static [Parameter] {
        self.link.about.parameters
    }

    fn hits_links(&self) -> bool {
        true
    }

    fn takes_down(&self) -> bool {
        self.link.takes_down
    }

    fn plan(&self, shape: &str, view: &ClusterView, stream: &Stream) -> Result<Injection, String> {
        let parsed = Shape::parse(shape).filter(|shape| self.carries(*shape));
        let shape = parsed.ok_or_else(|| {
            let (name, known) = (self.name(), self.shapes().join(", "));
            format!("{name} does not know the shape {shape:?}; known are {known}")
        })?;
        let mut draw = stream.draw(0, 0);
        let cuts = shape.cuts(view.nodes, &mut draw)?;
        let flap = (shape == Shape::Flapping).then(|| (1000 + draw.below(2000), 60));
        let parameters = draw_parameters(self.parameters(), &mut stream.draw(0, 1));
        Ok(Injection { cuts, flap, parameters, ..empty(self.name(), shape.name()) })
    }

    fn resolve(&self, it: &Injection, primaries: &[NodeId], view: &ClusterView) -> Injection {
        Injection { cuts: isolate(primaries, view.nodes), ..it.clone() }
    }

    async fn inject(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let flap = it.flap.map(|(period_ms, duty_pct)| Flap { period_ms, duty_pct });
        let lease_ms = it.lease.as_millis() as u64;
        if self.link.holds {
            hold(cluster, it, true).await;
        }
        let requests = by_receiver(it).into_iter().map(|(node, senders)| {
            let from = senders.iter().flat_map(|sender| peer_addresses(cluster, *sender)).collect();
            let (kind, parameters) = (it.kind.clone(), it.parameters.clone());
            let (to, ports) = (Vec::new(), self.ports(cluster, node));
            let kind = FaultKind::Link { kind, from, to, ports, flap, parameters };
            (node, Body::Inject(Fault { id: agent_id(it.id, 0), lease_ms, kind }))
        });
        measure(cluster, "inject", it.id, requests.collect()).await
    }

    /// The measured matrix must equal the planned one, and every receiver must hold its elements.
    ///
    /// A round trip works iff neither direction is cut, so the matrix shows a one-way cut as a
    /// broken pair; which direction it is, the receiver's counters show. A flapping cut is open
    /// part of the time: for it the counters alone are evidence. So it is for a pair that another
    /// fault may hold as well.
    async fn verify(
        &self,
        cluster: &Cluster,
        it: &Injection,
        others: &[Injection],
    ) -> Result<Evidence, NemesisError> {
        let mut matrix = Matrix::measure(self.link, cluster, it).await;
        let elsewhere = matrix.leave_to(others);
        let receivers = by_receiver(it).into_keys();
        let requests =
            receivers.map(|node| (node, Body::Verify { fault: agent_id(it.id, 0) })).collect();
        let mut evidence = measure(cluster, "verify", it.id, requests).await?;
        let differing = matrix.differing(it);
        if it.flap.is_none() {
            evidence.effective &= differing.is_empty();
            evidence.notes.insert(0, matrix.note(&differing) + &elsewhere);
        }
        Ok(evidence)
    }

    async fn heal(&self, cluster: &Cluster, it: &Injection) -> Result<Evidence, NemesisError> {
        let receivers = by_receiver(it).into_keys();
        let requests =
            receivers.map(|node| (node, Body::Heal { fault: agent_id(it.id, 0) })).collect();
        measure(cluster, "heal", it.id, requests).await
    }

    /// Every pair of the cut makes a round trip again, by UDP and on a fresh connection. That an
    /// agent removed its rules does not show that nothing else holds the packets back.
    async fn verify_healed(
        &self,
        cluster: &Cluster,
        it: &Injection,
        others: &[Injection],
    ) -> Result<Option<Evidence>, NemesisError> {
        let healed = Matrix::measure(self.link, cluster, it).await.healed(others);
        if self.link.holds && healed.effective {
            hold(cluster, it, false).await;
        }
        Ok(Some(healed))
    }
}

/// Senders not heard, by receiver.
fn by_receiver(it: &Injection) -> BTreeMap<NodeId, Vec<NodeId>> {
    let mut receivers = BTreeMap::<NodeId, Vec<NodeId>>::new();
    for (from, to) in &it.cuts {
        receivers.entry(*to).or_default().push(*from);
    }
    receivers
}

/// Nodes that the injection concerns: those who look.
fn askers(it: &Injection) -> Vec<NodeId> {
    let mut askers: Vec<NodeId> = it.cuts.iter().flat_map(|(i, j)| [*i, *j]).collect();
    askers.sort_unstable();
    askers.dedup();
    askers
}

/// Where every other node answers.
fn others(cluster: &Cluster, node: NodeId) -> Vec<(NodeId, SocketAddr)> {
    let all = cluster.nodes.iter().map(|node| node.info.id);
    all.filter(|other| *other != node).map(|other| (other, probe_address(cluster, other))).collect()
}

/// Connects those who look to every other node, or lets go. A connection that cannot be had is not
/// tried later: its pair is judged by the rest.
async fn hold(cluster: &Cluster, it: &Injection, keep: bool) {
    let requests = askers(it).into_iter().map(|node| {
        let all = others(cluster, node).into_iter().map(|(_, at)| at);
        let targets = all.filter(|_| keep).collect();
        (node, Body::Hold { fault: it.id, targets, timeout_ms: LOOK_MS })
    });
    for (node, answer) in ask(cluster, requests.collect()).await {
        if let Err(problem) = answer {
            tracing::warn!("fault {}: {node} keeps no connections: {problem}", it.id);
        }
    }
}

/// What each of some nodes sees of each other one.
struct Matrix {
    link: &'static Link,
    parameters: BTreeMap<String, i64>,
    pairs: Vec<(NodeId, NodeId, Result<Look, String>)>,
}

impl Matrix {
    /// From every node that the injection concerns to every other node.
    async fn measure(link: &'static Link, cluster: &Cluster, it: &Injection) -> Matrix {
        let requests = askers(it).into_iter().map(|node| {
            let targets = others(cluster, node).into_iter().map(|(_, at)| at).collect();
            let services = others(cluster, node).into_iter().filter_map(|(other, at)| {
                let port = LinkFault { link }.ports(cluster, other).first().copied()?;
                Some(SocketAddr::new(at.ip(), port))
            });
            let (services, numbered) = (services.collect(), link.numbered);
            (node, Body::Look { fault: it.id, targets, services, timeout_ms: LOOK_MS, numbered })
        });
        let mut pairs = Vec::new();
        for (node, answer) in ask(cluster, requests.collect()).await {
            let looks = match answer {
                Ok(Reply::Looks(looks)) => Ok(looks),
                Ok(other) => Err(format!("unexpected answer {other:?}")),
                Err(problem) => Err(problem),
            };
            for (at, (other, _)) in others(cluster, node).into_iter().enumerate() {
                let seen = looks.as_ref().map_err(String::clone).and_then(|looks| {
                    let of = looks.get(at).copied();
                    of.ok_or_else(|| "no answer for this peer".to_string())
                });
                pairs.push((node, other, seen));
            }
        }
        Matrix { link, parameters: it.parameters.clone(), pairs }
    }

    fn differs(&self, hit: Hit, seen: &Look) -> Option<String> {
        (self.link.differs)(hit, seen, &self.parameters)
    }

    /// Pairs that are not as a fault makes them, in words.
    fn differing(&self, it: &Injection) -> Vec<String> {
        let wrong = self.pairs.iter().filter_map(|(i, j, seen)| match seen {
            Ok(seen) => {
                let hit = |i, j| it.cuts.contains(&(i, j));
                let hit = Hit { out: hit(*i, *j), back: hit(*j, *i) };
                self.differs(hit, seen).map(|how| format!("{i}-{j} {how}"))
            }
            Err(problem) => Some(format!("{i}-{j} could not be measured: {problem}")),
        });
        wrong.collect()
    }

    /// Whether every pair is open again that no other fault may be holding.
    fn healed(mut self, others: &[Injection]) -> Evidence {
        let all = self.pairs.len();
        let elsewhere = self.leave_to(others);
        let (measured, shut) = (self.pairs.len(), self.differing(&empty("", "")));
        let note = match shut.as_slice() {
            [] => format!("matrix healed: {measured} of {measured} pairs open"),
            shut => format!("not healed: {}", shut.join(", ")),
        };
        Evidence { effective: shut.is_empty() && all > 0, notes: vec![note + &elsewhere] }
    }

    /// Forgets the pairs that other faults may be holding, and says how many they were.
    fn leave_to(&mut self, others: &[Injection]) -> String {
        let elsewhere = |i: NodeId, j: NodeId| {
            let mut cuts = others.iter().flat_map(|other| &other.cuts);
            cuts.any(|cut| *cut == (i, j) || *cut == (j, i))
        };
        // A port is a daemon's, which they may have killed.
        let down = |j: NodeId| others.iter().any(|other| other.targets.contains(&j));
        let down = |j: NodeId| self.link.met == Met::PeersAtPorts && down(j);
        let all = self.pairs.len();
        self.pairs.retain(|(i, j, _)| !elsewhere(*i, *j) && !down(*j));
        match all - self.pairs.len() {
            0 => String::new(),
            left => format!("; {left} pairs belong to other partitions too"),
        }
    }

    fn note(&self, differing: &[String]) -> String {
        let looks = || self.pairs.iter().filter_map(|(.., seen)| seen.as_ref().ok());
        let open = looks().filter(|seen| self.differs(Hit::default(), seen).is_none()).count();
        let total = self.pairs.len();
        let held = |line| looks().filter(|seen| seen.held == line).count();
        let [kept, reset] = [Line::Open, Line::Reset].map(held);
        let [of, lost] = [|seen: &Look| seen.numbered, |seen: &Look| seen.lost]
            .map(|count| looks().map(|seen| u64::from(count(seen))).sum::<u64>());
        match differing {
            [] if of > 0 => format!(
                "matrix as planned: {open} of {total} pairs lose nothing, the others {lost} of {of} \
                 numbered datagrams"
            ),
            [] if self.link.holds => format!(
                "matrix as planned: {open} of {total} pairs open; of connections made before, \
                 {kept} are open and {reset} reset"
            ),
            [] => format!("matrix as planned: {open} of {total} pairs open"),
            wrong => format!("matrix differs from the plan: {}", wrong.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tribunal_agent::links;
    use tribunal_harness::seed::Seed;

    use super::*;

    fn matrix(open: &[(u16, u16, bool)]) -> Matrix {
        let fresh = |open| if open { Line::Open } else { Line::Silent };
        let seen = |open| Ok(Look { fresh: fresh(open), small: open, ..Look::default() });
        let pair = |(i, j, open): &(u16, u16, bool)| (NodeId(*i), NodeId(*j), seen(*open));
        let link = links::all().next().expect("the table of kinds");
        Matrix { link, parameters: BTreeMap::new(), pairs: open.iter().map(pair).collect() }
    }

    fn cutting(from: u16, to: u16) -> Injection {
        Injection { cuts: vec![(NodeId(from), NodeId(to))], ..empty("partition", "one-way") }
    }

    #[test]
    fn healed_is_what_was_measured_open() {
        let open = matrix(&[(0, 1, true), (1, 0, true)]).healed(&[]);
        assert!(open.effective);
        assert_eq!(open.notes, ["matrix healed: 2 of 2 pairs open"]);
        let shut = matrix(&[(0, 1, true), (1, 0, false)]).healed(&[cutting(2, 0)]);
        assert!(!shut.effective, "another partition of other nodes explains nothing");
        assert_eq!(shut.notes, ["not healed: n2-n1 is cut"]);
        assert!(!matrix(&[]).healed(&[]).effective, "nothing measured is nothing shown");
    }

    #[test]
    fn a_pair_that_could_not_be_measured_is_not_healed() {
        let mut unknown = matrix(&[(0, 1, true)]);
        unknown.pairs.push((NodeId(1), NodeId(0), Err("no answer".into())));
        assert!(!unknown.healed(&[]).effective);
    }

    #[test]
    fn a_pair_that_another_partition_cuts_too_does_not_differ_from_the_plan() {
        let mut both = matrix(&[(0, 1, false), (0, 2, false)]);
        let planned = &cutting(0, 1);
        assert_eq!(both.differing(planned), ["n1-n3 is cut"], "seen alone it would be a miss");
        assert_eq!(both.leave_to(&[cutting(2, 0)]), "; 1 pairs belong to other partitions too");
        assert_eq!(both.differing(planned), Vec::<String>::new());
    }

    #[test]
    fn what_another_partition_cuts_is_left_to_it() {
        let both = [(0, 1, true), (0, 2, false)];
        let healed = matrix(&both).healed(&[cutting(2, 0)]);
        assert!(healed.effective);
        let note = "matrix healed: 1 of 1 pairs open; 1 pairs belong to other partitions too";
        assert_eq!(healed.notes, [note]);
    }

    proptest! {
        #[test]
        fn plans_of_every_kind_are_pure_and_possible(seed: u64, n in 4usize..8) {
            let (view, stream) = (ClusterView { nodes: n }, Seed(seed).root());
            for link in links::all().filter(|link| link.met != Met::Clients) {
                let fault = LinkFault { link };
                for shape in fault.shapes() {
                    let plan = fault.plan(shape, &view, &stream).expect("enough nodes");
                    prop_assert_eq!(&plan, &fault.plan(shape, &view, &stream).expect("as before"));
                    prop_assert_eq!(plan.cuts.is_empty(), shape == "primaries");
                    prop_assert_eq!(plan.flap.is_some(), shape == "flapping");
                    prop_assert!(plan.flap.is_none() || link.flaps);
                    prop_assert_eq!(plan.parameters.len(), link.about.parameters.len());
                    for Parameter { name, usual, .. } in link.about.parameters {
                        let drawn = plan.parameters[*name];
                        prop_assert!((usual.0..=usual.1).contains(&drawn), "{name} {drawn}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_flap_says_what_it_does() {
        let link = links::all().find(|link| !link.flaps).expect("one of them");
        let (view, stream) = (ClusterView { nodes: 5 }, Seed(1).root());
        let error = LinkFault { link }.plan("flapping", &view, &stream).unwrap_err();
        let words = format!("{} does not know the shape \"flapping\"; known are", link.about.name);
        assert!(error.starts_with(&words) && !error[words.len()..].contains("flapping"), "{error}");
    }

    #[test]
    fn pairs_that_differ_are_named_for_what_they_do() {
        let link = links::all().find(|link| link.about.name == "reset").expect("reset");
        let it = cutting(1, 0);
        let reset = Look { fresh: Line::Reset, held: Line::Reset, small: true, ..Look::default() };
        let pairs = |looks: [Look; 2]| {
            let [out, back] = looks;
            let pairs = vec![(NodeId(0), NodeId(1), Ok(out)), (NodeId(1), NodeId(0), Ok(back))];
            Matrix { link, parameters: BTreeMap::new(), pairs }
        };
        let planned = pairs([reset; 2]);
        assert_eq!(planned.differing(&it), Vec::<String>::new());
        let note = "matrix as planned: 0 of 2 pairs open; of connections made before, 0 are open \
                    and 2 reset";
        assert_eq!(planned.note(&[]), note);
        let silent = Look { fresh: Line::Silent, ..reset };
        assert_eq!(pairs([reset, silent]).differing(&it), ["n2-n1 is silent to new connections"]);
        let healed = Look { fresh: Line::Open, ..reset };
        assert!(pairs([healed; 2]).healed(&[]).effective, "what was reset stays so");
        assert!(!pairs([healed, reset]).healed(&[]).effective);
    }
}
