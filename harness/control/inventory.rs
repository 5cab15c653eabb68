//! Nodes made by others: a TOML inventory or a list of hosts.
//!
//! ```toml
//! host_keys = "tofu"                 # strict (default), tofu, insecure-accept-any
//! known_hosts = "known_hosts"        # of strict; default ~/.ssh/known_hosts
//!
//! [defaults]
//! user = "root"
//! key = "id_ed25519"                 # beside this file
//!
//! [[node]]
//! name = "n1"
//! address = "10.1.0.11"              # data: servers, clients, faults; else asked from the agent
//! control_address = "192.0.2.11"     # sshd: kept out of every fault; default: address
//! port = 22
//! host_key = "ssh-ed25519 AAAA..."   # this key and no other
//! roles = ["storage"]
//! ```
//!
//! Paths are relative to the file. Node order is the order given.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::error::ClusterError;
use super::hostkey::HostKeys;
use super::local::Keeper;
use super::quote::valid_name;

/// Most nodes of one cluster.
pub const NODES_LIMIT: usize = 200;

/// Hosts to connect to, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inventory {
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The process that keeps them alive, if they are a lab on this machine.
    pub keeper: Option<Keeper>,
}

/// One host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Node name.
    pub name: String,
    /// Address of the data network; `None`: chosen from what the agents report.
    pub address: Option<IpAddr>,
    /// Where its sshd is.
    pub control: String,
    /// Port of sshd.
    pub port: u16,
    /// User.
    pub user: String,
    /// Private key.
    pub key: Option<PathBuf>,
    /// Which host key is right.
    pub host_keys: HostKeys,
    /// Free words; workloads may place daemons by them.
    pub roles: Vec<String>,
    /// Network namespace to enter for reaching it.
    pub netns: Option<PathBuf>,
}

/// How host keys are judged where no key is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeyMode {
    /// Must be in `known_hosts`.
    Strict,
    /// The first one seen is kept beside the inventory.
    Tofu,
    /// Anyone may answer.
    #[serde(rename = "insecure", alias = "insecure-accept-any")]
    InsecureAcceptAny,
}

impl FromStr for HostKeyMode {
    type Err = String;

    fn from_str(text: &str) -> Result<HostKeyMode, String> {
        match text {
            "strict" => Ok(HostKeyMode::Strict),
            "tofu" => Ok(HostKeyMode::Tofu),
            "insecure" | "insecure-accept-any" => Ok(HostKeyMode::InsecureAcceptAny),
            _other => Err(format!("{text:?} is none of strict, tofu, insecure")),
        }
    }
}

