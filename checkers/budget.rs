//! What a check may spend. The caller owns the clock and raises the flag.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Limits of one check. Searches poll at least every 1024 expansions, and after whatever may take
/// long.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Most configurations a search may visit, over all partitions.
    pub configurations: u64,
    /// Most bytes of memo and frontier, over all partitions.
    pub bytes: u64,
    /// Worker threads; 1 is the calling thread.
    pub threads: usize,
    cancelled: Arc<AtomicBool>,
}

/// Which limit ended a check.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Spent {
    /// The caller raised the flag: its time was up.
    Time,
    /// Bytes.
    Memory,
    /// Configurations.
    Configurations,
}

impl Budget {
    /// No limit but the flag, on one thread.
    pub fn unlimited() -> Budget {
        Budget {
            configurations: u64::MAX,
            bytes: u64::MAX,
            threads: 1,
            cancelled: Arc::new(AtomicBool::new(false)),
        }
    }

    /// The same limits with another count of configurations.
    pub fn with_configurations(self, configurations: u64) -> Budget {
        Budget { configurations, ..self }
    }

    /// The same limits with another byte cap.
    pub fn with_bytes(self, bytes: u64) -> Budget {
        Budget { bytes, ..self }
    }

    /// The same limits on `threads` threads.
    pub fn with_threads(self, threads: usize) -> Budget {
        Budget { threads, ..self }
    }

    /// Ends every check that runs under this budget or a clone of it.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is up.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl Spent {
    /// The word used in every format.
    pub fn name(self) -> &'static str {
        match self {
            Spent::Time => "time",
            Spent::Memory => "memory",
            Spent::Configurations => "configurations",
        }
    }
}
