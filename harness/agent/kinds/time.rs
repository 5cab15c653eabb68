//! What faults of the time of day have in common: every process of a daemon sees it bent.

use serde::{Deserialize, Serialize};

use super::{About, Kind, Parameters, Place, Trial};
use crate::failure::Outcome;
use crate::protocol::{Failure, Identity};
use crate::vdso::{self, Bend, Found, Order};

/// Whose time is bent, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bent {
    pub(super) daemon: String,
    pub(super) processes: Vec<Identity>,
    pub(super) bend: Bend,
}

/// A fault that bends a time once, and leaves it so.
pub(crate) trait Steady: Sync {
    const ABOUT: About;

    fn bend(parameters: &Parameters) -> Bend;
}

impl<S: Steady> Kind for S {
    type State = Bent;

    const ABOUT: About = S::ABOUT;

    fn try_out(&self, trial: &Trial) -> Result<&'static str, String> {
        try_out(trial)
    }

    fn before(&self, at: Place<'_>, parameters: &Parameters) -> Outcome<Bent> {
        before(at, S::bend(parameters))
    }

    fn act(&self, at: Place<'_>, state: &Bent) -> Outcome<()> {
        bend(at, state.bend)
    }

    fn measure(&self, at: Place<'_>, state: &Bent) -> Outcome<(bool, String)> {
        measure(at, |found| found.bend == Some(state.bend))
    }

    fn undo(&self, at: Place<'_>, state: &Bent) -> Outcome<String> {
        straighten(at, state)
    }
}

pub(super) fn before(at: Place<'_>, bend: Bend) -> Outcome<Bent> {
    let processes = living(at)?;
    if processes.is_empty() {
        return Err(Failure::refused(format!("bend time of {}: it is not running", at.daemon)));
    }
    // Whichever of two were undone first would undo the other.
    let found = vdso::carry_out(&processes, Order::Look)?;
    if found.iter().any(|found| found.bend.is_some()) {
        let words = "another fault has bent it; one at a time";
        return Err(Failure::refused(format!("bend time of {}: {words}", at.daemon)));
    }
    Ok(Bent { daemon: at.daemon.into(), processes, bend })
}

/// Children that were born meanwhile have it from whoever bore them.
pub(super) fn bend(at: Place<'_>, bend: Bend) -> Outcome<()> {
    vdso::carry_out(&living(at)?, Order::Set(bend)).map(drop)
}

/// Whether every process has a time bent as `wanted` says, and how.
pub(super) fn measure(at: Place<'_>, wanted: impl Fn(&Found) -> bool) -> Outcome<(bool, String)> {
    let found = vdso::carry_out(&living(at)?, Order::Look)?;
    let bent = found.iter().filter(|found| wanted(found)).count();
    let how = found.iter().find_map(|found| found.bend).map_or("not bent".into(), |bend| {
        let (offset, ppm) = (bend.offset_ns as f64 / 1e9, bend.drift_ppb / 1_000);
        format!("by {offset:+.3} s and {ppm:+} ppm")
    });
    let stopped = found.iter().map(|found| found.stopped_us).max().unwrap_or(0);
    let text = format!(
        "{bent} of {} processes see the time {how} (read from their vDSO, stopped for {stopped} us)",
        found.len()
    );
    Ok((bent > 0 && bent == found.len(), text))
}

/// True time again for whoever lives of it, the recorded ones and those that it has by now.
pub(super) fn straighten(at: Place<'_>, state: &Bent) -> Outcome<String> {
    let mut processes = living(at)?;
    let lives =
        |identity: &Identity| crate::proc::stat_of(*identity).is_some_and(|stat| stat.lives());
    processes.extend(state.processes.iter().copied().filter(lives));
    processes.sort_by_key(|identity| identity.pid);
    processes.dedup();
    vdso::carry_out(&processes, Order::Clear)?;
    let found = vdso::carry_out(&processes, Order::Look)?;
    if let Some(bent) = found.iter().find(|found| found.bend.is_some()) {
        let pid = bent.identity.pid;
        return Err(Failure::io(format!("the time of process {pid} is still bent")));
    }
    Ok(format!("true time for {} processes of {}", found.len(), at.daemon))
}

/// A process of ours is sent a thousand seconds ahead, tells the time, and is brought back.
pub(super) fn try_out(trial: &Trial) -> Result<&'static str, String> {
    let bend = Bend { offset_ns: 1_000_000_000_000, drift_ppb: 0 };
    let ahead = |wanted: f64| trial.hears(&|told: f64| (told - wanted).abs() < 1.0);
    let change = |order| {
        vdso::carry_out(&[trial.identity()], order).map(drop).map_err(|failure| failure.message)
    };
    ahead(0.0)?;
    change(Order::Set(bend))?;
    let seen = ahead(1_000.0);
    change(Order::Clear)?;
    seen?;
    ahead(0.0)?;
    Ok("vDSO")
}

fn living(at: Place<'_>) -> Outcome<Vec<Identity>> {
    Ok(at.daemons.living(at.daemon)?.iter().map(|stat| stat.identity).collect())
}
