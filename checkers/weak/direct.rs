//! What contradicts a level without any graph, told with its events.

use super::explain::Words;
use super::problems::{Problem, What};
use super::table::Registers;
use crate::{Anomaly, AnomalyKind, Evidence, Step};
use tribunal_history::{EventId, History, OpIndex};

/// The event that says what came of a transaction, or that it was asked.
pub(super) fn event(history: &History, op: OpIndex) -> EventId {
    let operation = history.operation(op);
    operation.ret().unwrap_or(operation.call())
}

/// Every problem that `counts` as a finding.
pub(super) fn findings(registers: &Registers<'_>, counts: impl Fn(What) -> bool) -> Vec<Anomaly> {
    let problems = registers.problems.list.iter().filter(|problem| counts(problem.what));
    let mut problems: Vec<Problem> = problems.copied().collect();
    problems.sort_by_key(|problem| problem.what);
    problems.iter().map(|problem| finding(registers, problem)).collect()
}

fn finding(registers: &Registers<'_>, problem: &Problem) -> Anomaly {
    let words = Words(registers.history);
    let op = |vertex: u32| registers.ops.get(vertex as usize).map(|op| OpIndex(*op));
    let key = words.value(registers.keys[problem.key as usize]);
    let seen = problem.seen.map_or("nothing".into(), |seen| words.value(seen));
    let name = |op: Option<OpIndex>| op.map_or("the initial state".into(), |op| words.txn(op));
    let (reader, other) = (op(problem.reader), op(problem.other));
    let (who, whose) = (name(reader), name(other));
    let (kind, summary, others) = match problem.what {
        What::ThinAir => {
            let said = format!("{who} read {seen} in {key}, which nobody wrote");
            (AnomalyKind::THIN_AIR_READ, said, None)
        }
        What::Aborted => (
            AnomalyKind::G1A,
            format!("{who} read {seen} in {key}, which {whose} wrote, but {whose} failed"),
            Some(format!("{whose} failed; it wrote {seen} to {key}")),
        ),
        What::Intermediate => (
            AnomalyKind::G1B,
            format!("{who} read {seen} in {key}, which {whose} wrote and then overwrote"),
            Some(format!("{whose} wrote {seen} to {key}, then something else")),
        ),
        What::Future => {
            let said = format!("{who} read {seen} in {key} before it wrote that");
            (AnomalyKind::FUTURE_READ, said, None)
        }
        What::Internal => {
            let said = format!("{who} read {seen} in {key}, which is not what it had written");
            (AnomalyKind::INTERNAL, said, None)
        }
        What::NonRepeatable => (
            AnomalyKind::NON_REPEATABLE_READ,
            format!("{who} read key {key} twice, of {whose} and then {seen}, without writing it"),
            None,
        ),
        What::LostUpdate => (
            AnomalyKind::LOST_UPDATE,
            format!("{whose} and {who} both read {seen} in {key}, and both then wrote it"),
            Some(format!("{whose} read {seen} in {key}, then wrote it")),
        ),
    };
    let step = |op: Option<OpIndex>, because: &str| {
        op.map(|op| Step { event: event(registers.history, op), because: because.to_owned() })
    };
    let first = others.and_then(|because| step(other, &because));
    let steps = first.into_iter().chain(step(reader, &summary)).collect();
    let evidence = Evidence::Events(steps);
    Anomaly { kind, subject: Some(key), summary, evidence, minimal: true }
}
