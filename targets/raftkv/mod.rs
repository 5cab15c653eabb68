//! `raftkv`: our own replicated registers, with bugs that can be switched on.

mod client;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::cluster::Node;
use tribunal_harness::daemon::{Daemon, DaemonSpec};
use tribunal_harness::node::NodeInfo;
use tribunal_harness::target::{Options, Target, TargetError, Vocabulary};
use tribunal_history::{Family, NodeId};

use crate::options::Reader;
use crate::registry::Entry;
use crate::{http, push, ready};

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: NAME,
    summary: "our own replicated registers (Raft), with bugs that can be switched on",
    options: OPTIONS,
    build: |options| Ok(Arc::new(Raftkv::new(options)?)),
};

/// Variable that names the server's program; otherwise it is looked for beside our own.
pub const BINARY_VARIABLE: &str = "TRIBUNAL_TARGETD";

const NAME: &str = "raftkv";

const OPTIONS: &[(&str, &str)] = &[
    (
        "bug",
        "planted bugs, separated by commas: stale-read, lost-write, no-fsync-vote, dirty-cas, \
         torn-txn, no-read-validation, no-range-validation",
    ),
    ("snapshot-every", "entries between snapshots (10000; 0: never)"),
    ("heartbeat-ms", "time between heartbeats (50)"),
    ("election-ms", "shortest and longest election timeout (300..600)"),
];

/// As in `targets/servers/BUGS.toml`.
const BUGS: [&str; 7] = [
    "stale-read",
    "lost-write",
    "no-fsync-vote",
    "dirty-cas",
    "torn-txn",
    "no-read-validation",
    "no-range-validation",
];

/// Port of clients.
const CLIENT_PORT: u16 = 7400;

/// Port of the other servers.
const PEER_PORT: u16 = 7401;

/// The target.
#[derive(Clone, Debug)]
pub struct Raftkv {
    bugs: Vec<String>,
    snapshot_every: u64,
    heartbeat_ms: u64,
    election_ms: (u64, u64),
}

impl Raftkv {
    /// From its options.
    ///
    /// # Errors
    /// An unknown option, bug, or a value that does not parse.
    pub fn new(options: &Options) -> Result<Raftkv, TargetError> {
        let reader = Reader::new(NAME, OPTIONS, options)?;
        let bugs = reader.text("bug").unwrap_or_default().split(',').map(str::trim);
        let bugs: Vec<String> = bugs.filter(|bug| !bug.is_empty()).map(String::from).collect();
        if let Some(bug) = bugs.iter().find(|bug| !BUGS.contains(&bug.as_str())) {
            let problem = format!("no bug is called {bug:?}; there are {}", BUGS.join(", "));
            return Err(reader.bad("bug", problem));
        }
        let snapshot_every = reader.number("snapshot-every", 10_000)?;
        let heartbeat_ms = reader.number("heartbeat-ms", 50)?;
        if heartbeat_ms == 0 {
            return Err(reader.bad("heartbeat-ms", "0 ms: want at least 1"));
        }
        let asked = reader.text("election-ms");
        let election = asked.unwrap_or("300..600");
        let range = election.split_once("..");
        let range: Option<(u64, u64)> =
            range.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        match range {
            Some((least, most)) if heartbeat_ms < least && least <= most => {
                Ok(Raftkv { bugs, snapshot_every, heartbeat_ms, election_ms: (least, most) })
            }
            Some(_) if asked.is_none() => {
                let problem = format!(
                    "{heartbeat_ms} ms: want less than the least election timeout, which \
                     election-ms gives ({election})"
                );
                Err(reader.bad("heartbeat-ms", problem))
            }
            Some(_) | None => {
                let problem = format!(
                    "{election:?}: want least..most in milliseconds, as in 300..600, both above \
                     the heartbeat of {heartbeat_ms} ms"
                );
                Err(reader.bad("election-ms", problem))
            }
        }
    }

    fn binary() -> Result<PathBuf, String> {
        if let Some(path) = std::env::var_os(BINARY_VARIABLE) {
            return Ok(path.into());
        }
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        // Tests and examples run one directory further down.
        let beside = own.ancestors().skip(1).take(2).map(|dir| dir.join("tribunal-targetd"));
        beside.into_iter().find(|path| path.is_file()).ok_or_else(|| {
            format!(
                "no tribunal-targetd beside {}; build it (cargo build -p tribunal-servers) or \
                     name it in {BINARY_VARIABLE}",
                own.display()
            )
        })
    }
}

#[async_trait]
impl Target for Raftkv {
    fn name(&self) -> &str {
        NAME
    }

