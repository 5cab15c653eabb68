//! Namespaces held by descriptors, and the links between them.
//!
//! No name under `/run/netns`: a name would outlive a killed controller. A thread unshares, opens
//! what it got, and goes; `ip` finds the namespaces through `/proc/PID/fd/N` of this process.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use nix::sched::{CloneFlags, unshare};

use super::plan::LocalPlan;
use crate::control::error::ClusterError;
use crate::control::network::Network;

/// The namespaces of a cluster. Links and addresses vanish with them.
#[derive(Debug)]
pub(super) struct Namespaces {
    // Holds the bridges; nobody enters it after the set-up.
    _switch: Network,
    controller: Arc<File>,
    nodes: Vec<Arc<File>>,
}

impl Namespaces {
    /// Makes them, and everything in them.
    pub(super) fn make(plan: &LocalPlan) -> Result<Namespaces, ClusterError> {
        let switch = Network::held(fresh()?);
        let controller = fresh()?;
        let nodes: Vec<Arc<File>> = plan.nodes.iter().map(|_| fresh()).collect::<Result<_, _>>()?;
        let paths: Vec<String> = std::iter::once(&controller).chain(&nodes).map(path).collect();
        switch.run(|| {
            silence_bridge_filters()?;
            ip("make links and bridges", &plan.switch_commands(&paths))
        })?;
        let numbers = std::iter::once(0).chain(plan.nodes.iter().map(|node| node.number));
        let members: Vec<(Network, u8)> = std::iter::once(&controller)
            .chain(&nodes)
            .map(|file| Network::held(file.clone()))
            .zip(numbers)
            .collect();
        let outcomes: Vec<Result<(), ClusterError>> = thread::scope(|scope| {
            let address = |(network, number): &(Network, u8)| {
                network.run(|| ip("set addresses", &plan.member_commands(*number)))
            };
            let workers: Vec<_> =
                members.iter().map(|member| scope.spawn(move || address(member))).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|_| Err(panicked()))
            };
            workers.into_iter().map(join).collect()
        });
        let errors: Vec<ClusterError> = outcomes.into_iter().filter_map(Result::err).collect();
        match errors.is_empty() {
            true => Ok(Namespaces { _switch: switch, controller, nodes }),
            false => Err(ClusterError::several(errors)),
        }
    }

    /// Where the controller's sockets belong.
    pub(super) fn controller(&self) -> Network {
        Network::held(self.controller.clone())
    }

    /// Path of the controller's namespace, valid while this lives.
    pub(super) fn controller_path(&self) -> String {
        path(&self.controller)
    }

    /// Path of a node's namespace, valid while this lives.
    pub(super) fn node_path(&self, index: usize) -> String {
        path(&self.nodes[index])
    }
}

fn panicked() -> ClusterError {
    ClusterError::local("make links", "a thread panicked", "report this bug")
}

fn path(file: &Arc<File>) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// A new network namespace. Unsharing concerns one thread only, so it is done on one that ends.
fn fresh() -> Result<Arc<File>, ClusterError> {
    let make = || -> io::Result<File> {
        unshare(CloneFlags::CLONE_NEWNET)?;
        File::open("/proc/thread-self/ns/net")
    };
    let made = thread::spawn(make).join().map_err(|_| panicked())?;
    made.map(Arc::new).map_err(|error| {
        ClusterError::local(
            "make a network namespace",
            error,
            "run as root, or use `--nodes processes:3`, which needs no privilege",
        )
    })
}

/// Bridged frames would pass iptables otherwise: a fresh namespace starts with these at 1.
fn silence_bridge_filters() -> Result<(), ClusterError> {
    for family in ["iptables", "ip6tables", "arptables"] {
        let file = format!("/proc/sys/net/bridge/bridge-nf-call-{family}");
        if Path::new(&file).exists() {
            fs::write(&file, "0").map_err(|error| ClusterError::file(&file, error))?;
        }
    }
    Ok(())
}

/// Runs the commands in the namespace of this thread.
fn ip(what: &str, commands: &str) -> Result<(), ClusterError> {
    let trouble = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            ClusterError::local(what, "there is no `ip`", "install iproute2")
        }
        _other => ClusterError::local(what, error, "free processes and memory"),
    };
    let mut child = Command::new("ip")
        .args(["-batch", "-"])
        // Interrupts are answered between steps, never by half of one.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(trouble)?;
    // An early death of `ip` breaks the pipe; its own words come with the exit code.
    let written = child.stdin.take().map_or(Ok(()), |mut pipe| pipe.write_all(commands.as_bytes()));
    let output = child.wait_with_output().map_err(trouble)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let next = "update iproute2 and check that the kernel has veth and bridge";
        return Err(ClusterError::local(what, said.trim(), next));
    }
    written.map_err(trouble)
}
