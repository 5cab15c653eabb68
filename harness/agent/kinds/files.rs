//! Files: the daemon may open a few more files and sockets, and no more (EMFILE). Undone by the
//! limits that were.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{About, Kind, Parameter, Parameters, Place, Trial, natural};
use crate::failure::{Outcome, While};
use crate::proc;
use crate::protocol::{Failure, Identity};
use crate::sys;

pub(super) struct Files;

/// Whose limit is lowered.
#[derive(Serialize, Deserialize)]
pub(super) struct Limits {
    daemon: String,
    processes: Vec<Limit>,
}

/// The soft limit of open files of one process.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Limit {
    identity: Identity,
    was: u64,
    lowered: u64,
}

impl Kind for Files {
    type State = Limits;

    const ABOUT: About = About {
        name: "files",
        parameters: &[Parameter { name: "spare", possible: (0, 1_000), usual: (0, 4) }],
    };

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        let identity = trial.identity();
        let tried = || -> std::io::Result<bool> {
            let was = sys::file_limit(identity.pid)?;
            sys::set_file_limit(identity.pid, was.min(16))?;
            let lowered = sys::file_limit(identity.pid)?;
            sys::set_file_limit(identity.pid, was)?;
            Ok(lowered == was.min(16) && sys::file_limit(identity.pid)? == was)
        };
        match tried() {
            Ok(true) => Ok("prlimit"),
            Ok(false) => Err("a limit that was set did not hold".into()),
            Err(error) => Err(format!("prlimit: {error}; needs CAP_SYS_RESOURCE or its user")),
        }
    }

    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Limits> {
        let spare = natural(parameters, "spare");
        let living = at.daemons.living(at.daemon)?;
        let mut processes = Vec::new();
        for identity in living.iter().map(|stat| stat.identity) {
            let looked = sys::file_limit(identity.pid)
                .and_then(|was| Ok((was, proc::open_files(identity)?)));
            match looked {
                Ok((was, open)) => {
                    let lowered = was.min(limit(&open, spare));
                    processes.push(Limit { identity, was, lowered });
                }
                Err(_) if proc::stat_of(identity).is_none() => {}
                Err(error) => return Err(error).during(format_args!("look at {}", at.daemon)),
            }
        }
        if processes.is_empty() {
            return Err(Failure::refused(format!("files {}: it is not running", at.daemon)));
        }
        Ok(Limits { daemon: at.daemon.into(), processes })
    }

    fn act(&self, _: Place<'_>, state: &Limits) -> Outcome<()> {
        state.processes.iter().try_for_each(|limit| set(limit.identity, limit.lowered))
    }

    fn measure(&self, _: Place<'_>, state: &Limits) -> Outcome<(bool, String)> {
        let living: Vec<&Limit> =
            state.processes.iter().filter(|limit| lives(limit.identity)).collect();
        let mut held = 0;
        for limit in &living {
            let now = sys::file_limit(limit.identity.pid).during("read limit of files")?;
            held += usize::from(now == limit.lowered && limit.lowered < limit.was);
        }
        let (all, lowered) = (living.len(), living.first().map_or(0, |limit| limit.lowered));
        let text =
            format!("{held} of {all} processes open no file with a number from {lowered} on");
        Ok((held > 0 && held == all, text))
    }

    /// A child that was born meanwhile has the limit of whoever bore it.
    fn undo(&self, at: Place<'_>, state: &Limits) -> Outcome<String> {
        let mut restored = 0;
        for limit in &state.processes {
            if lives(limit.identity) {
                set(limit.identity, limit.was)?;
                restored += 1;
            }
        }
        for stat in at.daemons.living(at.daemon)? {
            let now = sys::file_limit(stat.identity.pid).unwrap_or(u64::MAX);
            let born = state.processes.iter().find(|limit| limit.lowered == now && now < limit.was);
            if let Some(limit) = born {
                set(stat.identity, limit.was)?;
                restored += 1;
            }
        }
        Ok(format!("restored the limit of files of {restored} processes of {}", at.daemon))
    }
}

/// A file gets the least number that is free, below the limit: so many are below this one.
fn limit(open: &BTreeSet<u64>, spare: u64) -> u64 {
    let mut free = (0..).filter(|number| !open.contains(number)).skip(spare as usize);
    free.next().unwrap_or(u64::MAX)
}

/// Sets the soft limit and reads it back; a process that is gone has none.
fn set(identity: Identity, limit: u64) -> Outcome<()> {
    if !lives(identity) {
        return Ok(());
    }
    let set = sys::set_file_limit(identity.pid, limit);
    match set.and_then(|()| sys::file_limit(identity.pid)) {
        Ok(now) if now == limit => Ok(()),
        Ok(now) => Err(Failure::io(format!("limit of files is {now}, not {limit}"))),
        Err(_) if !lives(identity) => Ok(()),
        Err(error) => Err(error).during("set limit of files"),
    }
}

fn lives(identity: Identity) -> bool {
    proc::stat_of(identity).is_some_and(|stat| stat.lives())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_leaves_as_many_numbers_as_may_be_opened() {
        let open = BTreeSet::from([0, 1, 2, 4, 5, 9]);
        let limits: Vec<u64> = (0..6).map(|spare| limit(&open, spare)).collect();
        assert_eq!(limits, [3, 6, 7, 8, 10, 11]);
    }
}
