//! Counts and latency quantiles over time bins.

use tribunal_history::{F, History, Outcome};

use crate::limits;
use crate::stats::Latencies;

/// Operations that ended in one bin.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Bin {
    pub(super) ok: u64,
    pub(super) fail: u64,
    pub(super) info: u64,
}

/// Quantiles of one bin in microseconds: median, 95 %, 99 %, longest. `None` without operations.
pub(super) type Quantiles = Option<[u64; 4]>;

/// One operation name's latencies.
pub(super) struct PerF {
    pub(super) name: &'static str,
    pub(super) bins: Vec<Quantiles>,
    pub(super) whole: Latencies,
}

/// A run in bins of equal length.
pub(super) struct Series {
    pub(super) origin: u64,
    pub(super) bin_ns: u64,
    pub(super) counts: Vec<Bin>,
    pub(super) per_f: Vec<PerF>,
}

/// Where the time axes begin. Our own runs start at zero; a foreign record may count from an epoch,
/// and would otherwise be a thin line at the far right.
pub(super) fn origin(history: &History) -> u64 {
    let first = history.operations().map(|op| op.invoked_at().0).min().unwrap_or(0);
    if first > history.end().0 / 2 { first } else { 0 }
}

impl Series {
    /// Bins by completion; only `ok` operations have a latency.
    pub(super) fn new(history: &History) -> Series {
        let origin = origin(history);
        let end = (history.end().0 - origin).max(1);
        let wanted = limits::BINS.min((history.len() / 60).max(12));
        let bin_ns = end.div_ceil(wanted as u64).max(1);
        let bins = (end / bin_ns) as usize + 1;
        let mut counts = vec![Bin::default(); bins];
        let mut kept: Vec<Vec<Option<Latencies>>> = vec![vec![None; bins]; F::ALL.len()];
        for operation in history.operations() {
            let done = operation.completed_at().0;
            let bin = (done.saturating_sub(origin) / bin_ns) as usize;
            match operation.outcome() {
                Outcome::Fail => counts[bin].fail += 1,
                Outcome::Info | Outcome::Open => counts[bin].info += 1,
                Outcome::Ok => {
                    counts[bin].ok += 1;
                    let f = operation.f() as usize;
                    let latency = done.saturating_sub(operation.invoked_at().0);
                    kept[f][bin].get_or_insert_default().record_ns(latency);
                }
            }
        }
        let per_f = F::ALL.iter().zip(kept).filter_map(|(f, bins)| {
            let name = f.name();
            let mut whole = Latencies::default();
            bins.iter().flatten().for_each(|bin| whole.merge(bin));
            let bins = bins.iter().map(|bin| bin.as_ref().map(quantiles)).collect();
            (whole.count() > 0).then_some(PerF { name, bins, whole })
        });
        Series { origin, bin_ns, counts, per_f: per_f.collect() }
    }
}

/// Median, 95 %, 99 %, longest, in microseconds.
pub(super) fn quantiles(latencies: &Latencies) -> [u64; 4] {
    let at = |q| latencies.quantile_us(q);
    [at(0.5), at(0.95), at(0.99), latencies.max_us()]
}
