//! Every wait of a run, named in one place. Hitting one is reported with its name, never a hang.

use std::time::Duration;

/// Patience, by phase and request.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// TCP connect, host key and login to one node.
    pub connect: Duration,
    /// Preflight of one node.
    pub preflight: Duration,
    /// Claiming one node and starting its agent.
    pub claim: Duration,
    /// Healing what an earlier run left.
    pub leftovers: Duration,
    /// One try of install, start and readiness.
    pub setup: Duration,
    /// One ordinary request to an agent.
    pub request: Duration,
    /// One chunk of a file.
    pub chunk: Duration,
    /// One operation of a client, unless its name has a deadline of its own.
    pub op: Duration,
    /// Closing a client in good order.
    pub close: Duration,
    /// Opening clients and checking assumptions.
    pub assumptions: Duration,
    /// Healing every fault after the load.
    pub heal: Duration,
    /// Final reads.
    pub final_reads: Duration,
    /// Collecting the logs of all nodes.
    pub logs: Duration,
    /// Teardown.
    pub teardown: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        let seconds = Duration::from_secs;
        Deadlines {
            connect: seconds(10),
            preflight: seconds(30),
            claim: seconds(20),
            leftovers: seconds(60),
            setup: seconds(120),
            request: seconds(5),
            chunk: seconds(20),
            op: seconds(5),
            close: seconds(2),
            assumptions: seconds(60),
            heal: seconds(60),
            final_reads: seconds(60),
            logs: seconds(60),
            teardown: seconds(60),
        }
    }
}
