//! Files to and from a node, away from the control lane: heal never queues behind a log.
//!
//! With root's SFTP a second session moves them. Where there is none (`processes:N`, or a user who
//! is not root and could not write beneath the agent's root) they go through the agent in chunks,
//! one under way at a time, so that a fault request waits for half a megabyte at most.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ssh2::{FileStat, OpenFlags, OpenType, Sftp};
use tokio::sync::oneshot;
use tribunal_agent::base64;
use tribunal_agent::protocol::{Body, CHUNK, Reply};

use super::bootstrap::{PIECE, is_missing, make_directories, open_sftp, rename};
use super::error::{ClusterError, Step};
use super::link::Link;
use super::ssh::{Endpoint, Login, Retry};

/// Most transfers that may wait for one node.
const JOBS: usize = 64;

/// Patience for one answer of the SFTP server.
const ANSWER_MS: u32 = 20_000;

/// Patience for one chunk through the agent.
const CHUNK_PATIENCE: Duration = Duration::from_secs(20);

/// The way of files to one node. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Bulk {
    /// A session of its own.
    Sftp(SyncSender<Job>),
    /// Frames on the control lane.
    Agent,
}

#[derive(Debug)]
pub(crate) struct Job {
    what: What,
    done: oneshot::Sender<Result<(), ClusterError>>,
}

#[derive(Debug)]
enum What {
    Put { local: PathBuf, remote: String, mode: u32 },
    Get { remote: String, local: PathBuf },
}

impl Bulk {
    /// A lane that logs in when the first file comes.
    pub(crate) fn sftp(endpoint: Endpoint) -> Result<Bulk, ClusterError> {
        let (queue, jobs) = sync_channel(JOBS);
        let node = endpoint.node.clone();
        thread::Builder::new()
            .name(format!("bulk {node}"))
            .spawn(move || serve(&endpoint, &jobs))
            .map_err(|error| {
                ClusterError::node(&node, Step::Transfer, error, "raise the limit on threads")
            })?;
        Ok(Bulk::Sftp(queue))
    }

    /// Copies a file of ours to the node: to a temporary name first, then renamed.
    pub(crate) async fn put(
        &self,
        node: &str,
        link: &Link,
        local: &Path,
        remote: &str,
        mode: u32,
    ) -> Result<(), ClusterError> {
        match self {
            Bulk::Sftp(queue) => {
                let what = What::Put { local: local.into(), remote: remote.into(), mode };
                enqueue(node, queue, what).await
            }
            Bulk::Agent => put_by_agent(node, link, local, remote, mode).await,
        }
    }

    /// Copies a file of the node to us.
    pub(crate) async fn get(
        &self,
        node: &str,
        link: &Link,
        remote: &str,
        local: &Path,
    ) -> Result<(), ClusterError> {
        match self {
            Bulk::Sftp(queue) => {
                let what = What::Get { remote: remote.into(), local: local.into() };
                enqueue(node, queue, what).await
            }
            Bulk::Agent => get_by_agent(node, link, remote, local).await,
        }
    }
}

async fn enqueue(node: &str, queue: &SyncSender<Job>, what: What) -> Result<(), ClusterError> {
    let trouble = |problem: &str| transfer(node, problem);
    let (done, outcome) = oneshot::channel();
    queue
        .try_send(Job { what, done })
        .map_err(|_| trouble("too many transfers wait, or the lane has ended"))?;
    outcome.await.map_err(|_| trouble("the bulk lane has ended"))?
}

fn transfer(node: &str, problem: impl std::fmt::Display) -> ClusterError {
    ClusterError::node(node, Step::Transfer, problem, "check paths and free space at both ends")
}

fn serve(endpoint: &Endpoint, jobs: &Receiver<Job>) {
    let entered = endpoint.network.enter();
    let mut held: Option<(Sftp, Login)> = None;
    while let Ok(job) = jobs.recv() {
        let outcome = match &entered {
            Ok(()) => carry(endpoint, &mut held, &job.what),
            Err(error) => Err(transfer(&endpoint.node, error)),
        };
        // Whoever asked may have given up.
        let _ = job.done.send(outcome);
    }
}

/// A transfer is idempotent (temporary name, then rename), so a session that died since the last
/// one is replaced and the transfer tried once more.
fn carry(
    endpoint: &Endpoint,
    held: &mut Option<(Sftp, Login)>,
    what: &What,
) -> Result<(), ClusterError> {
    let reused = held.is_some();
    let first = attempt(endpoint, held, what);
    let dead = first.is_err() && held.as_ref().is_some_and(|(_, login)| !alive(login));
    if dead {
        *held = None;
    }
    match first {
        Err(_) if dead && reused => attempt(endpoint, held, what),
        outcome => outcome,
    }
}

fn alive(login: &Login) -> bool {
    login.session.keepalive_send().is_ok()
}

