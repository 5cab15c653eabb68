//! `poisson`: arrivals without memory.

use super::gaps::{Gaps, paced};
use super::{Gen, exact};

/// Exponential gaps with a mean of `1 / rate` seconds over all slots of the context together. As
/// with `stagger` nothing catches up: for arrivals that do not wait for slots see `open_loop`.
///
/// # Panics
/// When `rate` is not a positive number.
pub fn poisson(rate: f64, child: Gen) -> Gen {
    assert!(rate.is_finite() && rate > 0.0, "a rate of {rate} per second has no gaps");
    let mean = 1e9 / rate;
    let gap = move |draw: &mut crate::seed::Draw| (-exact::ln(1.0 - draw.unit()) * mean) as u64;
    paced("poisson", Gaps::Random(std::sync::Arc::new(gap)), child)
}
