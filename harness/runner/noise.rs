//! What the harness itself adds: queueing, scheduling, turns. Reported with every run, because a
//! latency or a concurrency that the harness made is not the database's.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tribunal_history::Nanos;

/// A distribution, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Median.
    pub p50_ns: u64,
    /// 99 of 100 are no larger.
    pub p99_ns: u64,
    /// Largest.
    pub max_ns: u64,
    /// How many there were.
    pub count: u64,
}

/// The harness' own delays during one load.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct SelfNoise {
    /// From the recorder's stamp to the worker's: hand-over, connecting not included.
    pub dispatch_to_send: Quantiles,
    /// From the worker's stamp of the reply to the moment its completion was on file.
    pub receive_to_record: Quantiles,
    /// Length of a dispatcher turn.
    pub turn: Quantiles,
    /// Mean number of open operations by the dispatcher's stamps over that by the workers'. 1 is
    /// perfect; far above 1 the harness, not the database, makes operations overlap.
    pub harness_concurrency: f64,
    /// Nanoseconds the load's thread stood ready without a processor, where the kernel tells.
    pub run_queue_ns: Option<u64>,
}

/// A histogram of nanoseconds with two significant digits, up to an hour.
#[derive(Debug)]
pub(crate) struct Delays(Histogram<u64>);

impl Delays {
    const MAX: u64 = 3_600_000_000_000;

    pub(crate) fn new() -> Delays {
        let bounds = Histogram::new_with_bounds(1, Delays::MAX, 2);
        Delays(bounds.expect("constant bounds are valid"))
    }

    #[inline]
    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos.max(1));
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        Quantiles {
            p50_ns: self.0.value_at_quantile(0.5),
            p99_ns: self.0.value_at_quantile(0.99),
            max_ns: self.0.max(),
            count: self.0.len(),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.reset();
    }
}

/// Collects [`SelfNoise`] during a load.
#[derive(Debug)]
pub(crate) struct NoiseMeter {
    dispatch_to_send: Delays,
    receive_to_record: Delays,
    turn: Delays,
    open_by_dispatch: u128,
    open_by_worker: u128,
    run_queue_start: Option<u64>,
}

impl NoiseMeter {
    pub(crate) fn new() -> NoiseMeter {
        NoiseMeter {
            dispatch_to_send: Delays::new(),
            receive_to_record: Delays::new(),
            turn: Delays::new(),
            open_by_dispatch: 0,
            open_by_worker: 0,
            run_queue_start: run_queue(),
        }
    }

    /// An operation was handed over at `dispatched`, taken up at `taken`, sent and answered at
    /// `sent` and `received`, and drained at `drained`.
    #[inline]
    pub(crate) fn op(
        &mut self,
        dispatched: Nanos,
        taken: Nanos,
        wire: (Nanos, Nanos),
        drained: Nanos,
    ) {
        let (sent, received) = wire;
        self.dispatch_to_send.record(taken.saturating_sub(dispatched).0);
        // Connecting lies between `taken` and `sent`: that is the node's time, not the harness'.
        let connecting = sent.saturating_sub(taken);
        let open = drained.saturating_sub(dispatched).saturating_sub(connecting);
        self.open_by_dispatch += u128::from(open.0);
        self.open_by_worker += u128::from(received.saturating_sub(sent).0);
    }

    #[inline]
    pub(crate) fn recorded(&mut self, received: Nanos, on_file: Nanos) {
        self.receive_to_record.record(on_file.saturating_sub(received).0);
    }

    #[inline]
    pub(crate) fn turn(&mut self, length: Nanos) {
        self.turn.record(length.0);
    }

    pub(crate) fn report(&self) -> SelfNoise {
        let ratio = self.open_by_dispatch as f64 / self.open_by_worker.max(1) as f64;
        let now = run_queue();
        SelfNoise {
            dispatch_to_send: self.dispatch_to_send.quantiles(),
            receive_to_record: self.receive_to_record.quantiles(),
            turn: self.turn.quantiles(),
            harness_concurrency: if self.open_by_worker == 0 { 1.0 } else { ratio },
            run_queue_ns: self.run_queue_start.zip(now).map(|(then, now)| now.saturating_sub(then)),
        }
    }
}

/// Time this thread has waited for a processor: the second number of its schedstat.
fn run_queue() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrency_is_the_ratio_of_open_times() {
        let mut meter = NoiseMeter::new();
        let at = Nanos;
        meter.op(at(0), at(100), (at(100), at(1_000)), at(1_080));
        meter.op(at(0), at(50), (at(50), at(1_050)), at(1_010));
        let noise = meter.report();
        assert!((noise.harness_concurrency - 2_090.0 / 1_900.0).abs() < 1e-9);
        assert_eq!(noise.dispatch_to_send.max_ns, 100);
        assert_eq!(noise.dispatch_to_send.count, 2);
        let mut connects = NoiseMeter::new();
        connects.op(at(0), at(10), (at(1_010), at(2_010)), at(2_010));
        assert!((connects.report().harness_concurrency - 1.01).abs() < 1e-9);
    }

    #[test]
    fn nothing_measured_is_no_noise() {
        assert_eq!(NoiseMeter::new().report().harness_concurrency, 1.0);
    }
}