impl HostKeyMode {
    /// With the files it needs.
    pub(crate) fn with(self, known_hosts: PathBuf, lock: PathBuf) -> HostKeys {
        match self {
            HostKeyMode::Strict => HostKeys::Strict(known_hosts),
            HostKeyMode::Tofu => HostKeys::Tofu(lock),
            HostKeyMode::InsecureAcceptAny => HostKeys::InsecureAcceptAny,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    host_keys: Option<HostKeyMode>,
    known_hosts: Option<String>,
    #[serde(default)]
    defaults: Defaults,
    #[serde(default)]
    node: Vec<Spanned<Node>>,
    lab: Option<Keeper>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Defaults {
    user: Option<String>,
    port: Option<u16>,
    key: Option<String>,
    netns: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    name: String,
    address: Option<String>,
    control_address: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    key: Option<String>,
    host_key: Option<String>,
    host_keys: Option<HostKeyMode>,
    #[serde(default)]
    roles: Vec<String>,
    netns: Option<String>,
}

impl Inventory {
    /// Reads a TOML inventory.
    ///
    /// # Errors
    /// `file:line`, what is wrong there and what would be right.
    pub fn read(path: &Path) -> Result<Inventory, ClusterError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| input(path.display(), format!("cannot read it: {error}")))?;
        let inventory = Inventory::from_toml(&text, path)?;
        match &inventory.keeper {
            Some(keeper) if !keeper.lives() => {
                let pid = keeper.pid;
                let problem = format!(
                    "the nodes are gone with their keeper (process {pid}); run `tribunal down` \
                     and `tribunal up` again"
                );
                Err(input(path.display(), problem))
            }
            Some(_) | None => Ok(inventory),
        }
    }

    /// Parses a TOML inventory that lies at `path`.
    ///
    /// # Errors
    /// As [`Inventory::read`].
    pub fn from_toml(text: &str, path: &Path) -> Result<Inventory, ClusterError> {
        let at = |offset: usize| format!("{}:{}", path.display(), line_of(text, offset));
        let document: Document = toml::from_str(text).map_err(|error| {
            let place = at(error.span().map_or(0, |span| span.start));
            input(place, error.message())
        })?;
        let mut hosts = Vec::new();
        for node in &document.node {
            let host = host(node.get_ref(), &document, path)
                .map_err(|problem| input(at(node.span().start), problem))?;
            hosts.push((at(node.span().start), host));
        }
        if hosts.is_empty() {
            return Err(input(path.display(), "no [[node]] in it; add one per host"));
        }
        let inventory = Inventory::checked(hosts)?;
        Ok(Inventory { keeper: document.lab, ..inventory })
    }

    /// Parses `a,b:2222,user@c`: entries between commas or line ends, `#` comments.
    ///
    /// # Errors
    /// The entry and what is wrong with it.
    pub fn from_list(text: &str, mode: Option<HostKeyMode>) -> Result<Inventory, ClusterError> {
        let (known_hosts, lock) = (user_known_hosts(), user_lock());
        let mode = mode.unwrap_or(HostKeyMode::Strict);
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let entries = lines.flat_map(|line| line.split(',')).map(str::trim);
        let mut hosts = Vec::new();
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let host_keys = mode.with(known_hosts.clone(), lock.clone());
            let host = listed(entry, host_keys)
                .map_err(|problem| input(format!("--nodes entry {entry:?}"), problem))?;
            hosts.push((format!("--nodes entry {entry:?}"), host));
        }
        if hosts.is_empty() {
            return Err(input("--nodes", "no host in it; give names between commas"));
        }
        Inventory::checked(hosts)
    }

    /// Refuses what would be one node under two names, or two under one.
    pub(crate) fn checked(hosts: Vec<(String, Host)>) -> Result<Inventory, ClusterError> {
        if hosts.len() > NODES_LIMIT {
            let problem = format!("{} nodes; at most {NODES_LIMIT}", hosts.len());
            return Err(input(&hosts[NODES_LIMIT].0, problem));
        }
        for (i, (place, host)) in hosts.iter().enumerate() {
            for name in [&host.name, &host.control, &host.user] {
                valid_name(name).map_err(|problem| input(place, problem))?;
            }
            let same = |other: &Host| {
                if other.name == host.name {
                    Some(format!("a second node named {}", host.name))
                } else if (&other.control, other.port) == (&host.control, host.port) {
                    let Host { name, control, port, .. } = host;
                    Some(format!("{name} is {} again ({control}:{port})", other.name))
                } else if other.address.is_some() && other.address == host.address {
                    Some(format!("{} has the address of {}", host.name, other.name))
                } else if other.netns != host.netns {
                    Some("another netns than the nodes before; one cluster is in one".into())
                } else {
                    None
                }
            };
            if let Some(problem) = hosts[..i].iter().find_map(|(_, other)| same(other)) {
                return Err(input(place, format!("{problem}; each host once, please")));
            }
        }
        let hosts = hosts.into_iter().map(|(_, host)| host).collect();
        Ok(Inventory { hosts, keeper: None })
    }

    /// Judges every host key in this way, pinned ones excepted: those were written by hand, and a
    /// flag for the others must not weaken them. A `known_hosts` of the inventory stays the one
    /// that is asked.
    pub(crate) fn force(&mut self, mode: HostKeyMode, path: &Path) {
        for host in &mut self.hosts {
            let strict = matches!(host.host_keys, HostKeys::Strict(_));
            if matches!(host.host_keys, HostKeys::Pinned(_)) {
                continue;
            }
            if !(strict && mode == HostKeyMode::Strict) {
                host.host_keys = mode.with(user_known_hosts(), lock_beside(path));
            }
        }
    }

