//! The nodes of a run, and the link to each agent.
//!
//! A cluster is brought up before the runtime of the run exists, because the runtime's threads
//! must live in the cluster's network, and is closed after it is gone. In between everything is
//! asked through [`Node::call`].

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tribunal_agent::protocol::{Body, Failure, Hello, Probed, Reply};

use crate::control::local::LocalCluster;
pub use crate::control::local::{clear, key_of};
use crate::control::loopback::Block;
use crate::control::{AgentBinary, Answered, HostKeyMode, Outcome, Renewal, Secret, connect};
pub use crate::control::{ClusterError, Link, LinkState, Network, Provider, Step};
use crate::deadlines::Deadlines;
use crate::node::NodeInfo;

/// A node and the way to its agent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is.
    pub info: NodeInfo,
    /// Its agent.
    pub link: Link,
}

/// The nodes of one run, in order.
#[derive(Debug)]
pub struct Cluster {
    /// In the order of the inventory.
    pub nodes: Vec<Node>,
    /// What each agent said of its node, in the same order.
    pub hellos: Vec<Hello>,
    /// Nodes that could not be had, where `min_nodes` allows it.
    pub unavailable: Vec<ClusterError>,
    /// Whether any host was believed without a known key: for the report's header.
    pub any_host_key: bool,
    network: Network,
    backing: Backing,
    renewal: Mutex<Option<Renewal>>,
    closed: bool,
}

/// What has to go with the cluster.
#[derive(Debug)]
enum Backing {
    /// Nodes of ours: everything on them goes too.
    Local(LocalCluster),
    /// Processes on this machine, at addresses that are theirs alone: our daemons are stopped.
    Processes(#[expect(dead_code, reason = "held while the cluster lives")] Block),
    /// Nodes of others: our daemons are stopped.
    Others,
}

/// How to bring a cluster up.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// Directory for what belongs to the cluster on this machine, usually in the run directory.
    pub state: PathBuf,
    /// The agent to push.
    pub agent: AgentBinary,
    /// Patience.
    pub deadlines: Deadlines,
    /// Go on with this many nodes at least; `None`: all are needed.
    pub min_nodes: Option<usize>,
    /// Judge host keys in this way instead of the inventory's.
    pub host_keys: Option<HostKeyMode>,
    /// Password, if keys do not fit.
    pub password: Option<Secret>,
    /// Keep the files of local nodes after the end.
    pub keep: bool,
}

/// A claim on all nodes.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Run id, 8 hex digits.
    pub run: String,
    /// Who asks, unique per controller process, shown to others that are refused.
    pub controller: String,
    /// Life without renewal; renewed every third of it until the cluster is closed.
    pub lease: Duration,
    /// Take nodes from a living controller.
    pub force: bool,
}

/// Why an agent did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The way to the agent is gone.
    #[error("{node}: {what}: connection to the agent lost: {problem}")]
    Lost {
        /// Node name.
        node: String,
        /// What was asked.
        what: String,
        /// What happened.
        problem: String,
    },
    /// No answer in time.
    #[error("{node}: {what}: no answer within {patience:?}")]
    Deadline {
        /// Node name.
        node: String,
        /// What was asked.
        what: String,
        /// Patience.
        patience: Duration,
    },
    /// The agent said no.
    #[error("{node}: {what}: {failure_message} ({failure_code})")]
    Refused {
        /// Node name.
        node: String,
        /// What was asked.
        what: String,
        /// Stable word.
        failure_code: String,
        /// Sentence.
        failure_message: String,
    },
}

impl UpOptions {
    /// The usual: agent beside this program, password from the environment, all nodes needed.
    ///
    /// # Errors
    /// There is no agent, or the password cannot be read.
    pub fn new(state: impl Into<PathBuf>) -> Result<UpOptions, ClusterError> {
        let password = Secret::from_environment()
            .map_err(|problem| ClusterError::Input { place: "password".into(), problem })?;
        Ok(UpOptions {
            state: state.into(),
            agent: AgentBinary::find()?,
            deadlines: Deadlines::default(),
            min_nodes: None,
            host_keys: None,
            password,
            keep: false,
        })
    }
}

