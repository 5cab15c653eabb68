//! `stagger`: random gaps with a mean.

use tribunal_history::Nanos;

use super::Gen;
use super::gaps::{Gaps, paced};

/// Gaps between operations uniform in `[0, 2 dt]`: a rate of `1 / dt` over **all** slots of the
/// context together. An operation that comes late is followed by a full gap; nothing catches up.
pub fn stagger(dt: Nanos, child: Gen) -> Gen {
    let span = dt.0.saturating_mul(2).saturating_add(1);
    paced("stagger", Gaps::Random(std::sync::Arc::new(move |draw| draw.below(span))), child)
}