    /// Whether any host would be believed without a key; the report says so.
    pub fn accepts_any_host_key(&self) -> bool {
        self.hosts.iter().any(|host| host.host_keys == HostKeys::InsecureAcceptAny)
    }
}

fn host(node: &Node, document: &Document, path: &Path) -> Result<Host, String> {
    let defaults = &document.defaults;
    let beside = |name: &String| resolve(name, path);
    let address = node.address.as_ref().map(|text| {
        text.parse::<IpAddr>().map_err(|_| {
            format!("address {text:?} is no IP address; names go into control_address")
        })
    });
    let address = address.transpose()?;
    let control = node
        .control_address
        .clone()
        .or_else(|| address.map(|address| address.to_string()))
        .ok_or("neither address nor control_address; give at least one")?;
    let host_keys = match &node.host_key {
        Some(key) if key.split_whitespace().count() >= 2 => HostKeys::Pinned(key.clone()),
        Some(_) => return Err("host_key must be kind and key: \"ssh-ed25519 AAAA...\"".into()),
        None => {
            let known = document.known_hosts.as_ref().map_or_else(user_known_hosts, beside);
            let mode = node.host_keys.or(document.host_keys).unwrap_or(HostKeyMode::Strict);
            mode.with(known, lock_beside(path))
        }
    };
    Ok(Host {
        name: node.name.clone(),
        address,
        control,
        port: node.port.or(defaults.port).unwrap_or(22),
        user: node.user.clone().or_else(|| defaults.user.clone()).unwrap_or("root".into()),
        key: node.key.as_ref().or(defaults.key.as_ref()).map(beside),
        host_keys,
        roles: node.roles.clone(),
        netns: node.netns.as_ref().or(defaults.netns.as_ref()).map(PathBuf::from),
    })
}

fn listed(entry: &str, host_keys: HostKeys) -> Result<Host, String> {
    let (user, rest) = entry.split_once('@').unwrap_or(("root", entry));
    let port = |text: &str| text.parse::<u16>().map_err(|_| format!("{text:?} is no port"));
    // `[::1]:22`, `::1`, `a:22`, `a`
    let (control, port) = match rest.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((host, "")) => (host, 22),
            Some((host, after)) => (host, port(after.trim_start_matches(':'))?),
            None => return Err("`[` without `]`; write [address]:port".into()),
        },
        None if rest.matches(':').count() > 1 => (rest, 22),
        None => match rest.split_once(':') {
            Some((host, number)) => (host, port(number)?),
            None => (rest, 22),
        },
    };
    Ok(Host {
        name: match port {
            22 => control.to_owned(),
            port => format!("{control}:{port}"),
        },
        address: None,
        control: control.to_owned(),
        port,
        user: user.to_owned(),
        key: None,
        host_keys,
        roles: Vec::new(),
        netns: None,
    })
}

/// File of keys trusted on first use, beside the inventory.
pub(crate) fn lock_beside(inventory: &Path) -> PathBuf {
    inventory.with_extension("hosts.lock")
}

/// `~/` and paths beside the file.
fn resolve(name: &str, inventory: &Path) -> PathBuf {
    match name.strip_prefix("~/") {
        Some(rest) => home().join(rest),
        None => inventory.parent().unwrap_or(Path::new(".")).join(name),
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

fn user_known_hosts() -> PathBuf {
    home().join(".ssh/known_hosts")
}

/// Keys of hosts that are in no inventory.
pub(crate) fn user_lock() -> PathBuf {
    home().join(".ssh/tribunal.hosts.lock")
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
}

pub(crate) fn input(place: impl std::fmt::Display, problem: impl Into<String>) -> ClusterError {
    ClusterError::Input { place: place.to_string(), problem: problem.into() }
}

#[cfg(test)]
#[path = "inventory_tests.rs"]
mod tests;
