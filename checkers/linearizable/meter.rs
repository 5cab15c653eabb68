//! What the searches of one check have spent together, against its budget.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tribunal_history::Value;

use crate::{Budget, Spent};

/// A search reports at least this often, in configurations.
pub(super) const POLL_EVERY: u64 = 1024;
/// And this often, in comparisons: long antichains must not make it deaf.
const POLL_WORK: u64 = 1 << 18;
/// And whenever it has taken this many bytes since.
pub(super) const POLL_BYTES: u64 = 1 << 16;

/// Shared by the searches of one check.
#[derive(Debug)]
pub(super) struct Ledger<'b> {
    budget: &'b Budget,
    configurations: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
    /// The most that one search may hold of them.
    most: u64,
}

/// Bytes on the account of a ledger until this is dropped.
#[derive(Debug)]
pub(super) struct Held<'l, 'b> {
    ledger: &'l Ledger<'b>,
    bytes: u64,
}

/// What a search holds while it rests.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Resting {
    configurations: u64,
    bytes: u64,
    peak_bytes: u64,
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
    work: u64,
    limit: u64,
    /// The count of configurations at which it reports.
    due: u64,
    /// How many bytes it may take without asking.
    slack: u64,
}

/// Bytes that a small search may always hold: a few operations and their states.
const LEAST: u64 = 1 << 16;

impl<'b> Ledger<'b> {
    pub(super) fn new(budget: &'b Budget) -> Ledger<'b> {
        let (configurations, bytes) = (Arc::default(), Arc::default());
        Ledger { budget, configurations, bytes, most: u64::MAX }
    }

    /// The same account, of which one search may hold `bytes`, and half of what nobody holds now.
    pub(super) fn part(&self, bytes: u64) -> Ledger<'b> {
        let (configurations, held) = (Arc::clone(&self.configurations), Arc::clone(&self.bytes));
        let most = bytes.min(self.spare().bytes / 2);
        Ledger { budget: self.budget, configurations, bytes: held, most }
    }

    /// Whether the caller's time is up.
    pub(super) fn is_cancelled(&self) -> bool {
        self.budget.is_cancelled()
    }

    /// For a small search of its own: the caller's time, and the bytes that nobody holds.
    pub(super) fn spare(&self) -> Budget {
        let left = self.budget.bytes.saturating_sub(self.bytes.load(Ordering::Relaxed));
        self.budget.clone().with_configurations(u64::MAX).with_bytes(left.max(LEAST))
    }

    /// The cap.
    pub(super) fn most_bytes(&self) -> u64 {
        self.budget.bytes
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

    /// What is held already, by whoever asked [`Ledger::allows`] before.
    pub(super) fn hold(&self, bytes: u64) -> Held<'_, 'b> {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Held { ledger: self, bytes }
    }

    /// What a resting search held is free.
    pub(super) fn release(&self, resting: &mut Resting) {
        self.bytes.fetch_sub(std::mem::take(&mut resting.bytes), Ordering::Relaxed);
    }

    /// The account of a search that rested.
    pub(super) fn resume(&self, resting: Resting) -> Meter<'_, 'b> {
        let Resting { configurations, bytes, peak_bytes } = resting;
        let reported = (configurations, bytes);
        let (reported_configurations, reported_bytes) = reported;
        let mut meter = Meter {
            configurations,
            bytes,
            peak_bytes,
            reported_configurations,
            reported_bytes,
            ..self.meter(u64::MAX)
        };
        meter.due = meter.next_due();
        meter
    }

    /// An account for a search that may visit `limit` configurations itself.
    pub(super) fn meter(&self, limit: u64) -> Meter<'_, 'b> {
        // A hundredth of the cap, so that eight threads stay within the promised twentieth.
        let slack = POLL_BYTES.min(self.budget.bytes / 256);
        let mut meter = Meter {
            ledger: self,
            configurations: 0,
            bytes: 0,
            peak_bytes: 0,
            reported_configurations: 0,
            reported_bytes: 0,
            work: 0,
            limit,
            due: 0,
            slack,
        };
        meter.due = meter.next_due();
        meter
    }
}

impl Meter<'_, '_> {
    /// One more configuration.
    ///
    /// # Errors
    /// The limit that was hit, by this search or by all of them together.
    pub(super) fn visit(&mut self) -> Result<(), Spent> {
        self.configurations += 1;
        if self.configurations >= self.due || self.work >= POLL_WORK {
            self.report()?;
        }
        Ok(())
    }

