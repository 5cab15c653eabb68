//! A handle to an agent, whatever carries the frames.

use std::time::Duration;

use tribunal_agent::protocol::{Body, Reply};

use crate::cluster::AgentError;

/// Sends requests over one held channel. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Link;

impl Link {
    /// See [`crate::cluster::Node::call`].
    pub async fn call(
        &self,
        node: &str,
        body: Body,
        patience: Duration,
    ) -> Result<Reply, AgentError> {
        let what = format!("{body:?}");
        Err(AgentError::Deadline { node: node.into(), what, patience })
    }
}
