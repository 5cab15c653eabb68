//! `delay`: fixed gaps.

use tribunal_history::Nanos;

use super::Gen;
use super::gaps::{Gaps, paced};

/// Operations `dt` apart, counted from the first. When they fall behind they follow each other at
/// once until they have caught up.
pub fn delay(dt: Nanos, child: Gen) -> Gen {
    paced("delay", Gaps::Fixed(dt), child)
}
