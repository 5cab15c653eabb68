//! Pause: SIGSTOP to every process of the target's daemons; healing sends SIGCONT.
//!
//! A paused process still has its sockets acknowledged by the kernel, which a dead one has not:
//! peers wait instead of reconnecting. That is what makes leases and stale leaders show.

use tribunal_agent::protocol::FaultKind;

use crate::process::ProcessFault;

/// See the module.
pub static PAUSE: ProcessFault =
    ProcessFault { name: "pause", kind: |daemon| FaultKind::Pause { daemon } };
