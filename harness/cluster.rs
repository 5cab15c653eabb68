//! The nodes of a run, and the link to each agent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tribunal_agent::protocol::{Body, Failure, Hello, Reply};

use crate::control::Link;
use crate::node::NodeInfo;

/// A node and the way to its agent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is.
    pub info: NodeInfo,
    /// Its agent.
    pub link: Link,
    /// What the agent said of itself.
    pub hello: Arc<Hello>,
    /// Names of the daemons the target runs here.
    pub daemons: Arc<Vec<String>>,
}

/// The nodes of one run, in order.
#[derive(Debug)]
pub struct Cluster {
    /// In the order of the inventory.
    pub nodes: Vec<Node>,
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

impl Node {
    /// Every address at which peers may meet this node: the inventory's, and those of its
    /// interfaces, without the ones that only the controller uses.
    pub fn peer_addresses(&self) -> Vec<IpAddr> {
        let control = self.hello.ssh.map(|ssh| ssh.ip());
        let mut all = vec![self.info.address];
        for address in &self.hello.addresses {
            if Some(*address) != control && !all.contains(address) {
                all.push(*address);
            }
        }
        all
    }

    /// Asks the agent and waits for its answer, at most `patience`.
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn call(&self, body: Body, patience: Duration) -> Result<Reply, AgentError> {
        self.link.call(&self.info.name, body, patience).await
    }
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
}
