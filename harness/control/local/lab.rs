//! Local nodes that outlive a run: kept by a process of their own, handed out as an inventory.
//!
//! The keeper holds the namespaces by descriptors and the nodes by its thread, so its death takes
//! everything along, exactly as with an owned cluster. Leases and healing are tested on these:
//! with owned nodes "nothing was left behind" would be true for the wrong reason.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, setsid};
use serde::{Deserialize, Serialize};

use super::hatchery::log_of;
use super::plan::LocalPlan;
use super::provider::{LocalCluster, clear};
use crate::control::bootstrap::AgentBinary;
use crate::control::error::ClusterError;
use crate::control::hostkey::HostKeys;

/// Patience for the keeper to end the cluster in order.
const ORDERLY: Duration = Duration::from_secs(10);

/// Patience for the nodes to let us in.
const LOGIN: Duration = Duration::from_secs(20);

/// Who keeps a lab cluster: the `[lab]` table of its inventory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keeper {
    /// Process id.
    pub pid: i32,
    /// Start time, field 22 of `/proc/PID/stat`: a later process with that number is not it.
    pub start: u64,
    /// Where its files are.
    pub state: PathBuf,
}

#[derive(Serialize)]
struct Document {
    known_hosts: PathBuf,
    defaults: Defaults,
    node: Vec<Node>,
    lab: Keeper,
}

#[derive(Serialize)]
struct Defaults {
    user: String,
    key: PathBuf,
    netns: PathBuf,
}

#[derive(Serialize)]
struct Node {
    name: String,
    address: String,
    control_address: String,
}

#[derive(Deserialize)]
struct Kept {
    lab: Keeper,
    node: Vec<toml::Table>,
}

/// Becomes the keeper: brings `count` nodes up, writes `inventory`, and returns when SIGTERM or
/// SIGINT has come and everything is gone. Call it on the main thread of a process of its own,
/// before any other thread exists: signals must be blocked in all of them.
///
/// # Errors
/// Those of [`LocalCluster::up`], and files that cannot be written.
pub fn keep(
    count: usize,
    state: &Path,
    inventory: &Path,
    agent: &AgentBinary,
) -> Result<(), ClusterError> {
    let trouble = |step: &str, error: Errno| {
        ClusterError::local(format!("keep the cluster: {step}"), error, "report this bug")
    };
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().map_err(|error| trouble("block signals", error))?;
    // The leader of a group cannot leave its session; then it has been detached already.
    match setsid() {
        Ok(_) | Err(Errno::EPERM) => {}
        Err(error) => return Err(trouble("leave the terminal", error)),
    }
    let mut cluster = LocalCluster::up(count, state, agent, false)?;
    // A reader of the inventory takes a refused connection for a dead host.
    cluster.await_login(LOGIN)?;
    publish(&cluster, state, inventory)?;
    loop {
        match signals.wait() {
            Ok(Signal::SIGHUP) | Err(Errno::EINTR) => {}
            Ok(_) => break,
            Err(error) => return Err(trouble("wait for signals", error)),
        }
    }
    let _ = fs::remove_file(inventory);
    let stuck = cluster.down();
    match stuck.is_empty() {
        true => Ok(()),
        false => Err(ClusterError::local("end the cluster", stuck.join("; "), "end it by hand")),
    }
}

/// How [`up`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raised {
    /// The nodes are there.
    Kept,
    /// An interrupt came first: what was started is gone.
    Interrupted,
}