impl Node {
    /// Asks the agent and waits for its answer, at most `patience`. From any thread and runtime.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn call(&self, body: Body, patience: Duration) -> Result<Reply, AgentError> {
        self.link.call(&self.info.name, body, patience).await
    }
}

impl Cluster {
    /// Makes or reaches the nodes, starts an agent on each, learns their addresses. Blocks; not
    /// from within a runtime.
    ///
    /// # Errors
    /// All nodes that failed, each with its step and what to do. Nothing of ours is left behind.
    pub fn up(provider: &Provider, options: &UpOptions) -> Result<Cluster, ClusterError> {
        match provider {
            Provider::Local(count) => {
                let local = LocalCluster::up(*count, &options.state, &options.agent, options.keep)?;
                let network = local.network();
                let outcome = connect::hosts(&local.inventory(), &network, options, true);
                Cluster::assemble(outcome, network, Backing::Local(local), options)
            }
            Provider::Processes(count) => {
                let block = Block::take()?;
                let outcome = connect::processes(*count, &block, options);
                Cluster::assemble(outcome, Network::here(), Backing::Processes(block), options)
            }
            Provider::Inventory(_)
            | Provider::SshConfig(_)
            | Provider::Vagrant
            | Provider::Hosts(_) => {
                let Some(inventory) = provider.inventory(options.host_keys)? else {
                    let problem = "no hosts in it; name some".into();
                    return Err(ClusterError::Input { place: provider.to_string(), problem });
                };
                let network = connect::network_of(&inventory)?;
                let outcome = connect::hosts(&inventory, &network, options, false);
                let mut cluster = Cluster::assemble(outcome, network, Backing::Others, options)?;
                cluster.any_host_key = inventory.accepts_any_host_key();
                Ok(cluster)
            }
        }
    }

    /// A cluster of nodes whose links exist already: for tests of what stands above.
    pub fn of(nodes: Vec<Node>) -> Cluster {
        Cluster {
            nodes,
            hellos: Vec::new(),
            unavailable: Vec::new(),
            any_host_key: false,
            network: Network::here(),
            backing: Backing::Others,
            renewal: Mutex::new(None),
            closed: false,
        }
    }

    fn assemble(
        outcome: Outcome,
        network: Network,
        backing: Backing,
        options: &UpOptions,
    ) -> Result<Cluster, ClusterError> {
        let Outcome { answered, failed } = outcome;
        let all = answered.len() + failed.len();
        let needed = options.min_nodes.unwrap_or(all);
        let (nodes, hellos): (Vec<Node>, Vec<Hello>) =
            answered.into_iter().map(|Answered { node, hello }| (node, hello)).unzip();
        let enough = nodes.len() >= needed && !nodes.is_empty();
        // Dropped on the way out when there are too few: agents hear Bye, local nodes end.
        let mut cluster = Cluster::of(nodes);
        (cluster.hellos, cluster.network, cluster.backing) = (hellos, network, backing);
        if !enough {
            return Err(ClusterError::several(failed));
        }
        cluster.unavailable = failed;
        Ok(cluster)
    }

    /// Moves the calling thread to where the nodes are reachable; see [`Network::enter`].
    ///
    /// # Errors
    /// As [`Network::enter`].
    pub fn enter_network(&self) -> Result<(), ClusterError> {
        self.network.enter()
    }

    /// Where sockets to the nodes must be opened; for `on_thread_start` of a runtime.
    pub fn network(&self) -> Network {
        self.network.clone()
    }

    /// Asks every node at once; answers in node order. One failure does not stop the others.
    pub async fn ask_all(
        &self,
        body: impl Fn(&Node) -> Body,
        patience: Duration,
    ) -> Vec<Result<Reply, AgentError>> {
        ask(&self.nodes.iter().collect::<Vec<_>>(), body, patience).await
    }

