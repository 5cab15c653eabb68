//! Skew: the daemon's time of day jumps, and stays so far off.

use super::time::{self, Bent};
use super::{About, Kind, Parameter, Parameters, Place, Trial};
use crate::failure::Outcome;
use crate::vdso::Bend;

pub(super) struct Skew;

impl Kind for Skew {
    type State = Bent;

    const ABOUT: About = About {
        name: "skew",
        parameters: &[Parameter {
            name: "offset_ms",
            possible: (-10_000_000_000, 10_000_000_000),
            usual: (-300_000, 300_000),
        }],
    };

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        time::try_out(trial)
    }

    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Bent> {
        let offset_ms = parameters.get("offset_ms").copied().unwrap_or_default();
        time::before(at, Bend { offset_ns: offset_ms * 1_000_000, drift_ppb: 0 })
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
