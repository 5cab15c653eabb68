//! Drift: the daemon's time of day runs too fast or too slow.

use super::time::Steady;
use super::{About, Parameter, Parameters};
use crate::vdso::Bend;

pub(super) struct Drift;

impl Steady for Drift {
    /// Parts per million: half a million make three seconds of two. It never stands still.
    const ABOUT: About = About {
        name: "drift",
        parameters: &[Parameter {
            name: "ppm",
            possible: (-900_000, 900_000),
            usual: (-500_000, 500_000),
        }],
    };

    fn bend(parameters: &Parameters) -> Bend {
        let ppm = parameters.get("ppm").copied().unwrap_or_default();
        Bend { offset_ns: 0, drift_ppb: ppm * 1_000 }
    }
}