    /// Takes all nodes for a run and keeps the claims alive until [`Cluster::close`]. Answers what
    /// earlier runs had left and was healed, per node. The first by name is taken before the
    /// others: of runs that start at the same time one gets it, and the others all.
    ///
    /// # Errors
    /// Every node that refused or was silent. Nodes that agreed are released by closing.
    pub async fn claim(
        &self,
        claim: &Claim,
        patience: Duration,
    ) -> Result<Vec<(String, Vec<String>)>, ClusterError> {
        let (mut healed, mut failed) = (Vec::new(), Vec::new());
        let first = self.nodes.iter().map(|node| &node.info.name).min();
        for round in [true, false] {
            let nodes = self.nodes.iter().filter(|node| (Some(&node.info.name) == first) == round);
            for (node, taken) in self.claim_some(nodes.collect(), claim, patience).await {
                match taken {
                    Ok(found) => healed.push((node, found)),
                    Err(error) => failed.push(error),
                }
            }
            if !failed.is_empty() {
                return Err(ClusterError::several(failed));
            }
        }
        let renewal = Renewal::start(self.nodes.clone(), claim.lease).map_err(|error| {
            ClusterError::local("renew leases", error, "raise the limit on threads")
        })?;
        *self.renewal.lock().unwrap_or_else(PoisonError::into_inner) = Some(renewal);
        Ok(healed)
    }

    /// Asks every node for a claim and tells what became of each, with what was healed there. For
    /// who goes on with the nodes that agreed; the claims are not renewed.
    pub async fn claim_each(
        &self,
        claim: &Claim,
        patience: Duration,
    ) -> Vec<(String, Result<Vec<String>, ClusterError>)> {
        self.claim_some(self.nodes.iter().collect(), claim, patience).await
    }

    async fn claim_some(
        &self,
        nodes: Vec<&Node>,
        claim: &Claim,
        patience: Duration,
    ) -> Vec<(String, Result<Vec<String>, ClusterError>)> {
        let ways: Vec<_> = self.hellos.iter().map(|hello| hello.ssh).collect();
        let body = |node: &Node| Body::Claim {
            run: claim.run.clone(),
            controller: claim.controller.clone(),
            lease_ms: claim.lease.as_millis() as u64,
            force: claim.force,
            control: ways.get(usize::from(node.info.id.0)).copied().flatten().into_iter().collect(),
        };
        let answers = ask(&nodes, body, patience).await;
        let taken = |(node, answer): (&Node, Result<Reply, AgentError>)| {
            let name = node.info.name.clone();
            let result = match answer {
                Ok(Reply::Claimed { epoch, healed }) => {
                    node.link.set_epoch(epoch);
                    Ok(healed)
                }
                Ok(other) => {
                    let (problem, next) = (format!("it answered {other:?}"), "report this bug");
                    Err(ClusterError::node(&name, Step::Claim, problem, next))
                }
                Err(error) => Err(unclaimed(&name, &error)),
            };
            (name, result)
        };
        nodes.into_iter().zip(answers).map(taken).collect()
    }

    /// Tries each fault family on each node, in node order.
    pub async fn probe(
        &self,
        patience: Duration,
    ) -> Vec<(String, Result<Vec<Probed>, AgentError>)> {
        let answers = self.ask_all(|_| Body::Probe, patience).await;
        let read = |node: &Node, reply: Reply| match reply {
            Reply::Probed(families) => Ok(families),
            other => Err(AgentError::unexpected(&node.info.name, "probe", &other)),
        };
        self.per_node(answers, read)
    }

    /// Undoes every fault of every run on every node, in node order. Idempotent.
    pub async fn heal_all(
        &self,
        patience: Duration,
    ) -> Vec<(String, Result<Vec<String>, AgentError>)> {
        let answers = self.ask_all(|_| Body::HealAll, patience).await;
        let read = |node: &Node, reply: Reply| match reply {
            Reply::HealedAll(undone) => Ok(undone),
            other => Err(AgentError::unexpected(&node.info.name, "heal everything", &other)),
        };
        self.per_node(answers, read)
    }

    fn per_node<T>(
        &self,
        answers: Vec<Result<Reply, AgentError>>,
        read: impl Fn(&Node, Reply) -> Result<T, AgentError>,
    ) -> Vec<(String, Result<T, AgentError>)> {
        let pairs = self.nodes.iter().zip(answers);
        pairs
            .map(|(node, answer)| {
                (node.info.name.clone(), answer.and_then(|reply| read(node, reply)))
            })
            .collect()
    }

