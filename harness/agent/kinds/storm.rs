//! Storm: the daemon is killed and started again and again, also while it is starting. Undone by
//! starting it for good.

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::kill::{Was, running, started};
use super::{About, Kind, Parameter, Parameters, Place, Trial, natural};
use crate::failure::Outcome;

pub(super) struct Storm;

/// The state of a kill, and how often.
#[derive(Serialize, Deserialize)]
pub(super) struct Restarts {
    #[serde(flatten)]
    was: Was,
    period_ms: u64,
}

impl Kind for Storm {
    type State = Restarts;

    const ABOUT: About = About {
        name: "storm",
        parameters: &[Parameter { name: "period_ms", possible: (50, 60_000), usual: (100, 500) }],
    };

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        trial.send(Signal::SIGKILL)?;
        trial.reaches(|state| state == 'Z', "killed")?;
        Ok("pidfd")
    }

    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Restarts> {
        let period_ms = natural(parameters, "period_ms");
        Ok(Restarts { was: running(at, "storm")?, period_ms })
    }

    fn act(&self, at: Place<'_>, _: &Restarts) -> Outcome<()> {
        at.daemons.kill(at.daemon).map(drop)
    }

    /// Started since by us: one that has only killed is a kill.
    fn measure(&self, at: Place<'_>, state: &Restarts) -> Outcome<(bool, String)> {
        let Was { was, .. } = &state.was;
        let (now, left) = (at.daemons.identity(at.daemon)?, at.daemons.living(at.daemon)?.len());
        let every = state.period_ms;
        let text = match left {
            0 => format!("pid {} gone, down at this moment, every {every} ms", was.pid),
            _ => format!("pid {} gone, now pid {}, every {every} ms", was.pid, now.pid),
        };
        Ok((now != *was, text))
    }

    fn undo(&self, at: Place<'_>, state: &Restarts) -> Outcome<String> {
        started(at, &state.was)
    }

    fn period_ms(&self, state: &Restarts) -> Option<u64> {
        Some(state.period_ms)
    }

    /// Kills what runs; starts what does not.
    fn beat(&self, at: Place<'_>, state: &Restarts) -> Outcome<()> {
        match at.daemons.living(at.daemon)?.is_empty() {
            true => at.daemons.restart(at.daemon, state.was.was).map(drop),
            false => at.daemons.kill(at.daemon).map(drop),
        }
    }
}
