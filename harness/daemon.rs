//! A server program as data: how to start it, and how to know that it serves.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tribunal_agent::base64;
use tribunal_agent::protocol::{Body, Reply};
pub use tribunal_agent::protocol::{DaemonSpec, DaemonState, Identity};

use crate::cluster::{AgentError, Cluster, Network, Node};
use crate::listener;

/// What a target wants to have running on a node. Started, stopped, killed and paused in one
/// place for every target; tracked by pid and start time, never by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The program.
    pub spec: DaemonSpec,
    /// TCP port that accepts once the daemon serves; polled by the controller. Clients are served
    /// there.
    pub ready_port: u16,
    /// TCP ports at which daemons of other nodes are served.
    pub peer_ports: Vec<u16>,
    /// Data directories, wiped before each run.
    pub data: Vec<String>,
}

/// TCP ports of a node's daemons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Where clients are served.
    pub clients: BTreeSet<u16>,
    /// Where other nodes are.
    pub peers: BTreeSet<u16>,
}

/// Patience for one request about a daemon.
const REQUEST: Duration = Duration::from_secs(5);

/// How often a daemon that does not serve yet is asked whether it still lives.
const LOOK: Duration = Duration::from_millis(250);

/// Why a daemon does not serve.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Its agent could not say.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// It was started and does not serve.
    #[error("start {daemon} on {node}: {problem}; last log line: {last_line}")]
    NotServing {
        /// Daemon name.
        daemon: String,
        /// Node name.
        node: String,
        /// What is known.
        problem: String,
        /// From its log.
        last_line: String,
    },
    /// Another program serves where it would: whoever is asked there, it is not the daemon.
    #[error(
        "start {daemon} on {node}: {address} is served by {holder} already; end that, or choose \
         other nodes"
    )]
    Taken {
        /// Daemon name.
        daemon: String,
        /// Node name.
        node: String,
        /// Where.
        address: SocketAddr,
        /// By whom, as far as it can be seen.
        holder: String,
    },
}

impl Cluster {
    /// Starts a daemon that does not run and waits until its port accepts, polled from the
    /// controller's network.
    ///
    /// # Errors
    /// Its port is another program's, before or after; or it ended, or did not serve in
    /// `patience`: with the last line of its log.
    pub async fn start_daemon(
        &self,
        node: &Node,
        daemon: &Daemon,
        patience: Duration,
    ) -> Result<Identity, DaemonError> {
        let network = self.network();
        let address = SocketAddr::new(node.info.address, daemon.ready_port);
        let taken = |holder| DaemonError::Taken {
            daemon: daemon.spec.name.clone(),
            node: node.info.name.clone(),
            address,
            holder,
        };
        if network.accepts(address).await.unwrap_or(false) {
            let holders = listener::holders(&network, address);
            let holder = holders.first().map(ToString::to_string);
            return Err(taken(holder.unwrap_or("a program that cannot be seen from here".into())));
        }
        node.link.serves(daemon);
        node.start(&daemon.spec).await?;
        let identity = serving(&network, node, daemon, patience).await?;
        match listener::other_than(&network, address, identity) {
            Some(holder) => Err(taken(holder.to_string())),
            None => Ok(identity),
        }
    }
}

impl Node {
    /// Starts a daemon; does not wait until it serves.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn start(&self, spec: &DaemonSpec) -> Result<DaemonState, AgentError> {
        self.daemon_call("start a daemon", Body::Start(spec.clone()), REQUEST).await
    }

    /// Stops a daemon in order: SIGTERM, then SIGKILL after `grace`.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn stop(&self, daemon: &str, grace: Duration) -> Result<(), AgentError> {
        let body = Body::Stop { daemon: daemon.into(), grace_ms: grace.as_millis() as u64 };
        // What it answers is for those who ask for the status.
        self.call(body, grace + REQUEST).await.map(drop)
    }

    /// What a daemon is doing.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn status(&self, daemon: &str) -> Result<DaemonState, AgentError> {
        let body = Body::Status { daemon: daemon.into() };
        self.daemon_call("look at a daemon", body, REQUEST).await
    }

    async fn daemon_call(
        &self,
        what: &str,
        body: Body,
        patience: Duration,
    ) -> Result<DaemonState, AgentError> {
        match self.call(body, patience).await? {
            Reply::Daemon(state) => Ok(state),
            other => Err(AgentError::unexpected(&self.info.name, what, &other)),
        }
    }

    /// The last line that is not empty of a log on the node.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn last_line(&self, log: &str) -> Result<String, AgentError> {
        let size = self.piece(log, 0, 0).await?.1;
        let (bytes, _) = self.piece(log, size.saturating_sub(2000), 2000).await?;
        let text = String::from_utf8_lossy(&bytes);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        Ok(last.unwrap_or("(empty)").to_owned())
    }

    async fn piece(
        &self,
        path: &str,
        offset: u64,
        length: u64,
    ) -> Result<(Vec<u8>, u64), AgentError> {
        match self.call(Body::Get { path: path.into(), offset, length }, REQUEST).await? {
            Reply::Bytes { data, size } => Ok((base64::decode(&data).unwrap_or_default(), size)),
            other => Err(AgentError::unexpected(&self.info.name, "read a file", &other)),
        }
    }
}

/// Waits until the port accepts, looking in between whether the daemon still lives: one that ended
/// at once must not cost the whole patience.
async fn serving(
    network: &Network,
    node: &Node,
    daemon: &Daemon,
    patience: Duration,
) -> Result<Identity, DaemonError> {
    let address = SocketAddr::new(node.info.address, daemon.ready_port);
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let accepted = network.await_port(address, left.min(LOOK)).await;
        let problem = match (node.status(&daemon.spec.name).await?, accepted) {
            (DaemonState::Running(identity), Ok(())) => return Ok(identity),
            (DaemonState::Running(_), Err(why)) if Instant::now() >= deadline => {
                format!("not serving after {patience:?} ({why})")
            }
            (DaemonState::Running(_), Err(_)) => continue,
            (DaemonState::Exited { code, .. }, _) => match code {
                Some(code) => format!("it ended with code {code}"),
                None => "it ended".into(),
            },
            (DaemonState::Paused(_), _) => "it is paused".into(),
            (DaemonState::Absent, _) => "the agent does not know it".into(),
        };
        let last_line = match node.last_line(&daemon.spec.log).await {
            Ok(line) => line,
            Err(error) => format!("unknown ({error})"),
        };
        return Err(DaemonError::NotServing {
            daemon: daemon.spec.name.clone(),
            node: node.info.name.clone(),
            problem,
            last_line,
        });
    }
}
