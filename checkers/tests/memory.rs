//! What a search holds is on its account: resident memory of this process, which does nothing
//! else, stays within the limit. Skipped where the kernel does not say.

use tribunal_checkers::linearizable::{Counter, Dialect, FromHistory, Options, Set, judge};
use tribunal_checkers::{Budget, Spent, Verdict};
use tribunal_history::{
    Builder, CounterOp, History, Nanos, Observed, Op, Outcome, Process, SetOp, Value,
};

const LIMIT: u64 = 96 << 20;
/// Of the limit, as promised, and what the allocator keeps to itself.
const MORE: u64 = LIMIT / 20 + (4 << 20);

/// Crashed operations, all pending when the last one returns.
fn crashed(operations: impl Iterator<Item = Op>, last: &Op) -> History {
    let mut builder = Builder::as_given();
    let mut process = 0;
    for op in operations {
        process += 1;
        let (time, process) = (Nanos(u64::from(process)), Process(process));
        builder.invoke(time, process, None, None, &op.pending()).expect("in order");
        builder.complete(time, process, Outcome::Info, Some(&op), None).expect("in order");
    }
    let (time, process) = (Nanos(1_000), Process(1_000));
    builder.invoke(time, process, None, None, &last.pending()).expect("in order");
    builder.complete(time, process, Outcome::Ok, Some(last), None).expect("in order");
    builder.finish()
}

/// Adds of which every subset has a sum of its own.
fn sums() -> History {
    let key = Value::Nil;
    let add = |at: i64| {
        let delta = (at * 7_919 + 104_729).pow(3) % 1_000_000_007_000;
        Op::Counter(CounterOp::Add { key: key.clone(), delta, value: Observed::Pending })
    };
    let value = Observed::Present(-1);
    crashed((0..100).map(add), &Op::Counter(CounterOp::Read { key: key.clone(), value }))
}

/// Adds, and a read that shows some of them: as nothing contradicts itself, it has to be searched.
fn elements() -> History {
    let key = Value::Nil;
    let add = |at: i64| {
        let (key, element) = (key.clone(), Value::Int(at % 40));
        match at < 40 {
            true => Op::Set(SetOp::Add { key, element, added: Observed::Pending }),
            false => Op::Set(SetOp::Remove { key, element, removed: Observed::Pending }),
        }
    };
    let shown = (0..40).filter(|at| at % 2 == 0).map(Value::Int).chain([Value::Int(40)]);
    let elements = Observed::Present(shown.collect());
    crashed((0..80).map(add), &Op::Set(SetOp::Read { key: key.clone(), elements }))
}

fn status(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|found| found.strip_prefix(line))?;
    kib.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn stays_within<M: FromHistory>(model: &M, history: &History) {
    if std::fs::write("/proc/self/clear_refs", "5").is_err() {
        return;
    }
    let Some(before) = status("VmRSS:") else { return };
    let budget = Budget::unlimited().with_bytes(LIMIT);
    let options = Options { quick: false, ..Options::default() };
    let report = judge(model, history, Dialect::TRIBUNAL, &budget, options).expect("its family");
    assert_eq!((report.verdict, report.cost.spent), (Verdict::Unknown, Some(Spent::Memory)));
    let held = status("VmHWM:").expect("as before").saturating_sub(before);
    println!("{held} bytes of {LIMIT}");
    assert!(held <= LIMIT + MORE, "{held} bytes of {LIMIT}");
    // Not so early that nothing was shown.
    assert!(report.cost.peak_bytes > LIMIT / 4, "{} bytes", report.cost.peak_bytes);
}

#[test]
fn crashed_operations_of_many_states_stay_within_the_limit() {
    stays_within(&Counter { initial: 0, shrinks: true }, &sums());
    stays_within(&Set { shrinks: true }, &elements());
}
