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
