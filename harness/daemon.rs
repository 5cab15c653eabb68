//! A server program as data: how to start it, and how to know that it serves.

pub use tribunal_agent::protocol::{DaemonSpec, DaemonState, Identity};

/// What a target wants to have running on a node. Started, stopped, killed and paused in one
/// place for every target; tracked by pid and start time, never by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The program.
    pub spec: DaemonSpec,
    /// TCP port that accepts once the daemon serves; polled by the controller.
    pub ready_port: u16,
    /// Data directories, wiped before each run.
    pub data: Vec<String>,
}
