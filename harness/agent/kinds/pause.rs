//! Pause: SIGSTOP to every process of the daemon. Undone by SIGCONT.

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::{About, Kind, Parameters, Place, Trial};
use crate::failure::Outcome;
use crate::protocol::Identity;

pub(super) struct Pause;

/// Who is stopped.
#[derive(Serialize, Deserialize)]
pub(super) struct Stopped {
    daemon: String,
    processes: Vec<Identity>,
}

impl Kind for Pause {
    type State = Stopped;

    const ABOUT: About = About { name: "pause", parameters: &[] };

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        trial.send(Signal::SIGSTOP)?;
        trial.reaches(|state| state == 'T', "stopped")?;
        trial.send(Signal::SIGCONT)?;
        trial.reaches(|state| state != 'T', "running")?;
        Ok("SIGSTOP")
    }

    fn before(&self, at: Place<'_>, _: &Parameters) -> Outcome<Stopped> {
        let living = at.daemons.living(at.daemon)?;
        let processes = living.iter().map(|stat| stat.identity).collect();
        Ok(Stopped { daemon: at.daemon.into(), processes })
    }

    fn act(&self, at: Place<'_>, _: &Stopped) -> Outcome<()> {
        at.daemons.pause(at.daemon).map(drop)
    }

    fn measure(&self, at: Place<'_>, _: &Stopped) -> Outcome<(bool, String)> {
        let living = at.daemons.living(at.daemon)?;
        let stopped = living.iter().filter(|stat| stat.state == 'T').count();
        let text = format!("{stopped} of {} processes in state T", living.len());
        Ok((stopped > 0 && stopped == living.len(), text))
    }

    fn undo(&self, at: Place<'_>, state: &Stopped) -> Outcome<String> {
        let continued = at.daemons.resume(at.daemon, &state.processes)?;
        Ok(format!("continued {continued} processes of {}, none in state T", at.daemon))
    }
}
