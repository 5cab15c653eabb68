//! Forces the log to disk on the side, so that a power cut costs at most 50 ms of operations.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// 40 and not 50: what is lost is the pause *and* what the sync itself takes.
const PERIOD: Duration = Duration::from_millis(40);

/// What the writers, the sync thread and whoever waits for durability share.
#[derive(Debug)]
pub(super) struct Syncer {
    file: File,
    written: AtomicU64,
    /// Bytes known to be on disk. The lock also makes concurrent syncs wait for each other.
    synced: Mutex<u64>,
    failed: Mutex<Option<String>>,
    stop: Mutex<bool>,
    stopped: Condvar,
}

impl Syncer {
    pub(super) fn new(file: File) -> Syncer {
        Syncer {
            file,
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
            failed: Mutex::new(None),
            stop: Mutex::new(false),
            stopped: Condvar::new(),
        }
    }

    /// The file is `bytes` long now.
    #[inline]
    pub(super) fn wrote(&self, bytes: u64) {
        self.written.store(bytes, Ordering::Release);
    }

    /// Everything written before this call is on disk when it returns.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.written.load(Ordering::Acquire);
        if *synced >= written {
            return Ok(());
        }
        self.file.sync_data()?;
        *synced = written;
        Ok(())
    }

    /// Why the sync thread gave up. After a failed fsync the kernel may have dropped the pages, and
    /// a second one that succeeds proves nothing: so there is no second one.
    pub(super) fn failure(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Syncs every period until told to stop.
    pub(super) fn start(self: Arc<Syncer>) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("history-sync".into()).spawn(move || self.run())
    }

    pub(super) fn stop(&self) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopped.notify_all();
    }

    fn run(&self) {
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        while !*stop {
            drop(stop);
            if let Err(error) = self.sync() {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                *failed = Some(error.to_string());
                return;
            }
            stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
            if !*stop {
                let waited = self.stopped.wait_timeout(stop, PERIOD);
                stop = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Instant;

    use super::*;

    fn synced(syncer: &Syncer) -> u64 {
        *syncer.synced.lock().unwrap()
    }

    #[test]
    fn what_was_written_is_synced_without_being_asked_for() {
        let mut file = tempfile::tempfile().unwrap();
        let syncer = Arc::new(Syncer::new(file.try_clone().unwrap()));
        let thread = Arc::clone(&syncer).start().unwrap();
        for end in [5, 10, 15] {
            file.write_all(b"hello").unwrap();
            syncer.wrote(end);
            let patience = Instant::now() + Duration::from_secs(10);
            while synced(&syncer) < end {
                assert!(Instant::now() < patience, "{end} bytes were never synced");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        syncer.stop();
        thread.join().unwrap();
        file.write_all(b"hello").unwrap();
        syncer.wrote(20);
        assert_eq!(synced(&syncer), 15);
        syncer.sync().unwrap();
        assert_eq!((synced(&syncer), syncer.failure()), (20, None));
    }

    #[test]
    fn a_sync_that_fails_is_remembered_and_not_repeated() {
        // A pipe cannot be synced: EINVAL, as a stand-in for EIO of a real disk.
        let (_reader, writer) = std::io::pipe().unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let syncer = Arc::new(Syncer::new(file));
        syncer.wrote(1);
        Arc::clone(&syncer).start().unwrap().join().unwrap();
        assert!(syncer.failure().is_some_and(|problem| problem.contains("nvalid")));
        assert_eq!(synced(&syncer), 0);
    }
}
