//! The traps of the theory and the defects of the rivals, by name.

use tribunal_history::{
    Builder, ErrorClass, History, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value,
};

use super::{cas_register, check};
use crate::{AnomalyKind, Budget, Checker, Evidence, Verdict};

/// A history by hand: processes ask and are answered in the order of the calls.
struct Script {
    builder: Builder,
    time: u64,
}

impl Script {
    fn new() -> Script {
        Script { builder: Builder::as_given(), time: 0 }
    }

    fn tick(&mut self) -> Nanos {
        self.time += 1;
        Nanos::from_millis(self.time)
    }

    fn ask(&mut self, process: u32, op: &RegisterOp) {
        let (time, op) = (self.tick(), Op::Register(op.pending()));
        self.builder.invoke(time, Process(process), None, None, &op).expect("well-formed");
    }

    fn answer(&mut self, process: u32, op: &RegisterOp, outcome: Outcome) {
        let (time, op) = (self.tick(), Op::Register(op.clone()));
        let error = (outcome == Outcome::Info).then_some(ErrorClass::TIMEOUT);
        let process = Process(process);
        self.builder.complete(time, process, outcome, Some(&op), error.as_ref()).expect("is open");
    }

    fn at_once(&mut self, process: u32, op: &RegisterOp) {
        self.ask(process, op);
        self.answer(process, op, Outcome::Ok);
    }

    fn crash(&mut self, process: u32, op: &RegisterOp) {
        self.ask(process, op);
        self.answer(process, op, Outcome::Info);
    }

    fn history(self) -> History {
        self.builder.finish()
    }
}

fn read(value: i64) -> RegisterOp {
    RegisterOp::Read { key: 0.into(), value: Observed::Present(Value::Int(value)) }
}

fn write(value: i64) -> RegisterOp {
    RegisterOp::Write { key: 0.into(), value: value.into() }
}

fn cas(from: i64, to: i64) -> RegisterOp {
    RegisterOp::Cas { key: 0.into(), from: from.into(), to: to.into() }
}

/// 1 is seen `needed` times, each time overwritten, and only crashed writes write it. A counter of
/// four bits would stop at 15.
fn crashed_writes_of_one_class(needed: u32) -> History {
    let mut script = Script::new();
    for process in 0..20 {
        script.crash(100 + process, &write(1));
    }
    for _ in 0..needed {
        script.at_once(0, &read(1));
        script.at_once(0, &write(2));
    }
    script.history()
}

#[test]
fn twenty_crashed_writes_of_one_class_are_all_needed() {
    assert_eq!(check(&crashed_writes_of_one_class(20)).verdict, Verdict::Valid);
    assert_eq!(check(&crashed_writes_of_one_class(21)).verdict, Verdict::Invalid);
}

/// A hundred reads overlap one write; one of them saw it before another, later one did not.
#[test]
fn wide_windows_are_refuted_by_the_search() {
    for (last, verdict) in [(1, Verdict::Valid), (0, Verdict::Invalid)] {
        let mut script = Script::new();
        script.ask(200, &write(1));
        for process in 0..100 {
            script.ask(process, &read(i64::from(process % 2)));
        }
        for process in 0..100 {
            script.answer(process, &read(i64::from(process % 2)), Outcome::Ok);
        }
        script.at_once(201, &read(last));
        script.answer(200, &write(1), Outcome::Ok);
        let report = check(&script.history());
        assert_eq!(report.verdict, verdict);
        assert_eq!(report.cost.certificates_verified, 1);
    }
}

#[test]
fn more_clients_at_once_than_a_word_has_bits() {
    for (last, verdict) in [(1, Verdict::Valid), (7, Verdict::Invalid)] {
        let mut script = Script::new();
        for process in 0..130 {
            script.ask(process, &write(i64::from(process % 3)));
        }
        script.ask(200, &read(1));
        script.answer(200, &read(1), Outcome::Ok);
        for process in 0..130 {
            script.answer(process, &write(i64::from(process % 3)), Outcome::Ok);
        }
        script.at_once(201, &write(1));
        script.at_once(202, &read(last));
        assert_eq!(check(&script.history()).verdict, verdict);
    }
}