    fn describe(&self) -> BTreeMap<String, String> {
        let (least, most) = self.election_ms;
        BTreeMap::from([
            ("version".into(), env!("CARGO_PKG_VERSION").into()),
            ("bugs".into(), self.bugs.join(",")),
            ("snapshot-every".into(), self.snapshot_every.to_string()),
            ("heartbeat-ms".into(), self.heartbeat_ms.to_string()),
            ("election-ms".into(), format!("{least}..{most}")),
            ("reads".into(), "linearizable (read-index); claimed".into()),
            (
                "transactions".into(),
                "one atomic read, then puts if no revision has changed; never repeated".into(),
            ),
            ("driver".into(), http::DRIVER.into()),
        ])
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { families: &[Family::Register, Family::Txn] }
    }

    fn daemons(&self, node: &NodeInfo, all: &[NodeInfo]) -> Vec<Daemon> {
        let peers: Vec<String> =
            all.iter().map(|peer| format!("{}={}", peer.name, address(peer, PEER_PORT))).collect();
        let data = format!("{}/raftkv/data", node.dir);
        let (least, most) = self.election_ms;
        let settings = [
            ("--role", NAME.to_string()),
            ("--node", node.name.clone()),
            ("--peers", peers.join(",")),
            ("--listen", address(node, CLIENT_PORT)),
            ("--peer-listen", address(node, PEER_PORT)),
            ("--data", data.clone()),
            ("--election-ms", format!("{least}..{most}")),
            ("--heartbeat-ms", self.heartbeat_ms.to_string()),
            ("--snapshot-every", self.snapshot_every.to_string()),
        ];
        let bugs = self.bugs.iter().map(|bug| ("--bug", bug.clone()));
        let words = settings.into_iter().chain(bugs);
        let argv = std::iter::once(program(node))
            .chain(words.flat_map(|(name, value)| [name.to_string(), value]))
            .collect();
        let allowed = (!self.bugs.is_empty()).then(|| ("TRIBUNAL_ALLOW_BUGS".into(), "1".into()));
        let spec = DaemonSpec {
            name: NAME.into(),
            argv,
            env: allowed.into_iter().collect(),
            dir: format!("{}/raftkv", node.dir),
            log: format!("{}/raftkv/raftkv.log", node.dir),
        };
        let (ready_port, peer_ports) = (CLIENT_PORT, vec![PEER_PORT]);
        vec![Daemon { spec, ready_port, peer_ports, data: vec![data] }]
    }

    async fn install(&self, node: &Node) -> Result<(), TargetError> {
        let binary = Raftkv::binary().map_err(|problem| push::failed(NAME, node, problem))?;
        let bytes = push::load(NAME, node, &binary)?;
        push::program(NAME, node, &bytes, &program(&node.info)).await
    }

    async fn ready(&self, all: &[NodeInfo]) -> Result<(), TargetError> {
        ready::write_through_each(self, all).await
    }

    async fn connect(&self, node: &NodeInfo) -> Result<Box<dyn Client>, ClientError> {
        Ok(Box::new(client::RaftkvClient::new(&address(node, CLIENT_PORT))?))
    }

    async fn primaries(&self, all: &[NodeInfo]) -> Vec<NodeId> {
        let addresses = all.iter().map(|node| (node.id, address(node, CLIENT_PORT)));
        client::primaries(addresses.collect()).await
    }
}

fn address(node: &NodeInfo, port: u16) -> String {
    std::net::SocketAddr::new(node.address, port).to_string()
}

fn program(node: &NodeInfo) -> String {
    format!("{}/raftkv/tribunal-targetd", node.dir)
}

#[cfg(test)]
mod tests {
    use super::{BUGS, Raftkv};

    #[test]
    fn options_are_read_strictly() {
        let new = |name: &str, value: &str| Raftkv::new(&[(name.into(), value.into())].into());
        assert_eq!(new("bug", "stale-read, dirty-cas").unwrap().bugs.len(), 2);
        assert!(new("bug", "").unwrap().bugs.is_empty());
        for (name, value, part) in [
            ("bug", "stale", "no bug is called \"stale\""),
            ("bugs", "stale-read", "unknown; there are bug, "),
            ("election-ms", "40..600", "above the heartbeat"),
            ("election-ms", "300", "want least..most"),
            ("snapshot-every", "-1", "snapshot-every: \"-1\": want a whole number"),
            ("heartbeat-ms", "0", "heartbeat-ms: 0 ms: want at least 1"),
            ("heartbeat-ms", "300", "heartbeat-ms: 300 ms: want less than the least"),
        ] {
            let error = new(name, value).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn the_bugs_are_those_of_the_server() {
        let text = include_str!("../servers/BUGS.toml");
        let ids: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("id = ")).map(String::from).collect();
        assert_eq!(ids, BUGS.map(|bug| format!("{bug:?}")));
    }
}
