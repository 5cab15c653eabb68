//! Drift: the daemon's time of day runs too fast or too slow.

use super::time::{self, Bent};
use super::{About, Kind, Parameter, Parameters, Place, Trial};
use crate::failure::Outcome;
use crate::vdso::Bend;

pub(super) struct Drift;

impl Kind for Drift {
    type State = Bent;

    /// Parts per million: half a million make three seconds of two. It never stands still.
    const ABOUT: About = About {
        name: "drift",
        parameters: &[Parameter {
            name: "ppm",
            possible: (-900_000, 900_000),
            usual: (-500_000, 500_000),
        }],
    };

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        time::try_out(trial)
    }

    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Bent> {
        let ppm = parameters.get("ppm").copied().unwrap_or_default();
        time::before(at, Bend { offset_ns: 0, drift_ppb: ppm * 1_000 })
    }

    fn act(&self, at: Place<'_>, state: &Bent) -> Outcome<()> {
        time::bend(at, state.bend)
    }

    fn measure(&self, at: Place<'_>, state: &Bent) -> Outcome<(bool, String)> {
        time::measure(at, |bend| bend == state.bend)
    }

    fn undo(&self, at: Place<'_>, state: &Bent) -> Outcome<String> {
        time::straighten(at, state)
    }
}