/// Porcupine's memory is quadratic in the length of *easy* histories.
#[test]
fn a_long_easy_history_fits_a_small_memory() {
    let mut script = Script::new();
    for round in 0..25_000 {
        script.ask(0, &write(round % 5));
        script.ask(1, &write(7));
        script.answer(0, &write(round % 5), Outcome::Ok);
        script.answer(1, &write(7), Outcome::Ok);
        script.at_once(1, &read(if round % 2 == 0 { 7 } else { round % 5 }));
        script.at_once(0, &read(if round % 2 == 0 { 7 } else { round % 5 }));
    }
    let budget = Budget::unlimited().with_bytes(64 << 20);
    let report = cas_register(0).check(&script.history(), &budget).expect("a register history");
    assert_eq!(report.verdict, Verdict::Valid, "{:?}", report.reason);
}

/// Real runs under partitions: long keys, many crashed writes, one stale read at the end.
#[test]
fn a_key_with_thirty_crashed_writes_is_decided() {
    for (last, verdict) in [(1_000_000, Verdict::Invalid), (1_999, Verdict::Valid)] {
        let mut script = Script::new();
        for round in 0..1_000 {
            if round % 33 == 0 {
                script.crash(1_000 + round, &write(i64::from(round) + 100_000));
            }
            script.ask(0, &write(i64::from(round) + 1_000));
            script.ask(1, &read(i64::from(round) + 1_000));
            script.answer(0, &write(i64::from(round) + 1_000), Outcome::Ok);
            script.answer(1, &read(i64::from(round) + 1_000), Outcome::Ok);
        }
        script.at_once(2, &read(last));
        let report = check(&script.history());
        assert_eq!(report.verdict, verdict);
        if let Some(anomaly) = report.anomalies.first() {
            let Evidence::Counterexample { operations, .. } = &anomaly.evidence else {
                panic!("{anomaly:?}")
            };
            assert_eq!((operations.len(), anomaly.minimal), (1, true));
        }
    }
}

/// The witness names what cannot be: two comparisons with one value.
#[test]
fn every_invalid_verdict_explains_each_state_before() {
    let mut script = Script::new();
    script.at_once(0, &write(1));
    script.ask(1, &cas(1, 2));
    script.ask(2, &cas(1, 3));
    script.answer(1, &cas(1, 2), Outcome::Ok);
    script.answer(2, &cas(1, 3), Outcome::Ok);
    let report = check(&script.history());
    let anomaly = &report.anomalies[0];
    let Evidence::Counterexample { operations, failed, prefix, prefix_states, states, .. } =
        &anomaly.evidence
    else {
        panic!("{anomaly:?}")
    };
    assert_eq!((operations.len(), failed.0), (3, 5));
    assert_eq!((prefix.len(), &prefix_states[..]), (2, &["0", "1", "2"].map(String::from)[..]));
    let said: Vec<&str> = states.iter().map(|state| state.because.as_str()).collect();
    assert_eq!(said, ["a cas from 1 cannot succeed where the register holds 2"]);
    assert_eq!(anomaly.summary, "p2 compared 1 and set 3 at 0.006 s after p0 had written 1");
}

/// It is recorded as what it was, and it is an anomaly of its own kind.
#[test]
fn a_reply_that_cannot_be_parsed_is_no_value_anyone_wrote() {
    let mut script = Script::new();
    script.at_once(0, &write(1));
    let value = Observed::Present(Value::unparsed(b"<html>"));
    script.at_once(1, &RegisterOp::Read { key: 0.into(), value });
    let report = check(&script.history());
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(report.anomalies[0].kind, AnomalyKind::UNPARSEABLE);
    let summary = "p1 read unparsed \"<html>\" at 0.004 s, which no operation before it explains";
    assert_eq!(report.anomalies[0].summary, summary);
}

/// The same operations, of which nothing is known but the order within each session.
#[test]
fn without_real_time_nothing_is_decided() {
    use tribunal_history::{Builder, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value};

    let key = || Value::Nil;
    let write = Op::Register(RegisterOp::Write { key: key(), value: Value::Int(1) });
    let stale = Op::Register(RegisterOp::Read { key: key(), value: Observed::Absent });
    for (builder, expected) in [
        (Builder::as_given(), crate::Verdict::Invalid),
        (Builder::per_session(), crate::Verdict::Unknown),
    ] {
        let mut builder = builder;
        for (process, op) in [(0, &write), (1, &stale)] {
            let process = Process(process);
            builder.invoke(Nanos(0), process, None, None, op).expect("idle");
            builder.complete(Nanos(0), process, Outcome::Ok, Some(op), None).expect("its answer");
        }
        let history = builder.finish();
        assert_eq!(super::check(&history).verdict, expected);
    }
}
