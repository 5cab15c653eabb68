//! Long sessions and many sessions: no recursion, and nothing quadratic in either.

use tribunal_history::{
    Builder, History, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp, Value,
};

use crate::weak::RwRegister;
use crate::{Budget, Checker, Consistency as C, Spent, Verdict};

/// Transactions of sessions by turns that each read a key and write it anew; the last one reads
/// what was there `back` writes ago.
fn turns(many: i64, sessions: i64, back: i64) -> History {
    let mut builder = Builder::as_given();
    for at in 1..=many {
        let seen = at - 1 - if at == many { back } else { 0 };
        let value = match seen {
            0 => Observed::Absent,
            seen => Observed::Present(Value::Int(seen)),
        };
        let read = Mop::Read { key: Value::Int(0), value };
        let write = Mop::Write { key: Value::Int(0), value: Value::Int(at) };
        let op = Op::Txn(TxnOp { mops: vec![read, write] });
        let (time, process) = (Nanos(2 * at as u64), Process((at % sessions) as u32));
        builder.invoke(time, process, None, None, &op.pending()).expect("well-formed");
        let done = Nanos(2 * at as u64 + 1);
        builder.complete(done, process, Outcome::Ok, Some(&op), None).expect("well-formed");
    }
    builder.finish()
}

#[test]
fn long_and_many_sessions_are_judged() {
    for sessions in [1, 1_000] {
        let checker = RwRegister::new(C::Causal);
        let verdict = |back| {
            let history = turns(50_000, sessions, back);
            checker.check(&history, &Budget::unlimited()).expect("registers").verdict
        };
        assert_eq!(verdict(0), Verdict::Valid, "{sessions} sessions");
        // Behind what its own session wrote last.
        assert_eq!(verdict(2 * sessions), Verdict::Invalid, "{sessions} sessions");
    }
}

#[test]
fn a_budget_that_ends_leaves_levels_open() {
    let history = turns(5_000, 10, 0);
    let report = |budget: &Budget| RwRegister::new(C::Causal).check(&history, budget);
    let small = report(&Budget::unlimited().with_bytes(1_000)).expect("registers");
    assert_eq!((small.verdict, small.cost.spent), (Verdict::Unknown, Some(Spent::Memory)));
    let cancelled = Budget::unlimited();
    cancelled.cancel();
    let late = report(&cancelled).expect("registers");
    assert_eq!((late.verdict, late.cost.spent), (Verdict::Unknown, Some(Spent::Time)));
}
