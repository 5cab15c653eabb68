//! Bounds and quantiles shown beside a verdict. They never change one.
//!
//! The trial of a rate is a run with its own seed, never an operation: operations of one run are
//! not independent.

use hdrhistogram::Histogram;
use statrs::distribution::{Beta, ContinuousCDF, Normal};

/// Upper end of the one-sided interval of a rate after `k` findings in `n` trials.
///
/// For `k = 0` the closed form `1 - alpha^(1/n)`; otherwise Clopper-Pearson by bisection on the
/// distribution function. The library's own inverse is not used: it loses accuracy below 1e-4
/// and never returns from about `n = 10^7`. 1.0 when `k >= n`, so also without any trial.
pub fn rate_upper(k: u64, n: u64, confidence: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    let alpha = 1.0 - confidence;
    if k == 0 {
        return -(alpha.ln() / n as f64).exp_m1();
    }
    let Ok(beta) = Beta::new(k as f64 + 1.0, (n - k) as f64) else { return 1.0 };
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    // The bracket halves from 1 to below one ulp of the smallest rate we print.
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if beta.cdf(middle) < confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Wilson's two-sided interval of a rate after `k` hits in `n` trials.
pub fn wilson(k: u64, n: u64, confidence: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    let (n, p) = (n as f64, k as f64 / n as f64);
    let centre = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0))
}

/// Latencies in microseconds with 1 % resolution, mergeable.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u32>);

/// Longest latency kept apart: one hour. Longer ones count as one hour.
const LONGEST_US: u64 = 3_600_000_000;

impl Default for Latencies {
    fn default() -> Latencies {
        let bounds = Histogram::new_with_bounds(1, LONGEST_US, 2);
        Latencies(bounds.expect("1 us to 1 h with two digits is a legal range"))
    }
}

impl Latencies {
    /// Counts one operation.
    pub fn record_ns(&mut self, nanos: u64) {
        self.0.saturating_record((nanos / 1000).max(1));
    }

    /// Number of operations.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency no more than `1 - q` of the operations exceed, in microseconds.
    pub fn quantile_us(&self, q: f64) -> u64 {
        self.0.value_at_quantile(q)
    }

    /// The longest, in microseconds.
    pub fn max_us(&self) -> u64 {
        self.0.max()
    }

    /// Adds another histogram's operations.
    pub fn merge(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("all histograms share their bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::{Latencies, rate_upper, wilson};

    fn close(got: f64, want: f64, relative: f64) {
        assert!((got / want - 1.0).abs() <= relative, "got {got:e}, want {want:e}");
    }

    #[test]
    fn no_finding_in_n_runs() {
        let table = [(1, 0.950), (10, 0.259), (20, 0.139), (59, 0.0495)];
        for (n, want) in table.into_iter().chain([(100, 0.0295), (299, 0.00997), (1000, 0.00299)]) {
            close(rate_upper(0, n, 0.95), want, 3e-3);
        }
        close(rate_upper(0, 1_000_000, 0.95), 2.995_728e-6, 1e-6);
        close(rate_upper(0, 10_000_000, 0.95), 2.995_731_82e-7, 1e-8);
        close(rate_upper(0, 1_000_000_000, 0.95), 2.995_732_27e-9, 1e-8);
    }

    #[test]
    fn some_findings_up_to_a_billion_runs() {
        close(rate_upper(3, 1_000_000, 0.95), 7.753_638e-6, 1e-6);
        for (n, three, fifty) in [
            (10_000_000, 7.753_654_69e-7, 6.328_703_21e-6),
            (100_000_000, 7.753_656_34e-8, 6.328_706_99e-7),
            (1_000_000_000, 7.753_656_51e-9, 6.328_707_37e-8),
        ] {
            close(rate_upper(3, n, 0.95), three, 1e-6);
            close(rate_upper(50, n, 0.95), fifty, 1e-6);
        }
    }

    #[test]
    fn the_ends_are_certain() {
        assert_eq!(rate_upper(0, 0, 0.95), 1.0);
        assert_eq!(rate_upper(5, 5, 0.95), 1.0);
    }

    #[test]
    fn wilson_agrees_with_the_tables() {
        let (low, high) = wilson(3, 20, 0.95);
        close(low, 0.052, 1e-2);
        close(high, 0.360, 1e-2);
        let (low, high) = wilson(19, 20, 0.95);
        close(low, 0.764, 1e-3);
        close(high, 0.991, 1e-3);
        close(wilson(20, 20, 0.95).0, 0.839, 1e-3);
        assert_eq!(wilson(0, 0, 0.95), (0.0, 1.0));
    }

    #[test]
    fn quantiles_are_within_a_hundredth() {
        let mut one = Latencies::default();
        let mut other = Latencies::default();
        for ms in 1..=1000u64 {
            if ms % 2 == 0 { &mut one } else { &mut other }.record_ns(ms * 1_000_000);
        }
        one.merge(&other);
        assert_eq!(one.count(), 1000);
        close(one.quantile_us(0.5) as f64, 500_000.0, 0.01);
        close(one.quantile_us(0.99) as f64, 990_000.0, 0.01);
        close(one.max_us() as f64, 1_000_000.0, 0.01);
    }
}
