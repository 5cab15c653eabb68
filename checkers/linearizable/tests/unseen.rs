//! Crashed transactions that nobody can have noticed cost nothing.

use tribunal_history::{Builder, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp, Value};

use crate::linearizable::{Dialect, MultiRegister, Options, judge};
use crate::{Budget, Evidence, Verdict};

fn write(key: i64, value: i64) -> Mop {
    Mop::Write { key: key.into(), value: value.into() }
}

fn read(key: i64, value: i64) -> Mop {
    Mop::Read { key: key.into(), value: Observed::Present(value.into()) }
}

/// Forty transactions that crashed; each writes values of its own to two registers that others
/// read and write at the same time.
#[test]
fn what_nobody_read_of_crashed_transactions_is_not_tried() {
    for (last, verdict) in [(1, Verdict::Valid), (2, Verdict::Invalid)] {
        let mut builder = Builder::as_given();
        let mut time = 0;
        let mut tell = |process: u32, outcome: Outcome, mops: Vec<Mop>| {
            let op = Op::Txn(TxnOp { mops });
            time += 2;
            let (called, ended) = (Nanos(time), Nanos(time + 1));
            let process = Process(process);
            builder.invoke(called, process, None, None, &op.pending()).expect("in order");
            builder.complete(ended, process, outcome, Some(&op), None).expect("in order");
        };
        for at in 0..40 {
            let crashed = vec![write(at % 5, 1_000 + at), write((at + 1) % 5, 2_000 + at)];
            tell(at as u32, Outcome::Info, crashed);
        }
        for key in 0..5 {
            tell(100, Outcome::Ok, vec![read(key, 0), write(key, 1)]);
        }
        tell(100, Outcome::Ok, vec![read(4, last), read(0, 1)]);
        let history = builder.finish();
        let model = MultiRegister { initial: Value::Int(0) };
        let budget = Budget::unlimited().with_configurations(2_000);
        let options = Options { quick: false, ..Options::default() };
        let report = judge(&model, &history, Dialect::TRIBUNAL, &budget, options);
        let report = report.expect("transactions");
        assert_eq!((report.verdict, report.cost.certificates_verified), (verdict, 1), "{report:?}");
        for anomaly in &report.anomalies {
            let Evidence::Counterexample { operations, .. } = &anomaly.evidence else { panic!() };
            assert!(anomaly.minimal && operations.len() <= 2, "{anomaly:?}");
        }
    }
}