    /// The search rests; what it holds stays on its account.
    pub(super) fn rest(mut self) -> Resting {
        let Meter { configurations, bytes, peak_bytes, .. } = self;
        self.configurations = 0;
        self.ledger.bytes.fetch_add(
            bytes.wrapping_sub(std::mem::take(&mut self.reported_bytes)),
            Ordering::Relaxed,
        );
        Resting { configurations, bytes, peak_bytes }
    }

    /// Whether the caller's time is up.
    ///
    /// # Errors
    /// It is.
    pub(super) fn look(&self) -> Result<(), Spent> {
        if self.ledger.is_cancelled() { Err(Spent::Time) } else { Ok(()) }
    }

    /// Bytes that it may still take.
    pub(super) fn spare(&self) -> u64 {
        self.ledger.spare().bytes.min(self.ledger.most.saturating_sub(self.bytes))
    }

    /// So many comparisons were made.
    pub(super) fn work(&mut self, comparisons: u64) {
        self.work += comparisons;
    }

    /// Takes `bytes` if that many may be held.
    ///
    /// # Errors
    /// [`Spent::Memory`]; nothing was taken.
    pub(super) fn reserve(&mut self, bytes: u64) -> Result<(), Spent> {
        if self.bytes + bytes > self.ledger.most {
            return Err(Spent::Memory);
        }
        if (self.bytes + bytes).saturating_sub(self.reported_bytes) > self.slack {
            let new = (self.bytes + bytes).wrapping_sub(self.reported_bytes);
            let held = self.ledger.bytes.fetch_add(new, Ordering::Relaxed).wrapping_add(new);
            self.reported_bytes = self.bytes + bytes;
            if held > self.ledger.budget.bytes {
                self.ledger.bytes.fetch_sub(bytes, Ordering::Relaxed);
                self.reported_bytes = self.bytes;
                return Err(Spent::Memory);
            }
        }
        self.bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.bytes);
        Ok(())
    }

    pub(super) fn give_back(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }

    fn next_due(&self) -> u64 {
        let every = POLL_EVERY.min(self.ledger.budget.configurations / 64 + 1);
        (self.configurations + every).min(self.limit)
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
        self.work = 0;
        self.due = self.next_due();
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

impl Drop for Held<'_, '_> {
    fn drop(&mut self) {
        self.ledger.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Bytes of a vector, with those it grows into where `more` elements do not fit: the old ones are
/// held until the new ones are there.
pub(super) fn vec_bytes<T>(vec: &Vec<T>, more: usize) -> u64 {
    let full = vec.len() + more > vec.capacity();
    (size_of::<T>() * if full { 3 * vec.capacity() } else { vec.capacity() }) as u64
}

/// The same of a hash map: slots are a power of two, an eighth of which stays free, and a byte
/// beside each.
pub(super) fn map_bytes<K, V, S>(map: &HashMap<K, V, S>, more: usize) -> u64 {
    let slots = (map.capacity() + map.capacity() / 7).next_power_of_two();
    let full = map.len() + more > map.capacity();
    ((size_of::<(K, V)>() + 1) * if full { 3 * slots } else { slots }) as u64
}

/// Bytes an allocator takes for `bytes` at once: with its own word, in units of two.
pub(super) fn chunk_bytes(bytes: usize) -> u64 {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) as u64 }
}

/// Bytes that a value holds beyond its own size.
pub(super) fn value_bytes(value: &Value) -> u64 {
    match value {
        Value::Nil | Value::Int(_) => 0,
        Value::Text(text) => chunk_bytes(text.len()),
        Value::Unparsed(raw) => chunk_bytes(raw.len()),
    }
}

/// The same of values beside each other, with their own sizes.
pub(super) fn values_bytes(values: &[Value]) -> u64 {
    chunk_bytes(size_of_val(values)) + values.iter().map(value_bytes).sum::<u64>()
}

/// What a search held is free again when it ends.
impl Drop for Meter<'_, '_> {
    fn drop(&mut self) {
        let held = self.reported_bytes;
        self.ledger.bytes.fetch_sub(held, Ordering::Relaxed);
    }
}
