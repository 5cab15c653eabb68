//! A process of our own that tells the time, for trying out what is done to daemons.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
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
    said: RefCell<BufReader<ChildStdout>>,
}

impl Trial {
    pub(super) fn start() -> Result<Trial, String> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("tell-time").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let started = sys::own_session(&mut command).spawn();
        let mut child = started.map_err(|error| format!("start a process: {error}"))?;
        let said = child.stdout.take().ok_or("no pipe to a process")?;
        let stat = proc::stat(child.id() as i32);
        // Nobody has waited for it, so the number is its own.
        let identity = stat.map(|stat| stat.identity);
        let identity = identity.unwrap_or(Identity { pid: child.id() as i32, start: 0 });
        let trial = Trial { child, identity, said: RefCell::new(BufReader::new(said)) };
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

    /// Reads on until the process tells a time so many seconds ahead of the kernel's as `wanted`
    /// accepts.
    pub(super) fn hears(&self, wanted: &dyn Fn(f64) -> bool) -> Result<(), String> {
        let (start, mut last) = (Instant::now(), String::new());
        while start.elapsed() < PATIENCE {
            last.clear();
            match self.said.borrow_mut().read_line(&mut last) {
                Ok(0) => return Err("a process stopped telling the time".into()),
                Ok(_) if first(&last).is_some_and(wanted) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(format!("hear a process: {error}")),
            }
        }
        Err(format!("a process is {} s ahead", last.trim()))
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

/// The number that a line begins with.
fn first(line: &str) -> Option<f64> {
    line.split_whitespace().next()?.parse().ok()
}

impl Drop for Trial {
    fn drop(&mut self) {
        // It may have ended by what was tried.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
