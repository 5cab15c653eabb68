//! Skew: the daemon's time of day jumps, and stays so far off.

use super::time::Steady;
use super::{About, Parameter, Parameters};
use crate::vdso::Bend;

pub(super) struct Skew;

impl Steady for Skew {
    const ABOUT: About = About {
        name: "skew",
        parameters: &[Parameter {
            name: "offset_ms",
            possible: (-10_000_000_000, 10_000_000_000),
            usual: (-300_000, 300_000),
        }],
    };

    fn bend(parameters: &Parameters) -> Bend {
        let offset_ms = parameters.get("offset_ms").copied().unwrap_or_default();
        Bend { offset_ns: offset_ms * 1_000_000, drift_ppb: 0 }
    }
}
