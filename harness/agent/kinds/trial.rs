//! A process of our own that sleeps, for trying out what is done to daemons.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::proc;
use crate::protocol::Identity;
use crate::sys;

/// Longest wait for a state.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ends with this value.
pub(crate) struct Trial {
    child: Child,
    identity: Identity,
}

impl Trial {
    pub(super) fn start() -> Result<Trial, String> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("idle").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = sys::own_session(&mut command).spawn();
        let child = started.map_err(|error| format!("start a process: {error}"))?;
        let stat = proc::stat(child.id() as i32);
        // Nobody has waited for it, so the number is its own.
        let identity = stat.map(|stat| stat.identity);
        let identity = identity.unwrap_or(Identity { pid: child.id() as i32, start: 0 });
        let trial = Trial { child, identity };
        if stat.is_some() { Ok(trial) } else { Err("no /proc".into()) }
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    pub(super) fn send(&self, signal: Signal) -> Result<(), String> {
        match proc::signal(self.identity, signal) {
            Ok(true) => Ok(()),
            Ok(false) => Err("the process was gone".to_string()),
            Err(error) => Err(format!("{signal}: {error}")),
        }
    }

    /// Waits until the process is in a state that `wanted` accepts.
    pub(super) fn reaches(&self, wanted: impl Fn(char) -> bool, name: &str) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if proc::stat(self.identity.pid).is_some_and(|now| wanted(now.state)) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Err(format!("a process did not become {name}"))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // It may have ended by what was tried.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
