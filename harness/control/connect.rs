//! From a provider to agents that have said hello: all nodes at once, each with its own lane.

use std::net::IpAddr;
use std::thread;

use tribunal_agent::protocol::Hello;
use tribunal_history::NodeId;

use super::addresses::{Known, learn};
use super::bootstrap;
use super::bulk::Bulk;
use super::error::{ClusterError, Step};
use super::inventory::Inventory;
use super::lane;
use super::link::Link;
use super::loopback::Block;
use super::network::Network;
use super::processes;
use super::ssh::{Endpoint, Retry};
use crate::cluster::{Node, UpOptions};
use crate::node::NodeInfo;

/// Least free space beneath an agent's root: its journal must never fail for want of a block.
pub(super) const FREE_BYTES: u64 = 64 << 20;

/// A node that answered.
pub(crate) struct Answered {
    pub(crate) node: Node,
    pub(crate) hello: Hello,
}

/// What came of connecting: nodes in order, and the errors of the others.
pub(crate) struct Outcome {
    pub(crate) answered: Vec<Answered>,
    pub(crate) failed: Vec<ClusterError>,
}

/// Agents on hosts, over SSH. `starting` says that their sshd may not listen yet.
pub(crate) fn hosts(
    inventory: &Inventory,
    network: &Network,
    options: &UpOptions,
    starting: bool,
) -> Outcome {
    let endpoints: Vec<Endpoint> = {
        let password = options.password.as_ref();
        inventory.hosts.iter().map(|host| Endpoint::of(host, network, password)).collect()
    };
    let patience = options.deadlines.connect;
    let connect = |endpoint: &Endpoint| {
        let retry = if starting { Retry::starting(patience) } else { Retry::host(patience) };
        let (ours, agent) = (endpoint.clone(), options.agent.clone());
        let (link, hello) =
            lane::spawn(&endpoint.node, move || bootstrap::start(&ours, &agent, retry))?;
        // Others than root cannot write beneath the agent's root by SFTP; the agent can.
        if endpoint.user == "root" {
            link.set_bulk(Bulk::sftp(endpoint.clone())?);
        }
        Ok((link, hello))
    };
    let connected = in_parallel(&endpoints, connect);
    let mut failed = Vec::new();
    let mut linked = Vec::new();
    for (host, outcome) in inventory.hosts.iter().zip(connected) {
        match outcome {
            Ok((link, hello)) => linked.push((host, link, hello)),
            Err(error) => failed.push(error),
        }
    }
    let known: Vec<Known<'_>> = linked
        .iter()
        .map(|(host, _, hello)| Known {
            given: host.address,
            control: &host.control,
            reported: &hello.addresses,
        })
        .collect();
    let addresses = learn(&known);
    let mut answered: Vec<Answered> = Vec::new();
    for ((host, link, hello), address) in linked.into_iter().zip(addresses) {
        let fit = address
            .map_err(|problem| {
                ClusterError::node(&host.name, Step::Preflight, problem, "then run again")
            })
            .and_then(|address| {
                preflight(&host.name, address, &hello, &answered).map(|()| address)
            });
        match fit {
            Ok(address) => answered.push(node(answered.len(), &host.name, address, link, hello)),
            Err(error) => failed.push(error),
        }
    }
    Outcome { answered, failed }
}

/// Agents as children of ours, with directories beneath `state`.
pub(crate) fn processes(count: usize, block: &Block, options: &UpOptions) -> Outcome {
    let numbers: Vec<u8> = (1..=count as u8).collect();
    let connect = |number: &u8| {
        let name = format!("n{number}");
        let (root, agent) = (options.state.join(&name), options.agent.clone());
        let node = name.clone();
        let (link, hello) = lane::spawn(&name, move || processes::start(&node, &agent, &root))?;
        Ok((name, block.address(*number), link, hello))
    };
    let mut outcome = Outcome { answered: Vec::new(), failed: Vec::new() };
    for started in in_parallel(&numbers, connect) {
        match started {
            Ok((name, address, link, hello)) => {
                outcome.answered.push(node(outcome.answered.len(), &name, address, link, hello));
            }
            Err(error) => outcome.failed.push(error),
        }
    }
    outcome
}

fn in_parallel<I: Sync, T: Send>(
    items: &[I],
    work: impl Fn(&I) -> Result<T, ClusterError> + Sync,
) -> Vec<Result<T, ClusterError>> {
    thread::scope(|scope| {
        let workers: Vec<_> = items.iter().map(|item| scope.spawn(|| work(item))).collect();
        let panicked =
            |_| Err(ClusterError::local("connect", "a thread panicked", "report this bug"));
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(panicked)).collect()
    })
}

fn node(index: usize, name: &str, address: IpAddr, link: Link, hello: Hello) -> Answered {
    let info = NodeInfo {
        id: NodeId(index as u16),
        name: name.into(),
        address,
        dir: format!("{}/target", hello.root),
    };
    Answered { node: Node { info, link }, hello }
}

/// Facts without which a run would fail later and worse.
fn preflight(
    name: &str,
    address: IpAddr,
    hello: &Hello,
    others: &[Answered],
) -> Result<(), ClusterError> {
    let refuse =
        |problem: String, next: &str| Err(ClusterError::node(name, Step::Preflight, problem, next));
    if hello.free_bytes < FREE_BYTES {
        let free = hello.free_bytes >> 20;
        return refuse(
            format!("{free} MiB free at {}; 64 are needed", hello.root),
            "free some space there",
        );
    }
    if let Some(other) = others.iter().find(|other| other.node.info.address == address) {
        return refuse(
            format!("it has the data address of {}: {address}", other.node.info.name),
            "name each machine once, or give `address` in an inventory",
        );
    }
    Ok(())
}

/// Namespace all hosts are reached through.
pub(crate) fn network_of(inventory: &Inventory) -> Result<Network, ClusterError> {
    match inventory.hosts.iter().find_map(|host| host.netns.as_ref()) {
        Some(path) => Network::open(path),
        None => Ok(Network::here()),
    }
}
