//! Keeps claims alive: a thread per cluster, apart from every runtime.
//!
//! A lease must be renewed while the controller computes, waits or starves its runtime, and must
//! run out when the controller is dead. A thread does both.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tribunal_agent::protocol::Body;

use super::link::Pending;
use crate::cluster::{AgentError, Node};

/// Ends when dropped.
#[derive(Debug)]
pub(crate) struct Renewal {
    stay: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewal {
    /// Renews every third of a lease, on all nodes at once.
    pub(crate) fn start(nodes: Vec<Node>, lease: Duration) -> std::io::Result<Renewal> {
        let (stay, end) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("leases".into()).spawn(move || {
            let mut silent = BTreeSet::new();
            while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(lease / 3) {
                renew(&nodes, lease, &mut silent);
            }
        })?;
        Ok(Renewal { stay: Some(stay), thread: Some(thread) })
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.stay = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that renews leases panicked; nodes heal by themselves");
        }
    }
}

fn renew(nodes: &[Node], lease: Duration, silent: &mut BTreeSet<String>) {
    let body = Body::Renew { lease_ms: lease.as_millis() as u64 };
    let sent: Vec<Pending> = nodes
        .iter()
        .map(|node| node.link.submit(&node.info.name, body.clone(), lease / 3))
        .collect();
    for (node, pending) in nodes.iter().zip(sent) {
        match pending.block() {
            Ok(_) => _ = silent.remove(&node.info.name),
            Err(error) => report(node, &error, silent),
        }
    }
}

/// Once per silence: a lost node is lost for the rest of the run.
fn report(node: &Node, error: &AgentError, silent: &mut BTreeSet<String>) {
    if silent.insert(node.info.name.clone()) {
        tracing::warn!("{error}; its faults heal when the lease ends");
    }
}
