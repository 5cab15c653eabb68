//! Asks every checker, within a budget whose clock is ours.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tribunal_checkers::{
    Budget, CheckError, Checker, Cost, Coverage, ReasonClass, Report, Verdict,
};
use tribunal_history::History;
use tribunal_results::Answer;

use crate::exit_code::ExitCode;

/// What a judgement may take, over all checkers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) time: Duration,
    pub(crate) bytes: u64,
}

/// Every checker's answer, in order. `before` is told of each before it is asked; with a reason it
/// is not asked, and has answered nothing, as one that panics: unknown.
pub(super) fn judge(
    history: &History,
    checkers: &[Box<dyn Checker>],
    limits: Limits,
    before: &mut dyn FnMut(usize, &dyn Checker) -> Option<String>,
) -> Vec<Answer> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let budget = Budget::unlimited().with_bytes(limits.bytes).with_threads(threads);
    thread::scope(|scope| {
        let (done, finished) = mpsc::channel::<()>();
        let watched = budget.clone();
        scope.spawn(move || {
            if finished.recv_timeout(limits.time) == Err(RecvTimeoutError::Timeout) {
                watched.cancel();
            }
        });
        let answers = checkers.iter().enumerate().map(|(index, checker)| {
            let checker = checker.as_ref();
            match before(index, checker) {
                Some(why) => (checker.name().to_string(), Ok(crashed(checker.name(), &why))),
                None => answer(history, checker, &budget),
            }
        });
        let answers = answers.collect();
        drop(done);
        answers
    })
}

fn answer(history: &History, checker: &dyn Checker, budget: &Budget) -> Answer {
    let name = checker.name().to_string();
    let result = catch_unwind(AssertUnwindSafe(|| checker.check(history, budget)));
    let report = result.unwrap_or_else(|panic| Ok(crashed(&name, words(panic.as_ref()))));
    (name, report)
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

fn crashed(name: &str, why: &str) -> Report {
    let reason = format!("checker {name} crashed: {why}");
    Report::unknown(ReasonClass::Undecided, reason, Coverage::default(), Cost::default())
}

/// Takes back every answer that what is missing could change: what was judged is known to be less
/// than what happened. An anomaly stays one, whatever came after it.
pub(super) fn doubt(answers: &mut [Answer], reason: &str) {
    for (_, answer) in answers {
        if let Ok(report) = answer
            && report.verdict != Verdict::Invalid
            && report.reason_class != Some(ReasonClass::Undecided)
        {
            let (coverage, cost) = (report.coverage.clone(), report.cost.clone());
            *report = Report::unknown(ReasonClass::Undecided, reason, coverage, cost);
        }
    }
}

/// Whether some checker found an anomaly.
pub(super) fn any_invalid(answers: &[Answer]) -> bool {
    let found = |report: &Report| report.verdict == Verdict::Invalid;
    answers.iter().any(|(_, answer)| answer.as_ref().is_ok_and(found))
}

/// The first checker that could not judge: one that contradicted itself, which is our defect (70),
/// before one that cannot read such a history.
pub(super) fn trouble(answers: &[Answer]) -> Option<(ExitCode, String)> {
    let errors = || answers.iter().filter_map(|(_, answer)| answer.as_ref().err());
    let bug = errors().find(|error| matches!(error, CheckError::Internal { .. }));
    let code = if bug.is_some() { ExitCode::Bug } else { ExitCode::Usage };
    Some((code, bug.or_else(|| errors().next())?.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tribunal_history::Builder;

    use super::*;

    struct Crashing;
    struct Endless;

    impl Checker for Crashing {
        fn name(&self) -> &str {
            "crashing"
        }

        fn check(&self, _: &History, _: &Budget) -> Result<Report, CheckError> {
            panic!("on purpose")
        }
    }

    impl Checker for Endless {
        fn name(&self) -> &str {
            "endless"
        }

        fn check(&self, _: &History, budget: &Budget) -> Result<Report, CheckError> {
            while !budget.is_cancelled() {
                thread::yield_now();
            }
            let (class, cost) = (ReasonClass::Undecided, Cost::default());
            Ok(Report::unknown(class, "out of time", Coverage::default(), cost))
        }
    }

    #[test]
    fn a_crashed_checker_is_unknown_and_hides_no_other() {
        let history = Builder::as_given().finish();
        let limits = Limits { time: Duration::from_millis(50), bytes: 1 << 20 };
        let checkers: Vec<Box<dyn Checker>> = vec![Box::new(Crashing), Box::new(Endless)];
        let start = Instant::now();
        let answers = judge(&history, &checkers, limits, &mut |_, _| None);
        assert!(start.elapsed() < Duration::from_secs(5), "the budget's clock ends it");
        for (name, answer) in &answers {
            let report = answer.as_ref().expect("a report");
            assert_eq!(report.verdict, Verdict::Unknown, "{name}");
        }
        let reason = answers[0].1.as_ref().ok().and_then(|report| report.reason.clone());
        assert_eq!(reason.as_deref(), Some("checker crashing crashed: on purpose"));
    }
}
