//! A history that orders nothing between sessions: no level that speaks of real time is decided.

use tribunal_history::{Builder, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp, Value};

use crate::txn::ListAppend;
use crate::{Budget, Checker, Consistency, Verdict};

/// p0 appends; p1 then reads nothing, which is stale only if ranks are real time.
fn judge(mut builder: Builder, level: Consistency) -> Verdict {
    let key = || Value::Int(1);
    let append = Mop::Append { key: key(), element: Value::Int(2) };
    let stale = Mop::ReadList { key: key(), elements: Observed::Absent };
    let fresh = Mop::ReadList { key: key(), elements: Observed::Present(vec![Value::Int(2)]) };
    for (process, mop) in [(0, append), (1, stale), (2, fresh)] {
        let (process, op) = (Process(process), Op::Txn(TxnOp { mops: vec![mop] }));
        builder.invoke(Nanos(0), process, None, None, &op).expect("idle");
        builder.complete(Nanos(0), process, Outcome::Ok, Some(&op), None).expect("its answer");
    }
    let report = ListAppend::new(level).check(&builder.finish(), &Budget::unlimited());
    report.expect("transactions").verdict
}

#[test]
fn levels_of_real_time_are_unknown_without_it() {
    for level in ListAppend::LEVELS {
        let timed = judge(Builder::as_given(), *level);
        let untimed = judge(Builder::per_session(), *level);
        let strong = level.implies(Consistency::StrongReadCommitted);
        assert_eq!(untimed, if strong { Verdict::Unknown } else { Verdict::Valid }, "{level:?}");
        assert!(timed == Verdict::Valid || strong, "{level:?}");
    }
    assert_eq!(judge(Builder::as_given(), Consistency::StrictSerializable), Verdict::Invalid);
}
