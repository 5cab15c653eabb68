//! Strobe: the daemon's time of day jumps to and fro, ahead and behind by the same.

use serde::{Deserialize, Serialize};

use super::time::{self, Bent};
use super::{About, Kind, Parameter, Parameters, Place, Trial, natural};
use crate::clock::clocks;
use crate::failure::Outcome;
use crate::vdso::{self, Bend, Order};

pub(super) struct Strobe;

/// The state of a skew, and how often it turns.
#[derive(Serialize, Deserialize)]
pub(super) struct Turning {
    #[serde(flatten)]
    bent: Bent,
    period_ms: u64,
    /// Nanoseconds since 1970, before it was bent.
    began_ns: u64,
}

impl Kind for Strobe {
    type State = Turning;

    const ABOUT: About = About {
        name: "strobe",
        parameters: &[
            Parameter { name: "offset_ms", possible: (1, 10_000_000_000), usual: (10, 10_000) },
            Parameter { name: "period_ms", possible: (50, 60_000), usual: (50, 500) },
        ],
    };

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        time::try_out(trial)
    }

    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Turning> {
        let offset_ns = parameters.get("offset_ms").copied().unwrap_or_default() * 1_000_000;
        let bent = time::before(at, Bend { offset_ns, drift_ppb: 0 })?;
        let began_ns = clocks().realtime_ns;
        Ok(Turning { bent, period_ms: natural(parameters, "period_ms"), began_ns })
    }

    fn act(&self, at: Place<'_>, state: &Turning) -> Outcome<()> {
        time::bend(at, state.bent.bend)
    }

    /// Bent by as much, and again since it was bent first: one that does not turn is a skew.
    fn measure(&self, at: Place<'_>, state: &Turning) -> Outcome<(bool, String)> {
        let offset_ns = state.bent.bend.offset_ns;
        let turned_ns = state.began_ns + state.period_ms * 1_000_000;
        let (all, text) = time::measure(at, |found| {
            let far = found.bend.is_some_and(|bend| bend.offset_ns.abs() == offset_ns);
            far && found.since_ns >= turned_ns
        })?;
        Ok((all, format!("{text}, turning every {} ms", state.period_ms)))
    }

    fn undo(&self, at: Place<'_>, state: &Turning) -> Outcome<String> {
        time::straighten(at, &state.bent)
    }

    fn period_ms(&self, state: &Turning) -> Option<u64> {
        Some(state.period_ms)
    }

    fn beat(&self, at: Place<'_>, state: &Turning) -> Outcome<()> {
        let found = vdso::carry_out(&state.bent.processes, Order::Look)?;
        let ahead = found.iter().any(|found| found.bend.is_some_and(|bend| bend.offset_ns > 0));
        let offset_ns = state.bent.bend.offset_ns;
        let offset_ns = if ahead { -offset_ns } else { offset_ns };
        time::bend(at, Bend { offset_ns, drift_ppb: 0 })
    }
}
