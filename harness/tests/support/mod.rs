//! What the tests with real nodes share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tribunal_harness::control::{AGENT_VARIABLE, AgentBinary};

/// Whether local nodes can be made here; says so if not.
pub(crate) fn equipped() -> bool {
    if !Uid::effective().is_root() {
        println!("skipped: not root");
        return false;
    }
    if !Path::new("/usr/sbin/sshd").exists() {
        println!("skipped: no sshd");
        return false;
    }
    !agent_is_missing()
}

/// Says so, too.
pub(crate) fn agent_is_missing() -> bool {
    match AgentBinary::find() {
        Ok(_) => false,
        Err(error) => {
            println!("skipped: {error}");
            true
        }
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn wait_for(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < deadline, "waited {patience:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A directory that goes away, whose path marks everything that belongs to it.
pub(crate) struct Scratch {
    path: PathBuf,
    _owned: tempfile::TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let dir = tempfile::Builder::new().prefix("tribunal-test-").tempdir().unwrap();
        Scratch { path: dir.path().to_path_buf(), _owned: dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Processes whose mounts lie in here: whatever lives in one of the nodes.
    pub(crate) fn inhabitants(&self) -> Vec<i32> {
        inhabitants(&self.path)
    }

    /// State letter of the one process of that name in the nodes.
    pub(crate) fn state_of(&self, name: &str) -> Option<char> {
        let stat = |pid: i32| fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        let stats = self.inhabitants().into_iter().filter_map(stat);
        let mut found = stats.filter(|text| text.contains(&format!("({name})")));
        found.next()?.rsplit_once(") ")?.1.chars().next()
    }
}

fn inhabitants(state: &Path) -> Vec<i32> {
    let mark = format!("upperdir={}", state.display());
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        // A process that ends while we look has no mounts.
        fs::read_to_string(format!("/proc/{pid}/mountinfo")).is_ok_and(|it| it.contains(&mark))
    })
    .collect()
}

/// Kills PID 1 of a node of the cluster whose state is in `state`: a power cut.
pub(crate) fn kill_first_of(node: &str, state: &Path) {
    let of_node = inhabitants(&state.join("nodes").join(node));
    let first = of_node.into_iter().find(|pid| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let inner = status.lines().find(|line| line.starts_with("NSpid:")).unwrap_or_default();
        inner.split_whitespace().nth(2) == Some("1")
    });
    kill(Pid::from_raw(first.expect("no PID 1 in the node")), Signal::SIGKILL).unwrap();
}

/// A process of ours in another role.
pub(crate) struct Owner(Child);

/// Starts the example `cluster_owner`, which `cargo test` has built beside us.
pub(crate) fn spawn_owner(role: &str, scratch: &Scratch) -> Option<Owner> {
    let program = std::env::current_exe().unwrap();
    let example = program.parent()?.parent()?.join("examples/cluster_owner");
    if !example.exists() {
        println!("skipped: no {}; build it with --examples", example.display());
        return None;
    }
    let agent = AgentBinary::find().unwrap();
    let child = Command::new(example)
        .arg(role)
        .arg(&scratch.path)
        .env(AGENT_VARIABLE, &agent.path)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    Some(Owner(child))
}

impl Owner {
    pub(crate) fn kill_9(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn end(mut self) {
        wait_for("the child's end", Duration::from_secs(10), || {
            self.0.try_wait().unwrap().is_some()
        });
    }
}
