//! A counterexample in words. The sentence names the process, what it saw, and the latest thing
//! that had certainly happened before and that it contradicts.

use tribunal_history::{EventId, History, Nanos};

use super::certificate::{self, Accepted};
use super::models::is_unparsed_read;
use super::shrink::Counterexample;
use super::{Model, NEVER, Problem, replay};
use crate::{Anomaly, AnomalyKind, Evidence, StateBefore};

/// Configurations the plain search may remember to confirm a counterexample.
const CONFIRM: usize = 200_000;

/// The finding, and whether its certificate was accepted.
///
/// # Errors
/// Why the certificate was refused: a defect of the search.
pub(super) fn anomaly<M: Model>(
    model: &M,
    history: &History,
    subject: &str,
    problem: &Problem<M::Op>,
    found: &Counterexample<M::State>,
) -> Result<(Anomaly, bool), String> {
    let accepted =
        certificate::verify_counterexample(model, problem, &found.kept, found.dead.rank, CONFIRM)?;
    let origin = |at: &u32| problem.entries[*at as usize].origin;
    let failed = &problem.entries[found.dead.entry as usize];
    let mut states: Vec<StateBefore> = found
        .states
        .iter()
        .map(|state| StateBefore {
            state: model.describe_state(state),
            because: model.refusal(state, problem.op(failed)),
        })
        .collect();
    states.sort();
    let unparsed = is_unparsed_read(history, &history.operation(failed.origin));
    let anomaly = Anomaly {
        kind: if unparsed { AnomalyKind::UNPARSEABLE } else { AnomalyKind::NONLINEARIZABLE },
        subject: Some(subject.to_owned()),
        summary: summary(model, history, problem, found, &states),
        evidence: Evidence::Counterexample {
            operations: found.kept.iter().map(origin).collect(),
            failed: EventId(found.dead.rank),
            prefix: found.dead.prefix.iter().map(origin).collect(),
            prefix_states: replay::states_along(model, problem, &found.dead.prefix),
            states,
        },
        minimal: found.minimal,
    };
    Ok((anomaly, accepted == Accepted::Proved))
}

fn summary<M: Model>(
    model: &M,
    history: &History,
    problem: &Problem<M::Op>,
    found: &Counterexample<M::State>,
    states: &[StateBefore],
) -> String {
    let failed = &problem.entries[found.dead.entry as usize];
    let operation = history.operation(failed.origin);
    let past = model.words(problem.op(failed)).past;
    // Formats without times have ranks.
    let when = if history.end() == Nanos(0) {
        format!("event {}", found.dead.rank)
    } else {
        operation.completed_at().to_string()
    };
    let what = format!("{} {past} at {when}", operation.process());
    if found.kept.len() == 1 {
        return format!("{what}, which no operation before it explains");
    }
    let before = found.kept.iter().map(|at| &problem.entries[*at as usize]);
    let before = before.filter(|entry| entry.ret != NEVER && entry.ret < failed.call);
    match before.max_by_key(|entry| entry.ret) {
        Some(entry) => {
            let process = history.operation(entry.origin).process();
            let perfect = model.words(problem.op(entry)).perfect;
            format!("{what} after {process} had {perfect}")
        }
        None => {
            let states: Vec<&str> = states.iter().map(|state| state.state.as_str()).collect();
            let operations = found.kept.len();
            let states = states.join(" or ");
            format!("{what}, but in every order of these {operations} operations it found {states}")
        }
    }
}
