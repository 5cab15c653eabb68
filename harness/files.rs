//! Whole files to nodes and back.

use std::path::Path;
use std::time::Duration;

use tribunal_agent::protocol::{Body, Digest, Reply};

use crate::cluster::{ClusterError, Node, Step};

impl Node {
    /// Puts a file of ours there, unless it is there already (same size and checksum). Answers
    /// whether anything was sent.
    ///
    /// # Errors
    /// The file, the node, and what happened.
    pub async fn install_file(
        &self,
        local: &Path,
        remote: &str,
        mode: u32,
    ) -> Result<bool, ClusterError> {
        let name = &self.info.name;
        let trouble = |problem: &dyn std::fmt::Display| {
            ClusterError::node(name, Step::Transfer, problem, "check paths and free space")
        };
        let ours = digest(local).map_err(|error| ClusterError::file(local, error))?;
        let body = Body::Digest { path: remote.into() };
        let patience = Duration::from_secs(20);
        match self.call(body, patience).await.map_err(|error| trouble(&error))? {
            Reply::Digest(Some(theirs)) if theirs == ours => return Ok(false),
            Reply::Digest(_) => {}
            other => return Err(trouble(&format!("the agent answered {other:?}"))),
        }
        self.link.bulk().put(name, &self.link, local, remote, mode).await?;
        Ok(true)
    }

    /// Copies a file of the node to us.
    ///
    /// # Errors
    /// The file, the node, and what happened.
    pub async fn fetch_file(&self, remote: &str, local: &Path) -> Result<(), ClusterError> {
        self.link.bulk().get(&self.info.name, &self.link, remote, local).await
    }
}

fn digest(path: &Path) -> std::io::Result<Digest> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path)?;
    let mut piece = vec![0; 256 << 10];
    let (mut size, mut crc32c) = (0, 0);
    loop {
        let n = file.read(&mut piece)?;
        if n == 0 {
            return Ok(Digest { size, crc32c });
        }
        size += n as u64;
        crc32c = crc32c::crc32c_append(crc32c, &piece[..n]);
    }
}
