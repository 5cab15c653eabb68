//! What a read could have returned, judged only by the operations shown beside it.
//!
//! A necessary condition, cheap and explainable: values whose write had begun, minus those that
//! were certainly replaced. The exact answer for the failing operation comes from the checker.

use crate::bounded::Typed;
use crate::run_report::OpReport;

/// Values shown before they are counted.
const SHOWN: usize = 6;

/// Possible answers of `read`, in the order of their writes, as one phrase.
pub(super) fn could_return(read: &OpReport, ops: &[OpReport]) -> String {
    let key = argument(read, "key");
    let mine: Vec<&OpReport> = ops.iter().filter(|op| argument(op, "key") == key).collect();
    let writes: Vec<&OpReport> = mine.iter().copied().filter(|op| written(op).is_some()).collect();
    let end = read.ret.unwrap_or(u32::MAX);
    let mut values: Vec<String> = Vec::new();
    if !writes.iter().any(|write| acknowledged(write) && before(write, read)) {
        values.push("initial".to_owned());
    }
    for write in writes.iter().filter(|write| write.call < end) {
        if !replaced(write, read, &mine, &writes) {
            values.extend(written(write).map(|value| value.short(40)));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    values.retain(|value| seen.insert(value.clone()));
    let more = values.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" or {more} more") } else { String::new() };
    values.truncate(SHOWN);
    format!("{}{more}", values.join(" or "))
}

fn argument<'o>(op: &'o OpReport, name: &str) -> Option<&'o Typed> {
    op.args.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The value an operation sets, unless it certainly did nothing.
fn written(op: &OpReport) -> Option<&Typed> {
    match op.f.as_str() {
        _ if op.outcome == "fail" => None,
        "write" => argument(op, "value"),
        "cas" => argument(op, "to"),
        _ => None,
    }
}

fn acknowledged(op: &OpReport) -> bool {
    op.outcome == "ok"
}

/// Whether `one` was answered before `other` was asked.
fn before(one: &OpReport, other: &OpReport) -> bool {
    one.ret.is_some_and(|ret| ret < other.call)
}

/// Whether the value of `write` was certainly gone before `read` was asked. An operation without
/// an answer may still take effect: nothing replaces it.
fn replaced(write: &OpReport, read: &OpReport, ops: &[&OpReport], writes: &[&OpReport]) -> bool {
    if !acknowledged(write) {
        return false;
    }
    let done = |op: &&&OpReport| acknowledged(op) && before(op, read) && op.call != write.call;
    if writes.iter().filter(done).any(|other| before(write, other)) {
        return true;
    }
    // The rest holds only for a value that was written once and was not there at first: it cannot
    // come back. What was there at first is not on record; 0 and nil are the usual choices.
    let value = written(write);
    if value.is_none_or(|it| it.v == "0" || it.t == "nil") {
        return false;
    }
    if writes.iter().filter(|other| written(other) == value).count() != 1 {
        return false;
    }
    ops.iter().filter(done).any(|other| match other.f.as_str() {
        // It took the value away, so it came after the write.
        "cas" => argument(other, "from") == value && argument(other, "to") != value,
        // It was asked after the write was answered, and saw another value.
        "read" => before(write, other) && argument(other, "value") != value,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::could_return;
    use crate::findings::op_report_for_tests as report;
    use tribunal_history::{Builder, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value};

    /// Operations as (from, to, process, operation); the last one is the read in question.
    fn answer(rows: &[(u64, u64, u32, RegisterOp, Outcome)]) -> String {
        let mut builder = Builder::by_time();
        let mut events: Vec<(u64, bool, usize)> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            events.push((row.0, false, at));
            events.push((row.1, true, at));
        }
        events.sort_unstable();
        for (time, end, at) in events {
            let (_, _, process, op, outcome) = &rows[at];
            let (time, process, op) = (Nanos(time), Process(*process), Op::Register(op.clone()));
            if end {
                builder.complete(time, process, *outcome, Some(&op), None).expect("open");
            } else {
                builder.invoke(time, process, None, None, &op.pending()).expect("free");
            }
        }
        let history = builder.finish();
        let ops = report(&history);
        could_return(ops.last().expect("a read"), &ops)
    }

    fn write(value: i64) -> RegisterOp {
        RegisterOp::Write { key: Value::Int(1), value: Value::Int(value) }
    }

    fn read(value: i64) -> RegisterOp {
        RegisterOp::Read { key: Value::Int(1), value: Observed::Present(Value::Int(value)) }
    }

    fn cas(from: i64, to: i64) -> RegisterOp {
        RegisterOp::Cas { key: Value::Int(1), from: Value::Int(from), to: Value::Int(to) }
    }

    #[test]
    fn a_concurrent_write_may_or_may_not_be_seen() {
        let rows = [(0, 5, 0, write(1), Outcome::Ok), (2, 9, 1, read(1), Outcome::Ok)];
        assert_eq!(answer(&rows), "initial or 1");
    }

    #[test]
    fn an_acknowledged_write_replaces_what_came_before_it() {
        let rows = [
            (0, 5, 0, write(1), Outcome::Ok),
            (6, 8, 0, write(2), Outcome::Ok),
            (9, 12, 1, read(1), Outcome::Ok),
        ];
        assert_eq!(answer(&rows), "2");
    }

    #[test]
    fn a_write_without_an_answer_may_come_at_any_time() {
        let rows = [
            (0, 1, 0, write(9), Outcome::Info),
            (2, 5, 1, write(1), Outcome::Ok),
            (6, 8, 1, write(2), Outcome::Ok),
            (9, 12, 1, read(1), Outcome::Ok),
        ];
        assert_eq!(answer(&rows), "9 or 2");
    }

    #[test]
    fn a_compare_and_set_takes_its_value_away_even_when_concurrent() {
        let rows = [
            (0, 5, 0, write(3), Outcome::Ok),
            (2, 8, 1, cas(3, 4), Outcome::Ok),
            (9, 12, 0, read(3), Outcome::Ok),
        ];
        assert_eq!(answer(&rows), "4");
    }

    #[test]
    fn a_value_written_twice_may_be_back() {
        let rows = [
            (0, 5, 0, write(3), Outcome::Ok),
            (2, 8, 1, cas(3, 4), Outcome::Ok),
            (3, 8, 2, write(3), Outcome::Ok),
            (9, 12, 0, read(3), Outcome::Ok),
        ];
        assert_eq!(answer(&rows), "3 or 4");
    }
}
