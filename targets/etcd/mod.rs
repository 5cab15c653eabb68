//! `etcd`: Debian's package as it is on the node, or a given binary or archive.

mod client;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
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

/// Where Debian's etcd-server puts it.
const INSTALLED: &str = "/usr/bin/etcd";

const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// The target.
#[derive(Debug)]
pub struct Etcd {
    serializable: bool,
    heartbeat_ms: u64,
    election_ms: u64,
    snapshot_count: u64,
    source: Source,
    /// Gateway prefix, once some node has told.
    prefix: Arc<OnceLock<&'static str>>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Source {
    Installed,
    Binary { path: PathBuf, sha256: Option<String> },
    Archive { path: PathBuf, sha256: String },
}

impl Etcd {
    /// From its options.
    ///
    /// # Errors
    /// An unknown option, or a value that does not parse.
    pub fn new(options: &Options) -> Result<Etcd, TargetError> {
        let reader = Reader::new(NAME, OPTIONS, options)?;
        let etcd = Etcd {
            serializable: reader.parse("serializable", false)?,
            heartbeat_ms: reader.parse("heartbeat-ms", 200)?,
            election_ms: reader.parse("election-ms", 2000)?,
            snapshot_count: reader.parse("snapshot-count", 100)?,
            source: source(&reader)?,
            prefix: Arc::default(),
        };
        // etcd refuses to start otherwise.
        if etcd.heartbeat_ms == 0 || etcd.election_ms < 5 * etcd.heartbeat_ms {
            return Err(reader.bad("election-ms", "want at least 5 times heartbeat-ms"));
        }
        Ok(etcd)
    }

    fn program(&self, node: &NodeInfo) -> String {
        match &self.source {
            Source::Installed => INSTALLED.into(),
            Source::Binary { .. } | Source::Archive { .. } => format!("{}/etcd/etcd", node.dir),
        }
    }

    /// The program to push; `None` when the node has its own.
    fn load(&self) -> Result<Option<Vec<u8>>, String> {
        let (path, sha256) = match &self.source {
            Source::Installed => return Ok(None),
            Source::Binary { path, sha256 } => (path, sha256.as_ref()),
            Source::Archive { path, sha256 } => (path, Some(sha256)),
        };
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let found: String =
            Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(want) = sha256.filter(|want| **want != found) {
            return Err(format!("{}: sha256 is {found}, not {want}", path.display()));
        }
        match &self.source {
            Source::Installed | Source::Binary { .. } => Ok(Some(bytes)),
            Source::Archive { path, .. } => unpack(path).map(Some),
        }
    }
}

fn source(reader: &Reader<'_>) -> Result<Source, TargetError> {
    // Also in one word: archive=PATH,sha256=DIGEST.
    let archive = reader.text("archive");
    let split = archive.and_then(|text| text.split_once(",sha256="));
    let archive = split.map_or(archive, |(path, _)| Some(path));
    let sha256 = split.map(|(_, digest)| digest).or(reader.text("sha256"));
    let sha256 = sha256.map(str::to_lowercase);
    if let Some(text) = &sha256
        && !(text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
    {
        return Err(reader.bad("sha256", "want 64 hex digits"));
    }
    match (reader.text("binary"), archive, sha256) {
        (None, None, None) => Ok(Source::Installed),
        (Some(path), None, sha256) => Ok(Source::Binary { path: path.into(), sha256 }),
        (None, Some(path), Some(sha256)) => Ok(Source::Archive { path: path.into(), sha256 }),
        (None, Some(_), None) => Err(reader.bad("sha256", "an archive is not used without one")),
        (Some(_), Some(_), _) => Err(reader.bad("archive", "give binary or archive, not both")),
        (None, None, Some(_)) => Err(reader.bad("sha256", "of what? give binary or archive")),
    }
}

/// The member called `etcd`, by this machine's `tar`.
fn unpack(path: &std::path::Path) -> Result<Vec<u8>, String> {
    let tar = Command::new("tar")
        .args(["--extract", "--gzip", "--to-stdout", "--wildcards", "--file"])
        .arg(path)
        .args(["--no-anchored", "*/etcd"])
        .output()
        .map_err(|error| format!("tar: {error}"))?;
    match tar.status.success() && !tar.stdout.is_empty() {
        true => Ok(tar.stdout),
        false => Err(format!("{}: {}", path.display(), String::from_utf8_lossy(&tar.stderr))),
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
        BTreeMap::from([
            ("program".into(), format!("{:?}", self.source)),
            ("reads".into(), reads.into()),
            ("heartbeat-ms".into(), self.heartbeat_ms.to_string()),
            ("election-ms".into(), self.election_ms.to_string()),
            ("snapshot-count".into(), self.snapshot_count.to_string()),
            ("driver".into(), http::DRIVER.into()),
        ])
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary { families: &[Family::Register] }
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
            argv: std::iter::once(self.program(node)).chain(words).collect(),
            env: Vec::new(),
            dir: format!("{}/etcd", node.dir),
            log: format!("{}/etcd/etcd.log", node.dir),
        };
        vec![Daemon { spec, ready_port: CLIENT_PORT, data: vec![data] }]
    }

    async fn install(&self, node: &Node) -> Result<(), TargetError> {
        match self.load().map_err(|problem| push::failed(NAME, node, problem))? {
            Some(bytes) => push::program(NAME, node, &bytes, &self.program(&node.info)).await,
            None => push::runs(NAME, node, INSTALLED, "--version", "etcd-server").await,
        }
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
    use super::{Etcd, Source};

    #[test]
    fn an_archive_needs_its_digest() {
        let new = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string()));
            Etcd::new(&pairs.collect())
        };
        assert_eq!(new(&[]).unwrap().source, Source::Installed);
        assert!(new(&[("archive", "x.tar.gz")]).is_err());
        let both = format!("x.tar.gz,sha256={}", "0".repeat(64));
        assert!(matches!(new(&[("archive", &both)]).unwrap().source, Source::Archive { .. }));
        assert!(new(&[("binary", "x"), ("sha256", "12")]).is_err());
        assert!(new(&[("heartbeat-ms", "500")]).unwrap_err().to_string().contains("5 times"));
        let wrong = [("binary", "/proc/self/exe"), ("sha256", &"0".repeat(64))];
        assert!(new(&wrong).unwrap().load().unwrap_err().contains("not 000000"));
    }
}
