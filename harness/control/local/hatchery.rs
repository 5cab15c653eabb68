//! The thread that starts nodes, lives as long as they do, and ends them.
//!
//! A launcher asks the kernel for SIGKILL when its parent goes (`PR_SET_PDEATHSIG`), and "parent"
//! means the *thread* that forked it. So one thread forks them all and stays: the controller's
//! death by whatever signal takes every node with it, and nothing has to be cleaned up.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use nix::unistd::Pid;
use tribunal_agent::launch::LaunchPlan;

use crate::control::error::{ClusterError, Step};

/// Patience for one launcher to reach its sshd.
const LAUNCH: Duration = Duration::from_secs(20);

/// Patience for killed nodes to be gone.
const REAP: Duration = Duration::from_secs(5);

/// The nodes of a cluster and the thread they hang on.
#[derive(Debug)]
pub(super) struct Hatchery {
    // Dropped first: its end is the order to kill.
    stay: Option<Sender<()>>,
    thread: Option<JoinHandle<Vec<String>>>,
}

/// A node that was started.
struct Node {
    name: String,
    launcher: Child,
    /// PID 1 of the node, as seen from here.
    first: Option<i32>,
}

impl Hatchery {
    /// Starts all nodes at once; answers when each is about to become its sshd.
    pub(super) fn start(
        agent: &Path,
        state: &Path,
        plans: Vec<LaunchPlan>,
    ) -> Result<Hatchery, ClusterError> {
        let (stay, go) = mpsc::channel();
        let (started, outcome) = mpsc::channel();
        let (agent, state) = (agent.to_path_buf(), state.to_path_buf());
        let thread = thread::Builder::new()
            .name("hatchery".into())
            .spawn(move || {
                let mut nodes = Vec::new();
                let hatched = hatch(&agent, &state, &plans, &mut nodes);
                let failed = hatched.is_err();
                let _ = started.send(hatched);
                if !failed {
                    // Nobody ever sends: the order is the end of the sender.
                    let _ = go.recv();
                }
                end(nodes)
            })
            .map_err(|error| ClusterError::local("start nodes", error, "free some threads"))?;
        let hatchery = Hatchery { stay: Some(stay), thread: Some(thread) };
        outcome.recv().map_err(|_| {
            ClusterError::local("start nodes", "the thread panicked", "report this bug")
        })??;
        Ok(hatchery)
    }

    /// Kills every node and waits for them. Idempotent. Answers what would not die.
    pub(super) fn stop(&mut self) -> Vec<String> {
        self.stay = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(stuck)) => stuck,
            Some(Err(_)) => vec!["the thread of the nodes panicked".into()],
            None => Vec::new(),
        }
    }
}

impl Drop for Hatchery {
    fn drop(&mut self) {
        for stuck in self.stop() {
            tracing::warn!("{stuck}");
        }
    }
}

/// Where the launcher of a node says what it has to say.
pub(super) fn log_of(state: &Path, node: &str) -> PathBuf {
    state.join(format!("{node}.log"))
}

fn hatch(
    agent: &Path,
    state: &Path,
    plans: &[LaunchPlan],
    nodes: &mut Vec<Node>,
) -> Result<(), ClusterError> {
    make_room(&state.join("nodes"))?;
    let mut waiting = Vec::new();
    for plan in plans {
        let log = log_of(state, &plan.name);
        let (mut launcher, stdout) = spawn(agent, plan, &log)?;
        let said = reports(stdout);
        let written = feed(&mut launcher, plan);
        nodes.push(Node { name: plan.name.clone(), launcher, first: None });
        waiting.push((said, log, written));
    }
    let deadline = Instant::now() + LAUNCH;
    let mut errors = Vec::new();
    for (node, (said, log, written)) in nodes.iter_mut().zip(waiting) {
        let outcome = written.and_then(|()| hear(&said, deadline, &mut node.first));
        if let Err(problem) = outcome {
            let next = format!("the node's log is {}: {}", log.display(), tail(&log));
            errors.push(ClusterError::node(&node.name, Step::Launch, problem, next));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ClusterError::several(errors)) }
}

