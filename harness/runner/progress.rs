//! Figures of a load while it runs, for a live line. Reading them costs the load nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tribunal_history::{Nanos, Outcome};

use super::noise::Delays;

/// Shared with whoever draws it. Counts grow over the life of the value, which may span loads.
#[derive(Default, Debug)]
pub struct Progress {
    ok: AtomicU64,
    fail: AtomicU64,
    info: AtomicU64,
    open: AtomicU64,
    p50_ns: AtomicU64,
    p99_ns: AtomicU64,
}

/// One reading. The fields are read one after the other, so they may be apart by a turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// Operations that happened.
    pub ok: u64,
    /// Operations that did not.
    pub fail: u64,
    /// Operations with unknown outcome.
    pub info: u64,
    /// Operations under way.
    pub open: u64,
    /// Median latency of `ok` operations over the last second with any.
    pub p50: Nanos,
    /// 99th percentile of the same.
    pub p99: Nanos,
}

impl Progress {
    /// All zero.
    pub fn new() -> Progress {
        Progress::default()
    }

    /// The figures now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            ok: self.ok.load(Relaxed),
            fail: self.fail.load(Relaxed),
            info: self.info.load(Relaxed),
            open: self.open.load(Relaxed),
            p50: Nanos(self.p50_ns.load(Relaxed)),
            p99: Nanos(self.p99_ns.load(Relaxed)),
        }
    }
}

/// The load's side: gathers a turn and publishes it at once.
#[derive(Debug)]
pub(crate) struct Gauge {
    ok: u64,
    fail: u64,
    info: u64,
    latencies: Delays,
    window_ends: Nanos,
    totals: [u64; 3],
}

impl Gauge {
    const WINDOW: Nanos = Nanos::from_millis(1_000);

    pub(crate) fn new(now: Nanos) -> Gauge {
        let window_ends = now.saturating_add(Gauge::WINDOW);
        Gauge { ok: 0, fail: 0, info: 0, latencies: Delays::new(), window_ends, totals: [0; 3] }
    }

    #[inline]
    pub(crate) fn completed(&mut self, outcome: Outcome, latency: Nanos) {
        match outcome {
            Outcome::Ok => {
                self.ok += 1;
                self.latencies.record(latency.0);
            }
            Outcome::Fail => self.fail += 1,
            Outcome::Info | Outcome::Open => self.info += 1,
        }
    }

    /// What was gathered since the last publication did not make it into the record.
    pub(crate) fn forget(&mut self) {
        (self.ok, self.fail, self.info) = (0, 0, 0);
    }

    /// Published so far: ok, fail, info.
    pub(crate) fn totals(&self) -> [u64; 3] {
        self.totals
    }

    /// Whether a window closed: once a second, for what need not be done every turn.
    pub(crate) fn publish(&mut self, progress: &Progress, open: u32, now: Nanos) -> bool {
        let shown = [&progress.ok, &progress.fail, &progress.info];
        let turn = [self.ok, self.fail, self.info];
        for ((count, total), shown) in turn.into_iter().zip(&mut self.totals).zip(shown) {
            if count > 0 {
                *total += count;
                shown.fetch_add(count, Relaxed);
            }
        }
        self.forget();
        progress.open.store(open.into(), Relaxed);
        if now < self.window_ends {
            return false;
        }
        self.window_ends = now.saturating_add(Gauge::WINDOW);
        let window = self.latencies.quantiles();
        if window.count > 0 {
            progress.p50_ns.store(window.p50_ns, Relaxed);
            progress.p99_ns.store(window.p99_ns, Relaxed);
            self.latencies.clear();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_appear_at_once_and_latencies_by_the_window() {
        let progress = Progress::new();
        let mut gauge = Gauge::new(Nanos(0));
        gauge.completed(Outcome::Ok, Nanos::from_millis(5));
        gauge.completed(Outcome::Info, Nanos(1));
        assert!(!gauge.publish(&progress, 3, Nanos::from_millis(10)));
        let early = progress.snapshot();
        assert_eq!((early.ok, early.fail, early.info, early.open), (1, 0, 1, 3));
        assert_eq!(early.p50, Nanos(0));
        assert!(gauge.publish(&progress, 0, Nanos::from_millis(1_000)));
        let late = progress.snapshot();
        assert_eq!((late.ok, late.open), (1, 0));
        let error = late.p50.0.abs_diff(5_000_000);
        assert!(error < 100_000, "{late:?}");
    }
}