fn attempt(
    endpoint: &Endpoint,
    held: &mut Option<(Sftp, Login)>,
    what: &What,
) -> Result<(), ClusterError> {
    if held.is_none() {
        let login = endpoint.login(Retry::host(Duration::from_secs(10)))?;
        login.session.set_timeout(ANSWER_MS);
        let sftp = open_sftp(&login.session, &endpoint.node)?;
        *held = Some((sftp, login));
    }
    let Some((sftp, _)) = held else { return Err(transfer(&endpoint.node, "no session")) };
    let outcome = match what {
        What::Put { local, remote, mode } => put(sftp, local, remote, *mode),
        What::Get { remote, local } => get(sftp, remote, local),
    };
    outcome.map_err(|problem| transfer(&endpoint.node, problem))
}

fn put(sftp: &Sftp, local: &Path, remote: &str, mode: u32) -> Result<(), String> {
    let there = |error: ssh2::Error| format!("write {remote}: {}", error.message());
    let here = |error: std::io::Error| format!("copy {} to {remote}: {error}", local.display());
    let mut source = File::open(local).map_err(here)?;
    let target = Path::new(remote);
    if let Some(parent) = target.parent() {
        make_directories(sftp, parent).map_err(there)?;
    }
    let part = PathBuf::from(format!("{remote}.{}.part", std::process::id()));
    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
    let mut file = sftp.open_mode(&part, flags, mode as i32, OpenType::File).map_err(there)?;
    let mut piece = vec![0; PIECE];
    loop {
        let n = source.read(&mut piece).map_err(here)?;
        if n == 0 {
            break;
        }
        file.write_all(&piece[..n]).map_err(here)?;
    }
    let perm = Some(mode);
    let stat = FileStat { size: None, uid: None, gid: None, perm, atime: None, mtime: None };
    file.setstat(stat).map_err(there)?;
    file.close().map_err(there)?;
    rename(sftp, &part, target).map_err(there)
}

fn get(sftp: &Sftp, remote: &str, local: &Path) -> Result<(), String> {
    let here = |error: std::io::Error| format!("copy {remote} to {}: {error}", local.display());
    let mut source = sftp.open(Path::new(remote)).map_err(|error| match is_missing(&error) {
        true => format!("read {remote}: there is no such file"),
        false => format!("read {remote}: {}", error.message()),
    })?;
    let part = part_of(local);
    let mut file = File::create(&part).map_err(here)?;
    let mut piece = vec![0; PIECE];
    loop {
        let n = source.read(&mut piece).map_err(here)?;
        if n == 0 {
            break;
        }
        file.write_all(&piece[..n]).map_err(here)?;
    }
    std::fs::rename(&part, local).map_err(here)
}

fn part_of(local: &Path) -> PathBuf {
    let mut name = local.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

async fn put_by_agent(
    node: &str,
    link: &Link,
    local: &Path,
    remote: &str,
    mode: u32,
) -> Result<(), ClusterError> {
    let here = |error: std::io::Error| transfer(node, format!("read {}: {error}", local.display()));
    let mut source = File::open(local).map_err(here)?;
    let mut offset = 0;
    loop {
        let mut piece = Vec::with_capacity(CHUNK);
        Read::by_ref(&mut source).take(CHUNK as u64).read_to_end(&mut piece).map_err(here)?;
        // An empty file is one empty chunk.
        if piece.is_empty() && offset > 0 {
            return Ok(());
        }
        let data = base64::encode(&piece);
        let body = Body::Put { path: remote.into(), offset, data, mode };
        link.call(node, body, CHUNK_PATIENCE).await.map_err(|error| transfer(node, error))?;
        offset += piece.len() as u64;
        if piece.len() < CHUNK {
            return Ok(());
        }
    }
}

async fn get_by_agent(
    node: &str,
    link: &Link,
    remote: &str,
    local: &Path,
) -> Result<(), ClusterError> {
    let here =
        |error: std::io::Error| transfer(node, format!("write {}: {error}", local.display()));
    let part = part_of(local);
    let mut file = File::create(&part).map_err(here)?;
    let mut offset = 0;
    loop {
        let body = Body::Get { path: remote.into(), offset, length: CHUNK as u64 };
        let reply =
            link.call(node, body, CHUNK_PATIENCE).await.map_err(|error| transfer(node, error))?;
        let Reply::Bytes { data, size } = reply else {
            return Err(transfer(node, format!("{remote}: the agent answered {reply:?}")));
        };
        let bytes = base64::decode(&data)
            .ok_or_else(|| transfer(node, format!("{remote}: the agent sent no base64")))?;
        file.write_all(&bytes).map_err(here)?;
        offset += bytes.len() as u64;
        // A log may grow while it is read: what was there at the last answer is enough.
        if bytes.is_empty() || offset >= size {
            break;
        }
    }
    std::fs::rename(&part, local).map_err(here)
}
