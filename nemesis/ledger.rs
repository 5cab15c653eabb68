//! The fault ledger: every edge of every fault, durable before the fault where it must be.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tribunal_harness::clock::Clock;
use tribunal_harness::cluster::Cluster;
use tribunal_harness::nemesis::{Evidence, Injection};
use tribunal_history::{FaultEdge, FaultEvent};

/// Takes one edge; `true` asks for it to be on the disk before the call returns.
pub type Sink = Arc<dyn Fn(FaultEvent, bool) -> io::Result<()> + Send + Sync>;

/// Writes the edges of faults beside the history.
#[derive(Clone)]
pub struct Ledger {
    clock: Clock,
    sink: Sink,
    names: Arc<Vec<String>>,
}

impl Ledger {
    /// A ledger for the nodes of `cluster`.
    pub fn new(clock: Clock, cluster: &Cluster, sink: Sink) -> Ledger {
        let names = cluster.nodes.iter().map(|node| node.info.name.clone()).collect();
        Ledger { clock, sink, names: Arc::new(names) }
    }

    /// The window is in the schedule.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn planned(&self, it: &Injection) -> io::Result<()> {
        let detail = json!({
            "shape": it.shape,
            "at_ms": it.at.as_millis() as u64,
            "hold_ms": it.hold.as_millis() as u64,
            "lease_ms": it.lease.as_millis() as u64,
        });
        self.write(it, FaultEdge::Planned, detail, false)
    }

    /// About to happen. On the disk when this returns.
    ///
    /// # Errors
    /// The record cannot be written: then the fault must not happen.
    pub fn armed(&self, it: &Injection) -> io::Result<()> {
        let cuts: Vec<String> = it.cuts.iter().map(|(i, j)| format!("{i}->{j}")).collect();
        self.write(it, FaultEdge::Armed, json!({ "cuts": cuts, "flap": it.flap }), true)
    }

    /// A step with what was measured.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn measured(&self, it: &Injection, edge: FaultEdge, found: &Evidence) -> io::Result<()> {
        self.write(it, edge, json!({ "evidence": found.notes }), false)
    }

    /// A step that was not taken, or failed.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn failed(&self, it: &Injection, edge: FaultEdge, reason: &str) -> io::Result<()> {
        self.write(it, edge, json!({ "reason": reason }), false)
    }

    fn write(&self, it: &Injection, edge: FaultEdge, detail: Value, sync: bool) -> io::Result<()> {
        let mut nodes: Vec<usize> = it.targets.iter().map(|node| usize::from(node.0)).collect();
        nodes.extend(it.cuts.iter().map(|(_, to)| usize::from(to.0)));
        nodes.sort_unstable();
        nodes.dedup();
        let name = |node: &usize| self.names.get(*node).cloned();
        let event = FaultEvent {
            time: self.clock.now(),
            fault: it.id,
            edge,
            kind: it.kind.clone(),
            nodes: nodes.iter().filter_map(name).collect(),
            detail: detail.to_string(),
        };
        (self.sink)(event, sync)
    }
}
