//! A counterexample in words. The sentence names the process, what it saw, and the latest thing
//! that had certainly happened before and that it contradicts.

use std::collections::BTreeSet;

use tribunal_history::{EventId, History, Nanos};

use super::certificate::{self, Accepted};
use super::meter::Ledger;
use super::models::is_unparsed_read;
use super::shrink::Counterexample;
use super::sums::{Base, Sum};
use super::{Bound, Entry, Model, NEVER, Problem, Since, replay};
use crate::{Anomaly, AnomalyKind, Evidence, Spent, StateBefore, Unconfirmed};

/// Longest text of one operation in a summary, in bytes.
const LENGTH: usize = 160;
/// Most states that a summary tells apart.
const MANY: usize = 4;
/// Of the limit of memory, this part may be held to confirm a counterexample. Where there is none,
/// what is the part of 4 GiB.
const CONFIRM_SHARE: u64 = 256;
const CONFIRM_BYTES: u64 = 16 << 20;
/// Where it may remember so many times what all searches visited, or so many operations crashed,
/// whose subsets it tells apart, more memory is not what it lacks.
const HOPELESS: u64 = 4;
const SUBSETS: usize = 20;

/// The finding, and whether its certificate was accepted: not where that would take more than a
/// part of the memory that `ledger` allows, or time is up. `found` is of `problem`, which is what
/// `whole` says, perhaps of some elements alone; people are told the whole. It took `searched`
/// configurations.
///
/// # Errors
/// Why the certificate was refused: a defect of the search.
pub(super) fn anomaly<M: Model>(
    (model, history): (&M, &History),
    ledger: &Ledger<'_>,
    subject: &str,
    (problem, whole): (&Problem<M::Op>, &Problem<M::Op>),
    (found, searched): (&Counterexample<M::State>, u64),
) -> Result<(Anomaly, bool), String> {
    let (kept, rank) = (&found.kept, found.dead.rank);
    let (bytes, stop) = (bytes_to_confirm(ledger), || ledger.is_cancelled());
    let accepted = certificate::verify_counterexample(model, problem, kept, rank, bytes, &stop)?;
    let unconfirmed = match accepted {
        Accepted::Proved => None,
        Accepted::Undecided(Spent::Memory) => {
            let crashed = kept.iter().filter(|at| problem.entries[**at as usize].ret == NEVER);
            // Each has a bit of every operation.
            let remembered = bytes / (kept.len() as u64 / 8 + 64);
            let hopeless = crashed.count() > SUBSETS || remembered / HOPELESS >= searched;
            Some(if hopeless { Unconfirmed::TooWide } else { Unconfirmed::Memory })
        }
        Accepted::Undecided(Spent::Configurations) => Some(Unconfirmed::TooWide),
        Accepted::Undecided(Spent::Time) => Some(Unconfirmed::Time),
    };
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
    if let Some(sum) = &found.sum {
        states.push(model.beyond(problem.op(failed), &bound(model, history, problem, sum)));
    }
    let unparsed = is_unparsed_read(history, &history.operation(failed.origin));
    let anomaly = Anomaly {
        kind: if unparsed { AnomalyKind::UNPARSEABLE } else { AnomalyKind::NONLINEARIZABLE },
        subject: Some(subject.to_owned()),
        summary: summary(model, history, (problem, whole), found, &states),
        evidence: Evidence::Counterexample {
            operations: found.kept.iter().map(origin).collect(),
            failed: EventId(found.dead.rank),
            prefix: found.dead.prefix.iter().map(origin).collect(),
            prefix_states: replay::states_along(model, problem, &found.dead.prefix, &stop),
            states_open: !found.complete && !states.is_empty(),
            states,
            about: (!found.about.is_empty()).then(|| model.describe_elements(&found.about)),
            unconfirmed,
        },
        minimal: found.minimal,
    };
    Ok((anomaly, unconfirmed.is_none()))
}

/// Bytes of configurations that the plain search may remember.
fn bytes_to_confirm(ledger: &Ledger<'_>) -> u64 {
    let part = ledger.most_bytes() / CONFIRM_SHARE;
    let part = if ledger.most_bytes() == u64::MAX { CONFIRM_BYTES } else { part };
    part.min(ledger.spare().bytes)
}

/// What the sum says, with who did what in words.
fn bound<M: Model>(model: &M, history: &History, problem: &Problem<M::Op>, sum: &Sum) -> Bound {
    let operation = |at: u32| {
        let entry = &problem.entries[at as usize];
        (history.operation(entry.origin), problem.op(entry))
    };
    let since = match sum.from {
        Base::Start => Since::Start,
        Base::Operation(at) => {
            let (operation, op) = operation(at);
            let perfect = shortened(model.words(op).perfect);
            Since::Operation(format!("{} had {perfect}", operation.process()))
        }
        Base::Call(at) => {
            let (operation, _) = operation(at);
            Since::Moment(when(history, operation.call().0, operation.invoked_at()))
        }
    };
    let Sum { great: at_least, bound: number, certain, possible, .. } = *sum;
    Bound { at_least, number, since, certain, possible }
}

/// Formats without times have ranks.
fn when(history: &History, rank: u32, time: Nanos) -> String {
    if history.end() == Nanos(0) { format!("event {rank}") } else { time.to_string() }
}