/// Upper layers cannot lie on an overlay. There they go onto a tmpfs in a mount namespace of this
/// thread, which its children inherit and which ends with them: still nothing to clean up.
fn make_room(nodes: &Path) -> Result<(), ClusterError> {
    std::fs::create_dir_all(nodes).map_err(|error| ClusterError::file(nodes, error))?;
    let there = statfs(nodes).map_err(|error| ClusterError::file(nodes, error))?;
    if there.filesystem_type() != OVERLAYFS_SUPER_MAGIC {
        return Ok(());
    }
    let none: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)
        .and_then(|()| mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none))
        .and_then(|()| mount(Some("tmpfs"), nodes, Some("tmpfs"), MsFlags::empty(), none))
        .map_err(|error| {
            ClusterError::local(
                format!("mount a tmpfs on {} (it lies on overlayfs)", nodes.display()),
                error,
                "give a run directory on ext4, xfs or tmpfs",
            )
        })
}

fn spawn(
    agent: &Path,
    plan: &LaunchPlan,
    log: &Path,
) -> Result<(Child, ChildStdout), ClusterError> {
    let trouble = |error: &dyn std::fmt::Display| {
        let next = format!("check that {} is an agent for this machine", agent.display());
        ClusterError::node(&plan.name, Step::Launch, error, next)
    };
    let stderr = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .map_err(|error| ClusterError::file(log, error))?;
    let mut launcher = Command::new(agent)
        .arg("node")
        // An interrupt from the terminal is the controller's to answer: it still needs the node.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .map_err(|error| trouble(&error))?;
    match launcher.stdout.take() {
        Some(stdout) => Ok((launcher, stdout)),
        None => Err(trouble(&"it has no stdout")),
    }
}

fn feed(launcher: &mut Child, plan: &LaunchPlan) -> Result<(), String> {
    let mut stdin = launcher.stdin.take().ok_or("the launcher has no stdin")?;
    serde_json::to_writer(&mut stdin, plan)
        .map_err(|error| error.to_string())
        .and_then(|()| stdin.flush().map_err(|error| error.to_string()))
        .map_err(|error| format!("hand over the plan: {error}"))
}

/// Lines of a launcher, read by a thread so that the wait can end.
fn reports(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn hear(said: &Receiver<String>, deadline: Instant, first: &mut Option<i32>) -> Result<(), String> {
    let mut step = "start".to_owned();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match said.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("{step}: nothing more after {LAUNCH:?}"));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(format!("{step}: the launcher ended"));
            }
        };
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("step", name) => step = name.to_owned(),
            ("pid", number) => *first = number.parse().ok(),
            ("ready", "") if first.is_some() => return Ok(()),
            ("ready", "") => return Err("ready without a pid".into()),
            ("error", text) => return Err(text.to_owned()),
            _noise => return Err(format!("{step}: the launcher said {line:?}")),
        }
    }
}

/// PID 1 of each node is killed, all at once, and takes its namespace with it; the launcher, which
/// is our child, then ends. Killing the launcher first would leave zombies where the init of this
/// machine reaps late.
fn end(mut nodes: Vec<Node>) -> Vec<String> {
    for node in &mut nodes {
        let gone = !matches!(node.launcher.try_wait(), Ok(None));
        match node.first {
            // While the launcher lives it has not reaped its child: the pid is nobody else's.
            Some(pid) if !gone => _ = kill(Pid::from_raw(pid), Signal::SIGKILL),
            Some(_) => {}
            None => _ = node.launcher.kill(),
        }
    }
    let deadline = Instant::now() + REAP;
    nodes.into_iter().filter_map(|node| reap(node, deadline)).collect()
}

fn reap(mut node: Node, deadline: Instant) -> Option<String> {
    while Instant::now() < deadline {
        match node.launcher.try_wait() {
            Ok(Some(_)) | Err(_) => return None,
            Ok(None) => thread::sleep(Duration::from_millis(2)),
        }
    }
    let pid = node.launcher.id();
    let _ = node.launcher.kill();
    Some(format!("node {}: did not end within {REAP:?}; look at process {pid}", node.name))
}

/// Last words of a log.
fn tail(log: &PathBuf) -> String {
    let mut text = String::new();
    let read = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(500)))?;
        file.read_to_string(&mut text)
    });
    match read {
        Ok(_) if text.trim().is_empty() => "(empty)".into(),
        Ok(_) => text.trim().to_owned(),
        Err(error) => error.to_string(),
    }
}
