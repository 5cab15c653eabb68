//! Programs from here to a node, through its agent.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tribunal_agent::protocol::{Body, CHUNK, Digest, Reply};
use tribunal_harness::cluster::Node;
use tribunal_harness::target::TargetError;

/// Patience with one chunk.
const PATIENCE: Duration = Duration::from_secs(20);

/// A step of installing that failed.
pub(crate) fn failed(target: &str, node: &Node, problem: impl std::fmt::Display) -> TargetError {
    TargetError::Step {
        target: target.into(),
        step: "install".into(),
        node: node.info.name.clone(),
        problem: problem.to_string(),
    }
}

/// Puts the bytes there, unless they are there already (same size and checksum), and measures
/// that they arrived.
pub(crate) async fn program(
    target: &str,
    node: &Node,
    bytes: &[u8],
    path: &str,
) -> Result<(), TargetError> {
    let want = Digest { size: bytes.len() as u64, crc32c: crc32c::crc32c(bytes) };
    if digest(target, node, path).await? == Some(want) {
        return Ok(());
    }
    for (n, chunk) in bytes.chunks(CHUNK).enumerate() {
        let (offset, data) = ((n * CHUNK) as u64, STANDARD.encode(chunk));
        let body = Body::Put { path: path.into(), offset, data, mode: 0o755 };
        node.call(body, PATIENCE).await.map_err(|error| failed(target, node, error))?;
    }
    match digest(target, node, path).await? {
        Some(found) if found == want => Ok(()),
        found => Err(failed(target, node, format!("{path} arrived as {found:?}, not {want:?}"))),
    }
}

async fn digest(target: &str, node: &Node, path: &str) -> Result<Option<Digest>, TargetError> {
    let body = Body::Digest { path: path.into() };
    match node.call(body, PATIENCE).await {
        Ok(Reply::Digest(digest)) => Ok(digest),
        Ok(other) => Err(failed(target, node, format!("the agent answered {other:?}"))),
        Err(error) => Err(failed(target, node, error)),
    }
}

/// Reads a program of ours.
pub(crate) fn load(target: &str, node: &Node, path: &Path) -> Result<Vec<u8>, TargetError> {
    std::fs::read(path)
        .map_err(|error| failed(target, node, format!("{}: {error}", path.display())))
}

/// What a command prints on the node. It must succeed there; `remedy` says what to do otherwise.
pub(crate) async fn says(
    target: &str,
    node: &Node,
    argv: &[&str],
    remedy: &str,
) -> Result<String, TargetError> {
    let argv: Vec<String> = argv.iter().map(|word| word.to_string()).collect();
    let command = argv.join(" ");
    match node.call(Body::Install { argv, env: Vec::new() }, PATIENCE).await {
        Ok(Reply::Output { code: 0, output }) => Ok(output),
        Ok(Reply::Output { code, output }) => {
            let problem = format!("{command}: ended with {code}: {}; {remedy}", output.trim());
            Err(failed(target, node, problem))
        }
        Ok(other) => Err(failed(target, node, format!("{command}: the agent answered {other:?}"))),
        Err(error) => Err(failed(target, node, format!("{command}: {error}; {remedy}"))),
    }
}