    /// Nodes whose agent's channel is gone, with the reason.
    pub fn lost(&self) -> Vec<(String, String)> {
        let lost = |node: &Node| match node.link.state() {
            LinkState::Lost(why) => Some((node.info.name.clone(), why)),
            LinkState::Open => None,
        };
        self.nodes.iter().filter_map(lost).collect()
    }

    /// Ends: daemons stopped on nodes that are not ours, agents told to heal and go, local nodes
    /// removed. Each step goes on if one node fails. Blocks for about the given patience at most.
    /// Answers what did not end as it should.
    pub fn close(mut self, patience: Duration) -> Vec<String> {
        self.end(patience)
    }

    fn end(&mut self, patience: Duration) -> Vec<String> {
        if std::mem::replace(&mut self.closed, true) {
            return Vec::new();
        }
        *self.renewal.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let ours = matches!(self.backing, Backing::Local(_));
        let nodes = std::mem::take(&mut self.nodes);
        // A thread of its own, because this may be dropped within a runtime, where blocking on an
        // answer is an error.
        let mut trouble = thread::scope(|scope| {
            let goodbye = scope.spawn(|| goodbye(&nodes, ours, patience));
            goodbye.join().unwrap_or_else(|_| vec!["the goodbyes panicked".into()])
        });
        drop(nodes);
        if let Backing::Local(local) = &mut self.backing {
            trouble.extend(local.down());
        }
        trouble
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for trouble in self.end(Duration::from_secs(5)) {
            tracing::warn!("{trouble}");
        }
    }
}

/// Stops daemons where the node outlives us, then ends every agent. Lost ones have gone already;
/// one that gave us no claim owes us nothing and ends with its channel.
fn goodbye(nodes: &[Node], ours: bool, patience: Duration) -> Vec<String> {
    let ours_still = |node: &&Node| node.link.state() == LinkState::Open && node.link.is_claimed();
    let open = || nodes.iter().filter(ours_still);
    let mut sent = Vec::new();
    if !ours {
        for node in open() {
            for daemon in node.link.daemons() {
                let body = Body::Stop { daemon, grace_ms: 500 };
                sent.push(node.link.submit(&node.info.name, body, patience));
            }
        }
    }
    let mut answers: Vec<_> = sent.into_iter().map(crate::control::Pending::block).collect();
    let byes: Vec<_> =
        open().map(|node| node.link.submit(&node.info.name, Body::Bye, patience)).collect();
    answers.extend(byes.into_iter().map(crate::control::Pending::block));
    answers.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect()
}

/// Asks these nodes at once; answers in their order.
async fn ask(
    nodes: &[&Node],
    body: impl Fn(&Node) -> Body,
    patience: Duration,
) -> Vec<Result<Reply, AgentError>> {
    let submit = |node: &&Node| node.link.submit(&node.info.name, body(node), patience);
    let sent: Vec<_> = nodes.iter().map(submit).collect();
    let mut answers = Vec::with_capacity(sent.len());
    for pending in sent {
        answers.push(pending.wait().await);
    }
    answers
}

fn unclaimed(node: &str, error: &AgentError) -> ClusterError {
    let next = match error {
        AgentError::Refused { failure_code, .. } if failure_code == "claimed" => {
            "wait for the other run, or take its nodes with `tribunal heal --force --nodes ...`"
        }
        _ => "mend that on the node, or leave the node out",
    };
    ClusterError::node(node, Step::Claim, error, next)
}

impl AgentError {
    /// From the agent's own words.
    pub fn refused(node: &str, what: &str, failure: Failure) -> AgentError {
        AgentError::Refused {
            node: node.into(),
            what: what.into(),
            failure_code: failure.code,
            failure_message: failure.message,
        }
    }

    /// An answer to another question: a bug of ours, reported as what it is.
    pub fn unexpected(node: &str, what: &str, reply: &Reply) -> AgentError {
        let message = format!("the agent answered {reply:?}");
        AgentError::refused(node, what, Failure { code: "protocol".into(), message })
    }
}
