//! `etcd`: Debian's package as it is on the node, or a given binary or archive.

mod client;
mod program;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

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
use program::Program;

/// Registry line.
pub(crate) const ENTRY: Entry = Entry {
    name: NAME,
    summary: "etcd, through its JSON gateway",
    options: OPTIONS,
    build: |options| Ok(Arc::new(Etcd::new(options)?)),
};

const NAME: &str = "etcd";

const OPTIONS: &[(&str, &str)] = &[
    ("serializable", "true: reads may be stale (claim CL-2); false: linearizable (false)"),
    ("heartbeat-ms", "time between heartbeats (200: 100 is too short on two busy cores)"),
    ("election-ms", "election timeout (2000)"),
    ("snapshot-count", "entries between snapshots (100)"),
    ("binary", "an etcd program here to push; otherwise /usr/bin/etcd on the node"),
    ("archive", "a .tar.gz here that holds an etcd program; needs sha256"),
    ("sha256", "digest of the binary or archive, 64 hex digits"),
];

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// The target.
#[derive(Debug)]
pub struct Etcd {
    serializable: bool,
    heartbeat_ms: u64,
    election_ms: u64,
    snapshot_count: u64,
    program: Program,
    /// What the nodes' programs said of themselves; one, unless versions are mixed.
    versions: Mutex<BTreeSet<String>>,
    /// Gateway prefix, once some node has told.
    prefix: Arc<OnceLock<&'static str>>,
}

impl Etcd {
    /// From its options.
    ///
    /// # Errors
    /// An unknown option, or a value that does not parse.
    pub fn new(options: &Options) -> Result<Etcd, TargetError> {
        let reader = Reader::new(NAME, OPTIONS, options)?;
        let etcd = Etcd {
            serializable: reader.switch("serializable", false)?,
            heartbeat_ms: reader.number("heartbeat-ms", 200)?,
            election_ms: reader.number("election-ms", 2000)?,
            snapshot_count: reader.number("snapshot-count", 100)?,
            program: Program::new(&reader)?,
            versions: Mutex::default(),
            prefix: Arc::default(),
        };
        // etcd refuses to start otherwise.
        if etcd.heartbeat_ms == 0 || etcd.election_ms < 5 * etcd.heartbeat_ms {
            return Err(reader.bad("election-ms", "want at least 5 times heartbeat-ms"));
        }
        Ok(etcd)
    }
}

#[async_trait]
impl Target for Etcd {
    fn name(&self) -> &str {
        NAME
    }

    fn describe(&self) -> BTreeMap<String, String> {
        let reads = match self.serializable {
            true => "serializable: may be stale (CL-2)",
            false => "linearizable (CL-1)",
        };
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
        BTreeMap::from([
            ("program".into(), self.program.to_string()),
            (
                "version".into(),
                match versions.is_empty() {
                    true => "not asked yet".into(),
                    false => versions.join(" and "),
                },
            ),
            ("reads".into(), reads.into()),
            ("heartbeat-ms".into(), self.heartbeat_ms.to_string()),
            ("election-ms".into(), self.election_ms.to_string()),
            ("snapshot-count".into(), self.snapshot_count.to_string()),
            (
                "transactions".into(),
                "one range of all keys in a txn, then puts if no mod_revision has changed; never \
                 repeated"
                    .into(),
            ),
            ("driver".into(), http::DRIVER.into()),
        ])
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { families: &[Family::Register, Family::Txn] }
    }

    fn daemons(&self, node: &NodeInfo, all: &[NodeInfo]) -> Vec<Daemon> {
        let data = format!("{}/etcd/data", node.dir);
        let (client, peer) = (url(node, CLIENT_PORT), url(node, PEER_PORT));
        let members: Vec<String> =
            all.iter().map(|node| format!("{}={}", node.name, url(node, PEER_PORT))).collect();
        // `new` also after a restart: etcd looks at it only where there is no data.
        let settings = [
            ("--name", node.name.clone()),
            ("--data-dir", data.clone()),
            ("--listen-client-urls", client.clone()),
            ("--advertise-client-urls", client),
            ("--listen-peer-urls", peer.clone()),
            ("--initial-advertise-peer-urls", peer),
            ("--initial-cluster", members.join(",")),
            ("--initial-cluster-state", "new".into()),
            ("--initial-cluster-token", "tribunal".into()),
            ("--snapshot-count", self.snapshot_count.to_string()),
            ("--heartbeat-interval", self.heartbeat_ms.to_string()),
            ("--election-timeout", self.election_ms.to_string()),
            ("--logger", "zap".into()),
            ("--log-outputs", "stderr".into()),
        ];
        let words = settings.into_iter().flat_map(|(name, value)| [name.to_string(), value]);
        let spec = DaemonSpec {
            name: NAME.into(),
            argv: std::iter::once(self.program.path(&node.dir)).chain(words).collect(),
            env: Vec::new(),
            dir: format!("{}/etcd", node.dir),
            log: format!("{}/etcd/etcd.log", node.dir),
        };
        let (ready_port, peer_ports) = (CLIENT_PORT, vec![PEER_PORT]);
        vec![Daemon { spec, ready_port, peer_ports, data: vec![data] }]
    }

    async fn install(&self, node: &Node) -> Result<(), TargetError> {
        let path = self.program.path(&node.info.dir);
        if let Program::Given(given) = &self.program {
            push::program(NAME, node, &given.bytes, &path).await?;
        }
        let remedy = self.program.remedy();
        let said = push::says(NAME, node, &[&path, "--version"], &remedy).await?;
        let version = said.lines().find_map(|line| line.strip_prefix("etcd Version: "));
        let Some(version) = version else {
            let problem = format!("{path} --version said {said:?}: this is no etcd; {remedy}");
            return Err(push::failed(NAME, node, problem));
        };
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.insert(version.trim().to_string());
        Ok(())
    }

    async fn ready(&self, all: &[NodeInfo]) -> Result<(), TargetError> {
        ready::write_through_each(self, all).await
    }

    async fn connect(&self, node: &NodeInfo) -> Result<Box<dyn Client>, ClientError> {
        let gateway = client::Gateway::open(&url(node, CLIENT_PORT), &self.prefix).await?;
        Ok(Box::new(client::EtcdClient { gateway, serializable: self.serializable }))
    }

    async fn primaries(&self, all: &[NodeInfo]) -> Vec<NodeId> {
        let urls = all.iter().map(|node| (node.id, url(node, CLIENT_PORT))).collect();
        client::primaries(urls, &self.prefix).await
    }
}

fn url(node: &NodeInfo, port: u16) -> String {
    format!("http://{}", std::net::SocketAddr::new(node.address, port))
}

#[cfg(test)]
mod tests {
    use super::Etcd;

    #[test]
    fn timeouts_that_etcd_would_refuse_are_refused() {
        let new = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            Etcd::new(&pairs.collect())
        };
        assert!(new(&[]).is_ok());
        assert!(new(&[("heartbeat-ms", "500")]).unwrap_err().to_string().contains("5 times"));
        assert!(new(&[("snapshot-count", "x")]).unwrap_err().to_string().contains("\"x\""));
    }
}