/// Starts `keeper` (a command that calls [`keep`]) detached, and waits for its inventory. Call it
/// on the main thread before any other thread exists: `interrupts` are blocked from then on, and
/// looked at here. `log`, which the keeper writes, must not exist.
///
/// # Errors
/// It ended before, with the end of its log; or nothing came in `patience`.
pub fn up(
    mut keeper: Command,
    inventory: &Path,
    log: &Path,
    (patience, interrupts): (Duration, &[Signal]),
) -> Result<Raised, ClusterError> {
    if inventory.exists() {
        let problem = "there is one already";
        return Err(ClusterError::file(inventory, format!("{problem}; run `tribunal down` first")));
    }
    let trouble = |error: Errno| {
        ClusterError::local("start the cluster: watch signals", error, "report this bug")
    };
    let signals: SigSet = interrupts.iter().copied().collect();
    signals.thread_block().map_err(trouble)?;
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(trouble)?;
    let output = File::create_new(log).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let problem = "there is one already: a cluster is being started here";
            ClusterError::file(log, format!("{problem}; name another directory, or remove it"))
        }
        _ => ClusterError::file(log, error),
    })?;
    let mut child = keeper
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .map_err(|error| ClusterError::local("start the keeper", error, "report this bug"))?;
    let deadline = Instant::now() + patience;
    loop {
        if signals.read_signal().map_err(trouble)?.is_some() {
            take_back(&mut child);
            let _ = fs::remove_file(log);
            return Ok(Raised::Interrupted);
        }
        if inventory.exists() {
            return Ok(Raised::Kept);
        }
        let ended = child.try_wait().map_err(|error| ClusterError::file(log, error))?;
        if ended.is_some() || Instant::now() >= deadline {
            let said = fs::read_to_string(log).unwrap_or_else(|error| error.to_string());
            let why = ended.map_or(format!("silent for {patience:?}"), |status| status.to_string());
            let problem = format!("the keeper: {why}: {}", said.trim());
            let _ = child.kill();
            let _ = child.wait();
            // It is told here.
            let _ = fs::remove_file(log);
            return Err(ClusterError::local("start the cluster", problem, "see above"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A keeper that is asked to go ends its nodes first, and removes what it wrote. Nodes of one that
/// is killed die with it.
fn take_back(keeper: &mut Child) {
    // It is our child and not reaped: the number is its own.
    let _ = kill(Pid::from_raw(keeper.id() as i32), Signal::SIGTERM);
    let deadline = Instant::now() + ORDERLY;
    while Instant::now() < deadline && matches!(keeper.try_wait(), Ok(None)) {
        thread::sleep(Duration::from_millis(20));
    }
    let _ = keeper.kill();
    let _ = keeper.wait();
}

/// Ends the cluster behind `inventory` and returns where its files were. Idempotent as far as its
/// keeper is gone already.
///
/// # Errors
/// No lab inventory, or a keeper that would not go.
pub fn down(inventory: &Path) -> Result<PathBuf, ClusterError> {
    let text = fs::read_to_string(inventory).map_err(|error| {
        ClusterError::file(inventory, format!("cannot read it: {error}; is a lab cluster up?"))
    })?;
    let Kept { lab, node } = toml::from_str(&text).map_err(|error| ClusterError::Input {
        place: inventory.display().to_string(),
        problem: format!(
            "no inventory of a lab: {}; give the one that `tribunal up` printed",
            error.message()
        ),
    })?;
    let signalled = lab.signal(Signal::SIGTERM)?;
    if signalled && !lab.gone_within(ORDERLY) {
        lab.signal(Signal::SIGKILL)?;
        if !lab.gone_within(ORDERLY) {
            let problem = format!("process {} does not end", lab.pid);
            return Err(ClusterError::local("end the keeper", problem, "look at that process"));
        }
    }
    // A keeper that was killed could not do this.
    let _ = fs::remove_file(inventory);
    let _stuck = clear(&lab.state);
    // What a run keeps for its reader is of no use any more.
    if let Ok(plan) = LocalPlan::new(node.len(), 0, &lab.state, false) {
        let _ = fs::remove_file(plan.known_hosts());
        for node in &plan.nodes {
            let _ = fs::remove_file(log_of(&lab.state, &node.name));
        }
    }
    let _ = fs::remove_dir(&lab.state);
    Ok(lab.state)
}

impl Keeper {
    /// This process.
    fn me(state: &Path) -> Result<Keeper, ClusterError> {
        let pid = std::process::id() as i32;
        let start = start_time(pid).ok_or_else(|| {
            ClusterError::local("read /proc/self/stat", "no start time in it", "mount /proc")
        })?;
        Ok(Keeper { pid, start, state: state.into() })
    }

    /// Whether the keeper still lives.
    pub fn lives(&self) -> bool {
        start_time(self.pid) == Some(self.start)
    }

    fn signal(&self, signal: Signal) -> Result<bool, ClusterError> {
        if !self.lives() {
            return Ok(false);
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(error) => Err(ClusterError::local("end the keeper", error, "run as root")),
        }
    }

    fn gone_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.lives() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }
}

/// Start time of a process that is not a zombie.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold blanks and parentheses; after its last one come state and numbers.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _alive => fields.nth(18)?.parse().ok(),
    }
}

fn publish(cluster: &LocalCluster, state: &Path, inventory: &Path) -> Result<(), ClusterError> {
    let hosts = cluster.inventory().hosts;
    let Some(first) = hosts.first() else {
        return Err(ClusterError::local("write the inventory", "no node", "report this bug"));
    };
    let HostKeys::Strict(known_hosts) = first.host_keys.clone() else {
        return Err(ClusterError::local("write the inventory", "no host keys", "report this bug"));
    };
    let document = Document {
        known_hosts,
        defaults: Defaults {
            user: first.user.clone(),
            key: first.key.clone().unwrap_or_default(),
            netns: first.netns.clone().unwrap_or_default(),
        },
        node: hosts
            .iter()
            .map(|host| Node {
                name: host.name.clone(),
                address: host.address.map(|address| address.to_string()).unwrap_or_default(),
                control_address: host.control.clone(),
            })
            .collect(),
        lab: Keeper::me(state)?,
    };
    let text = toml::to_string(&document).map_err(|error| ClusterError::file(inventory, error))?;
    let part = inventory.with_extension("part");
    fs::write(&part, text)
        .and_then(|()| fs::rename(&part, inventory))
        .map_err(|error| ClusterError::file(inventory, error))
}
