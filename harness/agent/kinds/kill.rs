//! Kill: SIGKILL to every process of the daemon. Undone by starting it again.

use serde::{Deserialize, Serialize};

use super::{About, Kind, Parameters, Place, Trial};
use crate::failure::Outcome;
use crate::protocol::{Failure, Identity};

pub(super) struct Kill;

/// Who is killed.
#[derive(Serialize, Deserialize)]
pub(super) struct Was {
    pub(super) daemon: String,
    pub(super) was: Identity,
}

impl Kind for Kill {
    type State = Was;

    const ABOUT: About = About { name: "kill", parameters: &[] };

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        trial.send(nix::sys::signal::Signal::SIGKILL)?;
        trial.reaches(|state| state == 'Z', "killed")?;
        Ok("pidfd")
    }

    fn before(&self, at: Place<'_>, _: &Parameters) -> Outcome<Was> {
        running(at, "kill")
    }

    fn act(&self, at: Place<'_>, _: &Was) -> Outcome<()> {
        at.daemons.kill(at.daemon).map(drop)
    }

    fn measure(&self, at: Place<'_>, state: &Was) -> Outcome<(bool, String)> {
        gone(at, state)
    }

    fn undo(&self, at: Place<'_>, state: &Was) -> Outcome<String> {
        started(at, state)
    }
}

/// Who runs now; refused if nobody does.
pub(super) fn running(at: Place<'_>, what: &str) -> Outcome<Was> {
    let was = at.daemons.identity(at.daemon)?;
    if at.daemons.living(at.daemon)?.is_empty() {
        return Err(Failure::refused(format!("{what} {}: it is not running", at.daemon)));
    }
    Ok(Was { daemon: at.daemon.into(), was })
}

/// Whether nothing of it is left, and nobody has started it since.
pub(super) fn gone(at: Place<'_>, Was { was, .. }: &Was) -> Outcome<(bool, String)> {
    let (now, left) = (at.daemons.identity(at.daemon)?, at.daemons.living(at.daemon)?.len());
    let text = format!("pid {} (start {}) gone, {left} processes left", was.pid, was.start);
    Ok((left == 0 && now == *was, text))
}

/// Starts it again, unless it runs or was stopped on purpose.
pub(super) fn started(at: Place<'_>, Was { was, .. }: &Was) -> Outcome<String> {
    let daemon = at.daemon;
    Ok(match at.daemons.restart(daemon, *was)? {
        Some(now) => format!("started {daemon} again as pid {} (start {})", now.pid, now.start),
        None => format!("{daemon} runs, or was stopped on purpose: not started"),
    })
}
