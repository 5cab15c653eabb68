//! Stop: SIGTERM, so that the daemon ends in order, hands over leadership, closes its files;
//! SIGKILL to what is left after a while. Undone by starting it again.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::kill::{Was, gone, running, started};
use super::{About, Kind, Parameter, Parameters, Place, Trial, natural};
use crate::failure::Outcome;

pub(super) struct Stop;

/// The state of a kill, and how long an end in order may take.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Ending {
    #[serde(flatten)]
    was: Was,
    grace_ms: u64,
}

impl Kind for Stop {
    type State = Ending;

    const ABOUT: About = About {
        name: "stop",
        parameters: &[Parameter { name: "grace_ms", possible: (0, 4_000), usual: (1_000, 2_000) }],
    };

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        trial.send(Signal::SIGTERM)?;
        trial.reaches(|state| state == 'Z', "ended")?;
        Ok("SIGTERM")
    }

    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Ending> {
        let grace_ms = natural(parameters, "grace_ms");
        Ok(Ending { was: running(at, "stop")?, grace_ms })
    }

    fn act(&self, at: Place<'_>, state: &Ending) -> Outcome<()> {
        at.daemons.terminate(at.daemon, Duration::from_millis(state.grace_ms))
    }

    fn measure(&self, at: Place<'_>, state: &Ending) -> Outcome<(bool, String)> {
        let (gone, text) = gone(at, &state.was)?;
        let how = match at.daemons.exit_of(at.daemon)? {
            Some(-9) => format!("killed after {} ms", state.grace_ms),
            Some(code) if code < 0 => format!("ended by signal {}", -code),
            Some(code) => format!("ended with code {code}"),
            None => "its exit code is not known".into(),
        };
        Ok((gone, format!("{text}, {how}")))
    }

    fn undo(&self, at: Place<'_>, state: &Ending) -> Outcome<String> {
        started(at, &state.was)
    }
}
