//! A cluster of local nodes, from plan to nothing.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime};

use nix::sys::statvfs::statvfs;

use super::hatchery::Hatchery;
use super::links::Namespaces;
use super::plan::{LocalNode, LocalPlan, NodeKeys, key_of};
use crate::control::bootstrap::AgentBinary;
use crate::control::connect::FREE_BYTES;
use crate::control::error::ClusterError;
use crate::control::hostkey::HostKeys;
use crate::control::inventory::{Host, Inventory};
use crate::control::network::Network;
use crate::control::processes::AGENT_LOG;
use crate::control::ssh::{Endpoint, Retry};

const SSHD: &str = "/usr/sbin/sshd";
/// Where host keys are made, beneath the state of a cluster; gone once they are read.
const MAKING: &str = "hostkeys";

/// Nodes that live as long as this value, and die with the process that holds it.
#[derive(Debug)]
pub struct LocalCluster {
    // In the order of the teardown: nodes, then their namespaces.
    hatchery: Hatchery,
    namespaces: Option<Namespaces>,
    plan: LocalPlan,
    keep: bool,
}

impl LocalCluster {
    /// Makes the networks and starts the nodes. Their sshd may not listen yet when this returns.
    ///
    /// # Errors
    /// The step, and what is missing on this machine. Nothing is left behind.
    pub fn up(
        count: usize,
        state: &Path,
        agent: &AgentBinary,
        keep: bool,
    ) -> Result<LocalCluster, ClusterError> {
        let usage = |problem| ClusterError::Input { place: "--nodes".into(), problem };
        if !Path::new(SSHD).exists() {
            let next = "install openssh-server";
            return Err(ClusterError::local("start nodes", format!("there is no {SSHD}"), next));
        }
        fs::create_dir_all(state).map_err(|error| ClusterError::file(state, error))?;
        let state = state.canonicalize().map_err(|error| ClusterError::file(state, error))?;
        has_room(&state, count)?;
        let ipv6 = Path::new("/proc/net/if_inet6").exists();
        let plan = LocalPlan::new(count, cluster_id(), &state, ipv6).map_err(usage)?;
        // Keys are made by programs and links by others: at the same time.
        let (keys, namespaces) = thread::scope(|scope| {
            let keys = scope.spawn(|| make_keys(&plan));
            let namespaces = Namespaces::make(&plan);
            (keys.join(), namespaces)
        });
        let keys = keys.unwrap_or_else(|_| {
            Err(ClusterError::local("make keys", "a thread panicked", "report this bug"))
        });
        let started = || {
            let (namespaces, keys) = (namespaces?, keys?);
            let plans = plan.nodes.iter().zip(&keys).enumerate();
            let plans = plans
                .map(|(index, (node, keys))| plan.launch(node, keys, &namespaces.node_path(index)))
                .collect();
            Ok((Hatchery::start(&agent.path, &state, plans)?, namespaces))
        };
        match started() {
            Ok((hatchery, namespaces)) => {
                Ok(LocalCluster { hatchery, namespaces: Some(namespaces), plan, keep })
            }
            Err(error) => {
                // What cannot be removed opens nothing.
                let _stuck = clear(&plan.state);
                Err(error)
            }
        }
    }

    /// Where the controller's sockets belong.
    pub fn network(&self) -> Network {
        self.namespaces.as_ref().map_or_else(Network::here, Namespaces::controller)
    }

    /// How to reach the nodes, for this process.
    pub fn inventory(&self) -> Inventory {
        let netns = self.namespaces.as_ref().map(|it| PathBuf::from(it.controller_path()));
        let host = |node: &LocalNode| Host {
            name: node.name.clone(),
            address: Some(node.data()),
            control: node.control().to_string(),
            port: 22,
            user: "root".into(),
            key: Some(self.plan.key()),
            host_keys: HostKeys::Strict(self.plan.known_hosts()),
            roles: Vec::new(),
            netns: netns.clone(),
        };
        Inventory { hosts: self.plan.nodes.iter().map(host).collect(), keeper: None }
    }

    /// Waits until every node lets us in by SSH, all at once.
    ///
    /// # Errors
    /// The nodes that did not within `patience`.
    pub fn await_login(&self, patience: Duration) -> Result<(), ClusterError> {
        let hosts = self.inventory().hosts;
        let network = self.network();
        let retry = Retry::starting(patience);
        let outcomes: Vec<Result<(), ClusterError>> = thread::scope(|scope| {
            let knock = |host: &Host| {
                let endpoint = Endpoint::of(host, &network, None);
                network.run(|| endpoint.login(retry).map(drop))
            };
            let workers: Vec<_> =
                hosts.iter().map(|host| scope.spawn(move || knock(host))).collect();
            let panicked =
                |_| Err(ClusterError::local("log in", "a thread panicked", "report this bug"));
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(panicked)).collect()
        });
        let errors: Vec<ClusterError> = outcomes.into_iter().filter_map(Result::err).collect();
        if errors.is_empty() { Ok(()) } else { Err(ClusterError::several(errors)) }
    }

    /// Ends everything: nodes, links, namespaces, and their files unless they are to be kept.
    /// Idempotent. Answers what would not go.
    pub fn down(&mut self) -> Vec<String> {
        let mut stuck = self.hatchery.stop();
        if self.namespaces.take().is_none() || self.keep {
            return stuck;
        }
        stuck.extend(clear(&self.plan.state).1);
        stuck
    }
}

