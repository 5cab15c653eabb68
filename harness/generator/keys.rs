//! Keys: which one an operation is about, as values.

use std::sync::Arc;

use tribunal_history::Value;

use super::exact;
use crate::seed::Draw;

/// Entries of a Zipf table.
const ZIPF_MAX: u64 = 1 << 20;

/// Chooses one of the keys `0..count`.
#[derive(Clone, PartialEq, Debug)]
pub struct KeyChooser(Shape);

#[derive(Clone, PartialEq, Debug)]
enum Shape {
    Uniform {
        count: u64,
    },
    /// Cumulative probabilities in units of 2^-53.
    Zipf {
        up_to: Arc<[u64]>,
    },
    Hotspot {
        count: u64,
        hot: u64,
        percent: u64,
    },
}

/// All alike.
///
/// # Panics
/// When there is no key.
pub fn uniform(count: u64) -> KeyChooser {
    assert!(count > 0, "there is no key to choose");
    KeyChooser(Shape::Uniform { count })
}

/// Key `k` in proportion to `1 / (k + 1)^s`. The table takes 8 bytes a key.
///
/// # Panics
/// With no key, with more than 2^20, or with `s` outside `0..=30`.
pub fn zipf(count: u64, s: f64) -> KeyChooser {
    assert!((1..=ZIPF_MAX).contains(&count), "zipf takes 1 to {ZIPF_MAX} keys, not {count}");
    assert!((0.0..=30.0).contains(&s), "zipf takes an exponent of 0 to 30, not {s}");
    let weights = (1..=count).map(|k| exact::exp(-s * exact::ln(k as f64)));
    let mut sum = 0.0;
    let sums: Vec<f64> = weights
        .map(|weight| {
            sum += weight;
            sum
        })
        .collect();
    let unit = (1u64 << 53) as f64;
    let up_to = sums.iter().map(|part| (part / sum * unit) as u64).collect();
    KeyChooser(Shape::Zipf { up_to })
}

/// One of the first `hot` keys in `percent` of 100 cases, any other one else.
///
/// # Panics
/// When `hot` is not a proper part of `count`, or `percent` is above 100.
pub fn hotspot(count: u64, hot: u64, percent: u64) -> KeyChooser {
    assert!(0 < hot && hot < count, "{hot} hot keys of {count} leave none hot or none cold");
    assert!(percent <= 100, "{percent} percent is more than all");
    KeyChooser(Shape::Hotspot { count, hot, percent })
}

impl KeyChooser {
    /// Number of keys.
    pub fn count(&self) -> u64 {
        match &self.0 {
            Shape::Uniform { count } | Shape::Hotspot { count, .. } => *count,
            Shape::Zipf { up_to } => up_to.len() as u64,
        }
    }

    /// One key. Takes one word of the draw, two for a hotspot.
    pub fn choose(&self, draw: &mut Draw) -> u64 {
        match &self.0 {
            Shape::Uniform { count } => draw.below(*count),
            Shape::Zipf { up_to } => {
                let point = draw.word() >> 11;
                (up_to.partition_point(|&up_to| up_to <= point) as u64).min(self.count() - 1)
            }
            Shape::Hotspot { count, hot, percent } => {
                if draw.below(100) < *percent {
                    draw.below(*hot)
                } else {
                    hot + draw.below(count - hot)
                }
            }
        }
    }

    /// One key as a value.
    pub fn value(&self, draw: &mut Draw) -> Value {
        Value::Int(self.choose(draw) as i64)
    }
}

/// A sequence of keys, each used once, for `independent_sequential` and `independent_concurrent`.
#[derive(Clone)]
pub struct Keys(Arc<dyn Fn(u64) -> Option<Value> + Send + Sync>);

impl Keys {
    /// Key number `k`, until it answers `None`.
    pub fn by(key: impl Fn(u64) -> Option<Value> + Send + Sync + 'static) -> Keys {
        Keys(Arc::new(key))
    }

    /// The integers `0..count`.
    pub fn first(count: u64) -> Keys {
        Keys::by(move |k| (k < count).then_some(Value::Int(k as i64)))
    }

    /// The integers from 0 without end.
    pub fn unbounded() -> Keys {
        Keys::by(|k| Some(Value::Int(k as i64)))
    }

    /// These, in order.
    pub fn list(keys: Vec<Value>) -> Keys {
        Keys::by(move |k| keys.get(k as usize).cloned())
    }

    /// Key number `k`.
    pub fn get(&self, k: u64) -> Option<Value> {
        (self.0)(k)
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyChooser, hotspot, uniform, zipf};
    use crate::seed::Seed;

    fn shares(chooser: &KeyChooser) -> Vec<f64> {
        let stream = Seed(45100).root().child("keys");
        let mut counts = vec![0u32; chooser.count() as usize];
        (0..100_000).for_each(|n| counts[chooser.choose(&mut stream.draw(0, n)) as usize] += 1);
        counts.iter().map(|&count| f64::from(count) / 1e5).collect()
    }

    fn close(actual: &[f64], expected: &[f64]) {
        for (actual, expected) in actual.iter().zip(expected) {
            assert!((actual - expected).abs() < 0.006, "{actual} is not near {expected}");
        }
    }

    #[test]
    fn choosers_have_their_distributions() {
        close(&shares(&uniform(4)), &[0.25; 4]);
        close(&shares(&zipf(3, 1.0)), &[6.0 / 11.0, 3.0 / 11.0, 2.0 / 11.0]);
        close(&shares(&zipf(2, 0.0)), &[0.5, 0.5]);
        close(&shares(&hotspot(5, 1, 80)), &[0.8, 0.05, 0.05, 0.05, 0.05]);
        assert_eq!(shares(&zipf(1 << 20, 1.1)).len(), 1 << 20);
    }
}
