//! Where the agent keeps things, and names that may become parts of paths.
//!
//! ```text
//! ROOT/epoch                     number of the last claim, fsynced
//! ROOT/RUN/undo.d/00000001.json  undo records (journal.rs)
//! ROOT/RUN/daemons/NAME.json     daemons (daemons.rs)
//! ROOT/RUN/foreign.rules         ruleset of others before our first table
//! ROOT/reaper.log                what reapers did
//! VOLATILE/lock                  flock: one changer of the node at a time
//! VOLATILE/claim.json            who holds the node until when
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Outcome;
use crate::protocol::Failure;

/// Where everything lies.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) root: PathBuf,
    pub(crate) volatile: PathBuf,
    /// `false`: the firewall here is not the node's own (nodes that are plain child processes
    /// share the host's) and is neither changed nor looked at.
    pub(crate) network: bool,
    /// The node lives as long as its controller (plain child processes of it): whatever ends the
    /// controller ends the daemons too, and nobody comes back.
    pub(crate) owned: bool,
}

impl Home {
    /// Makes the directories.
    pub(crate) fn open(root: &str, volatile: &str) -> io::Result<Home> {
        for directory in [root, volatile] {
            fs::create_dir_all(directory)
                .map_err(|error| io::Error::new(error.kind(), format!("{directory}: {error}")))?;
        }
        let (root, volatile) = (fs::canonicalize(root)?, fs::canonicalize(volatile)?);
        Ok(Home { root, volatile, network: true, owned: false })
    }

    /// Directory of one run.
    pub(crate) fn run(&self, run: &str) -> PathBuf {
        self.root.join(run)
    }

    /// Runs that ever claimed this node and have not been removed.
    pub(crate) fn runs(&self) -> io::Result<Vec<String>> {
        let mut runs = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            runs.extend(name.to_str().filter(|name| is_run(name)).map(String::from));
        }
        runs.sort();
        Ok(runs)
    }
}

/// Run ids name tables, sets and directories: eight lower-case hex digits and nothing else.
pub(crate) fn is_run(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Daemon names become file names.
pub(crate) fn check_daemon_name(name: &str) -> Outcome<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=64).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain) {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "daemon name {name:?}: use 1 to 64 letters, digits, '.', '_', '-', not a leading dot"
    )))
}

/// Writes a file so that after a crash there is the old or the new one, whole and on the disk.
pub(crate) fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().ok_or_else(|| io::Error::other("no parent directory"))?;
    let temporary = path.with_extension("tmp");
    let mut file = fs::File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_dir(parent)
}

/// Removes a file for good; one that is not there is no error.
pub(crate) fn remove_durably(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => path.parent().map_or(Ok(()), sync_dir),
    }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

/// Equal on everything that shares this start of this kernel.
pub(crate) fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_reach_paths() {
        for good in ["etcd", "node-1", "a.b_c"] {
            assert!(check_daemon_name(good).is_ok(), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", ".", "..", ".x", "a/b", "../x", "a b", "a\0", "ä", "$(id)", long.as_str()]
        {
            assert!(check_daemon_name(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "0123456", "0123456789", "0123456G", "ABCDEF01", "../../ab"] {
            assert!(!is_run(bad), "{bad:?}");
        }
        assert!(is_run("0123abcd"));
    }
}
