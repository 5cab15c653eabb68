//! Kill: SIGKILL to every process of the target's daemons; healing starts them again.

use tribunal_agent::protocol::FaultKind;

use crate::process::ProcessFault;

/// See the module.
pub static KILL: ProcessFault =
    ProcessFault { name: "kill", kind: |daemon| FaultKind::Kill { daemon } };