/// The disk of every local node is a directory beneath `state`, and on it are the programs that the
/// node is given. What is needed is looked for here, where its place can be named: as much for
/// each as it asks for by itself, and as much again.
fn has_room(state: &Path, nodes: usize) -> Result<(), ClusterError> {
    let wanted = (nodes as u64 + 1) * FREE_BYTES;
    let disk = statvfs(state).map_err(|error| ClusterError::file(state, error))?;
    let free = disk.blocks_available() * disk.fragment_size();
    if free >= wanted {
        return Ok(());
    }
    let (shown, free, wanted) = (state.display(), free >> 20, wanted >> 20);
    let problem = format!(
        "disk full: {free} MiB free at {shown}, where local nodes keep their files; {wanted} are \
         needed"
    );
    let next = "free some space there, or name a directory elsewhere";
    // Empty: nothing was made yet.
    let _ = fs::remove_dir(state);
    Err(ClusterError::local("start nodes", problem, next))
}

/// Removes what nodes that are gone leave beneath `state`: their files, and the key, which opens
/// nothing any more. Answers whether there was anything, and what would not go.
pub fn clear(state: &Path) -> (bool, Vec<String>) {
    let (nodes, key, making) = (state.join("nodes"), key_of(state), state.join(MAKING));
    let public = key.with_extension("pub");
    let mut gone = vec![
        (fs::remove_dir_all(&nodes), nodes),
        (fs::remove_file(&public), public),
        (fs::remove_file(&key), key),
        (fs::remove_dir_all(&making), making),
    ];
    // Plain processes have theirs side by side.
    let beside = fs::read_dir(state).into_iter().flatten().flatten().map(|entry| entry.path());
    for root in beside.filter(|path| path.join(AGENT_LOG).is_file()) {
        gone.push((fs::remove_dir_all(&root), root));
    }
    let removed = gone.iter().any(|(gone, _)| gone.is_ok());
    let stuck = gone.into_iter().filter_map(|(gone, path)| {
        let error = gone.err().filter(|error| error.kind() != ErrorKind::NotFound)?;
        Some(format!("remove {}: {error}", path.display()))
    });
    (removed, stuck.collect())
}

impl Drop for LocalCluster {
    fn drop(&mut self) {
        for stuck in self.down() {
            tracing::warn!("{stuck}");
        }
    }
}

/// Differs between clusters of one machine, so that a frame that strays is nobody's.
fn cluster_id() -> u16 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (since.subsec_nanos() >> 4) as u16 ^ std::process::id() as u16
}

/// Makes the controller's key and one host key per node, and writes known_hosts.
fn make_keys(plan: &LocalPlan) -> Result<Vec<NodeKeys>, ClusterError> {
    let hosts = plan.state.join(MAKING);
    fs::create_dir_all(&hosts).map_err(|error| ClusterError::file(&hosts, error))?;
    let files: Vec<PathBuf> = plan.nodes.iter().map(|node| hosts.join(&node.name)).collect();
    let all = std::iter::once(plan.key()).chain(files.iter().cloned());
    let pairs = all.map(|file| keygen(&file)).collect::<Result<Vec<_>, _>>()?;
    let Some(((_, authorized), of_nodes)) = pairs.split_first() else { return Ok(Vec::new()) };
    let mut known = String::new();
    for (node, (_, public)) in plan.nodes.iter().zip(of_nodes) {
        known.push_str(&format!("{} {}\n", node.control(), public.trim()));
    }
    let path = plan.known_hosts();
    fs::write(&path, known).map_err(|error| ClusterError::file(&path, error))?;
    // The nodes have them; here they would only lie about.
    fs::remove_dir_all(&hosts).map_err(|error| ClusterError::file(&hosts, error))?;
    let keys = of_nodes
        .iter()
        .map(|(private, _)| NodeKeys { host_key: private.clone(), authorized: authorized.clone() });
    Ok(keys.collect())
}

/// A new pair at `file` and `file.pub`; answers private and public text.
fn keygen(file: &Path) -> Result<(String, String), ClusterError> {
    // Or ssh-keygen would ask whether to overwrite.
    let public = file.with_extension("pub");
    for old in [file, &public] {
        match fs::remove_file(old) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(ClusterError::file(old, error)),
        }
    }
    let next = "install openssh-client, or free some space in the run directory";
    let output = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "tribunal", "-f"])
        .arg(file)
        // Interrupts are answered between steps, never by half of one.
        .process_group(0)
        .output()
        .map_err(|error| ClusterError::local("run ssh-keygen", error, next))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(ClusterError::local("run ssh-keygen", said.trim(), next));
    }
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|error| ClusterError::file(path, error));
    Ok((read(file)?, read(&public)?))
}