/// Who did what, and against what. Long texts are shortened.
fn summary<M: Model>(
    model: &M,
    history: &History,
    (problem, whole): (&Problem<M::Op>, &Problem<M::Op>),
    found: &Counterexample<M::State>,
    states: &[StateBefore],
) -> String {
    let op = |entry: &Entry| {
        let at = whole.entries.partition_point(|other| other.call < entry.call);
        whole.op(&whole.entries[at])
    };
    let failed = &problem.entries[found.dead.entry as usize];
    let operation = history.operation(failed.origin);
    let past = shortened(model.words(op(failed)).past);
    let when = when(history, found.dead.rank, operation.completed_at());
    let what = format!("{} {past} at {when}", operation.process());
    if let Some(sum) = &found.sum {
        return what + &model.clash_beyond(op(failed), &bound(model, history, problem, sum));
    }
    let clashes = found.states.iter().map(|state| model.clash(state, problem.op(failed)));
    let clashes = clashes.collect::<Option<BTreeSet<String>>>().filter(|_| found.complete);
    if let Some(clash) = clashes.and_then(joined) {
        return what + &clash;
    }
    if found.kept.len() == 1
        && let Some(why) = model.impossible(problem.op(failed))
    {
        return what + &why;
    }
    if found.kept.len() == 1 || found.states.is_empty() {
        return format!("{what}, which no operation before it explains");
    }
    let others = found.kept.iter().map(|at| &problem.entries[*at as usize]);
    let others = others.filter(|entry| entry.origin != failed.origin && entry.ret != NEVER);
    let before = others.clone().filter(|entry| entry.ret < failed.call);
    let before = before.max_by_key(|entry| entry.ret);
    let looked = others.filter(|entry| model.is_pure(problem.op(entry)));
    let looked = looked.max_by_key(|entry| entry.ret);
    let process = |entry: &Entry| history.operation(entry.origin).process();
    match (before, looked) {
        // Who looked at the same time says more than who made what it saw.
        (before, Some(look)) if before.is_none_or(|before| before.ret < look.ret) => {
            let past = shortened(model.words(op(look)).past);
            format!("{what} although {} {past}", process(look))
        }
        (Some(entry), _) => {
            let perfect = shortened(model.words(op(entry)).perfect);
            format!("{what} after {} had {perfect}", process(entry))
        }
        (None, _) => what + &against(states, found.kept.len(), found.complete),
    }
}

/// What no operation says alone.
fn against(states: &[StateBefore], operations: usize, complete: bool) -> String {
    match states {
        [] => String::new(),
        _ if !complete => {
            format!(", but in no order of these {operations} operations it found that")
        }
        [only] => format!(", but {}", shortened(only.because.clone())),
        [first, rest @ ..] if rest.iter().all(|state| state.because == first.because) => {
            format!(", but {}", shortened(first.because.clone()))
        }
        states => {
            let told = states.iter().take(MANY).map(|state| shortened(state.state.clone()));
            let mut told: Vec<String> = told.collect();
            if states.len() > MANY {
                told.push(format!("one of {} others", states.len() - MANY));
            }
            let found = told.join(" or ");
            format!(", but in every order of these {operations} operations it found {found}")
        }
    }
}

/// Sentences that differ in one place as one: `while 1 or 2 was inside`. `None` where they are
/// none, or too many, or differ otherwise.
fn joined(sentences: BTreeSet<String>) -> Option<String> {
    let words: Vec<Vec<&str>> = sentences.iter().map(|all| all.split(' ').collect()).collect();
    let (first, rest) = words.split_first()?;
    let same = |at: &usize| rest.iter().all(|other| other.get(*at) == first.get(*at));
    let differ: Vec<usize> = (0..first.len()).filter(|at| !same(at)).collect();
    match (rest, differ.as_slice()) {
        ([], _) => Some(first.join(" ")),
        (_, [at]) if words.len() <= MANY && rest.iter().all(|all| all.len() == first.len()) => {
            let each: Vec<&str> = words.iter().map(|all| all[*at].trim_end_matches(',')).collect();
            let comma = if first[*at].ends_with(',') { "," } else { "" };
            let joined = format!("{}{comma}", each.join(" or "));
            let mut all = first.clone();
            all[*at] = &joined;
            Some(all.join(" "))
        }
        _ => None,
    }
}

/// Text of one operation, as far as a sentence has room for it.
fn shortened(text: String) -> String {
    if text.len() <= LENGTH {
        return text;
    }
    let end = (0..=LENGTH).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn sentences_that_differ_in_one_word_are_one() {
        let join = |all: &[&str]| joined(all.iter().map(|one| (*one).to_owned()).collect());
        let shown = ["while it showed 1", "while it showed 2"];
        assert_eq!(join(&shown).as_deref(), Some("while it showed 1 or 2"));
        let missing = ["without 1, which was there", "without 2, which was there"];
        assert_eq!(join(&missing).as_deref(), Some("without 1 or 2, which was there"));
        assert_eq!(join(&["while 1 was inside", "with 2"]), None);
        assert_eq!(join(&["1 a 2", "2 a 1"]), None);
        assert_eq!(join(&["a", "b", "c", "d", "e"]), None);
        assert_eq!(join(&[]), None);
    }
}
