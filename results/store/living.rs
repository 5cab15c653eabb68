//! Whose a run directory is while it is being made: a lock on the directory itself, which ends with
//! the process that holds it, however that ends.

use std::fs::{File, TryLockError};

use super::RunDir;

/// A run directory that nobody else takes as long as this lives. Where the file system knows no
/// locks it holds nothing off.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "the lock ends when it is closed")] Option<File>);

impl RunDir {
    /// Takes the directory for a run; `None` while another process makes one in it.
    pub fn hold(&self) -> Option<Held> {
        match self.lock(File::try_lock) {
            Ok(file) => Some(Held(file)),
            Err(Taken) => None,
        }
    }

    /// Whether a process is making the run just now.
    pub fn is_living(&self) -> bool {
        self.lock(File::try_lock_shared).is_err()
    }

    fn lock(
        &self,
        how: impl FnOnce(&File) -> Result<(), TryLockError>,
    ) -> Result<Option<File>, Taken> {
        let Ok(file) = File::open(self.path()) else { return Ok(None) };
        match how(&file) {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Err(Taken),
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }
}

/// Another process has the lock.
struct Taken;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_lives_as_long_as_it_is_held() {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let dir = RunDir::open(scratch.path()).expect("it is there");
        assert!(!dir.is_living());
        let held = dir.hold().expect("nobody has it");
        assert!(dir.is_living() && dir.hold().is_none());
        drop(held);
        assert!(!dir.is_living() && dir.hold().is_some());
    }
}
