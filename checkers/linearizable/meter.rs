//! What the searches of one check have spent together, against its budget.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Budget, Spent};

/// A search reports at least this often, in configurations.
pub(super) const POLL_EVERY: u64 = 1024;
/// And whenever it has taken this many bytes since.
const POLL_BYTES: u64 = 1 << 16;

/// Shared by the searches of one check.
#[derive(Debug)]
pub(super) struct Ledger<'b> {
    budget: &'b Budget,
    configurations: AtomicU64,
    bytes: AtomicU64,
}

/// One search's account.
#[derive(Debug)]
pub(super) struct Meter<'l, 'b> {
    ledger: &'l Ledger<'b>,
    /// Configurations this search visited.
    pub(super) configurations: u64,
    /// Bytes this search holds.
    pub(super) bytes: u64,
    /// The most it held.
    pub(super) peak_bytes: u64,
    reported_configurations: u64,
    reported_bytes: u64,
    limit: u64,
}

impl<'b> Ledger<'b> {
    pub(super) fn new(budget: &'b Budget) -> Ledger<'b> {
        Ledger { budget, configurations: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Whether the caller's time is up.
    pub(super) fn is_cancelled(&self) -> bool {
        self.budget.is_cancelled()
    }

    /// Whether another `bytes` may be held.
    pub(super) fn allows(&self, bytes: u64) -> Result<(), Spent> {
        if self.budget.is_cancelled() {
            Err(Spent::Time)
        } else if self.bytes.load(Ordering::Relaxed).saturating_add(bytes) > self.budget.bytes {
            Err(Spent::Memory)
        } else {
            Ok(())
        }
    }

    /// An account for a search that may visit `limit` configurations itself.
    pub(super) fn meter(&self, limit: u64) -> Meter<'_, 'b> {
        Meter {
            ledger: self,
            configurations: 0,
            bytes: 0,
            peak_bytes: 0,
            reported_configurations: 0,
            reported_bytes: 0,
            limit,
        }
    }
}

impl Meter<'_, '_> {
    /// One more configuration.
    ///
    /// # Errors
    /// The limit that was hit, by this search or by all of them together.
    pub(super) fn visit(&mut self) -> Result<(), Spent> {
        self.configurations += 1;
        let due = self.configurations - self.reported_configurations >= POLL_EVERY
            || self.bytes >= self.reported_bytes + POLL_BYTES
            || self.configurations >= self.limit
            || self.ledger.budget.bytes < POLL_BYTES
            || self.ledger.budget.configurations < POLL_EVERY;
        if due { self.report() } else { Ok(()) }
    }

    pub(super) fn take(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.bytes);
    }

    pub(super) fn give_back(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }

    fn report(&mut self) -> Result<(), Spent> {
        let ledger = self.ledger;
        let new = self.configurations - self.reported_configurations;
        let configurations = ledger.configurations.fetch_add(new, Ordering::Relaxed) + new;
        self.reported_configurations = self.configurations;
        // Two's complement: adding the wrapped difference subtracts when memory was given back.
        let change = self.bytes.wrapping_sub(self.reported_bytes);
        let bytes = ledger.bytes.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        self.reported_bytes = self.bytes;
        if ledger.budget.is_cancelled() {
            Err(Spent::Time)
        } else if bytes > ledger.budget.bytes {
            Err(Spent::Memory)
        } else if configurations > ledger.budget.configurations || self.configurations >= self.limit
        {
            Err(Spent::Configurations)
        } else {
            Ok(())
        }
    }
}

/// What a search held is free again when it ends.
impl Drop for Meter<'_, '_> {
    fn drop(&mut self) {
        let held = self.reported_bytes;
        self.ledger.bytes.fetch_sub(held, Ordering::Relaxed);
    }
}
