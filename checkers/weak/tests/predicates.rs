//! Reads by predicates, against the definitions and by hand.

use super::oracle::{Axiom, Keep, clean, holds};
use super::random::{answer, definitions, promises, shown, with_scans};
use crate::testing::{Tally, histories};
use crate::weak::planted::{Bug, Planted};
use crate::weak::{Options, RwRegister};
use crate::{Anomaly, AnomalyKind as A, Budget, CheckError, Checker, Consistency as C, Verdict};
use tribunal_history::{
    Builder, History, Mop, Nanos, Observed, Op, Outcome, Process, TxnOp, Value,
};

/// Levels that go by the order of reads; what a predicate saw has none.
const BY_ORDER: [C; 2] = [C::MonotonicAtomicView, C::StrongSessionMonotonicAtomicView];

/// Random histories with predicates, and their seeds.
fn scanning() -> impl Iterator<Item = (u64, History)> {
    let scans = |history: &History| {
        let ops = history.operations().map(|operation| operation.op());
        let mops = ops.flat_map(|op| if let Op::Txn(txn) = op { txn.mops } else { vec![] });
        mops.into_iter().any(|mop| matches!(mop, Mop::ReadPredicate { .. }))
    };
    (0..).map(|seed| (seed, with_scans(seed, 50))).filter(move |(_, history)| scans(history))
}

/// Whether the checker says what the definitions do, and what it says of repeatable read.
fn compare(
    history: &History,
    checker: &RwRegister,
    tally: &mut Tally,
) -> Result<[bool; 2], String> {
    let report = checker.check(history, &Budget::unlimited()).map_err(|error| error.to_string())?;
    let because: Vec<_> = report.levels.iter().map(|a| (a.level.name(), &a.because)).collect();
    let mut wrong = Vec::new();
    let items = (C::RepeatableRead, holds(history, Keep::Nothing, Axiom::SerialItems));
    for (level, wanted) in definitions(history).into_iter().chain([items]) {
        let said = answer(&report, level);
        let right = match (said, wanted) {
            (Verdict::Valid, wanted) => wanted,
            // Ruled out only where something weaker is.
            (Verdict::Invalid, _) if BY_ORDER.contains(&level) => {
                answer(&report, C::StrongSessionReadCommitted) == Verdict::Invalid
            }
            (Verdict::Invalid, wanted) => !wanted,
            (Verdict::Unknown, _) => BY_ORDER.contains(&level),
        };
        if !right {
            wrong.push(format!("{level:?} is {said:?}, holds: {wanted}"));
        }
        tally.add(format!("predicates: {}", level.name()), said);
    }
    for (level, wanted) in promises(history) {
        match answer(&report, level) {
            Verdict::Valid if !wanted => wrong.push(format!("{level:?} is valid")),
            Verdict::Invalid if clean(history) => wrong.push(format!("{level:?} is invalid")),
            Verdict::Valid | Verdict::Invalid | Verdict::Unknown => {}
        }
    }
    match wrong.is_empty() {
        true => Ok([C::Serializable, C::RepeatableRead]
            .map(|level| answer(&report, level) == Verdict::Valid)),
        false => Err(format!("{wrong:?}: {because:?}")),
    }
}

#[test]
fn every_level_is_what_its_definition_says_with_predicates() {
    let many = histories(3_000);
    let checker = RwRegister::new(C::Serializable);
    let (mut tally, mut phantoms) = (Tally::default(), 0);
    for (seed, history) in scanning().take(many as usize) {
        let [serializable, repeatable] = compare(&history, &checker, &mut tally)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{}", shown(&history)));
        phantoms += u64::from(repeatable && !serializable);
    }
    tally.print();
    assert!(phantoms > many / 50, "{phantoms} of {many} are repeatable reads and no more");
}

#[test]
fn every_planted_mistake_of_predicates_is_found() {
    let options = Options { verify: false, ..Options::default() };
    for bug in Bug::OF_PREDICATES {
        let mut checker = RwRegister::new(C::Serializable).with_options(options.clone());
        checker.planted = Planted { bug: Some(*bug) };
        let wrong =
            |seed: &u64| compare(&with_scans(*seed, 50), &checker, &mut Tally::default()).is_err();
        let found = (0..20_000).find(wrong);
        println!("{bug:?} is found by history {:?}", found.expect("some history tells"));
    }
}

fn scan(predicate: &str, found: &[(i64, i64)]) -> Mop {
    let found = found.iter().map(|(key, value)| (Value::Int(*key), Value::Int(*value)));
    Mop::ReadPredicate { predicate: predicate.into(), matches: Observed::Present(found.collect()) }
}

fn write(key: i64, value: i64) -> Mop {
    Mop::Write { key: Value::Int(key), value: Value::Int(value) }
}

/// Committed transactions of as many processes, all at once.
fn at_once(txns: &[Vec<Mop>]) -> History {
    let mut builder = Builder::as_given();
    let ops = txns.iter().map(|mops| Op::Txn(TxnOp { mops: mops.clone() }));
    let ops: Vec<(Process, Op)> = (0..).map(Process).zip(ops).collect();
    for (process, op) in &ops {
        builder.invoke(Nanos(0), *process, None, None, &op.pending()).expect("well-formed");
    }
    for (process, op) in &ops {
        let (ok, time) = (Outcome::Ok, Nanos(1));
        builder.complete(time, *process, ok, Some(op), None).expect("well-formed");
    }
    builder.finish()
}

fn check(level: C, history: &History) -> (Verdict, Vec<Anomaly>) {
    let report = RwRegister::new(level).check(history, &Budget::unlimited()).expect("registers");
    (report.verdict, report.anomalies)
}

/// Each inserts what the other's predicate matches, and neither saw it (Adya 1999, 4.3; G2).
#[test]
fn a_phantom_is_g2_and_no_matter_of_repeatable_read() {
    let history = at_once(&[
        vec![scan("keys 0..8", &[]), write(1, 10)],
        vec![scan("keys 0..8", &[]), write(2, 20)],
    ]);
    let (verdict, anomalies) = check(C::Serializable, &history);
    assert_eq!(verdict, Verdict::Invalid);
    let [Anomaly { kind: A::G2, summary, minimal: true, .. }] = anomalies.as_slice() else {
        panic!("{anomalies:#?}");
    };
    assert_eq!(
        summary,
        "no order of T0 and T1 is serializable: T0 did not find 1, did not find 2, wrote 10 to 1; \
         T1 did not find 1, did not find 2, wrote 20 to 2"
    );
    for level in [C::RepeatableRead, C::SnapshotIsolation, C::CursorStability] {
        assert_eq!(check(level, &history).0, Verdict::Valid, "{level:?}");
    }
    // With what is there already it is write skew of items, which repeatable read forbids.
    let history = at_once(&[
        vec![write(1, 1), write(2, 2)],
        vec![scan("keys", &[(1, 1), (2, 2)]), write(1, 10)],
        vec![scan("keys", &[(1, 1), (2, 2)]), write(2, 20)],
    ]);
    for level in [C::Serializable, C::RepeatableRead] {
        let (verdict, anomalies) = check(level, &history);
        let kinds: Vec<A> = anomalies.iter().map(|anomaly| anomaly.kind).collect();
        assert_eq!((verdict, kinds), (Verdict::Invalid, vec![A::G2_ITEM]), "{level:?}");
    }
}

#[test]
fn a_predicate_shows_all_of_a_transaction_and_what_its_own_wrote() {
    let torn = at_once(&[vec![write(1, 10), write(2, 20)], vec![scan("keys 0..8", &[(1, 10)])]]);
    let (verdict, anomalies) = check(C::ReadAtomic, &torn);
    assert_eq!((verdict, anomalies[0].kind), (Verdict::Invalid, A::FRACTURED_READ));
    let outside = at_once(&[vec![write(1, 10), write(2, 20)], vec![scan("keys 0..2", &[(1, 10)])]]);
    assert_eq!(check(C::StrictSerializable, &outside).0, Verdict::Valid, "2 is not within");
    let unseen = at_once(&[vec![write(1, 10), scan("keys 0..8", &[])]]);
    let (verdict, anomalies) = check(C::ReadAtomic, &unseen);
    assert_eq!((verdict, anomalies[0].kind), (Verdict::Invalid, A::INTERNAL));
    let gone = at_once(&[vec![scan("keys", &[]), scan("keys", &[(1, 10)])], vec![write(1, 10)]]);
    let (verdict, anomalies) = check(C::ReadAtomic, &gone);
    assert_eq!((verdict, anomalies[0].kind), (Verdict::Invalid, A::NON_REPEATABLE_READ));
}

#[test]
fn a_match_outside_of_its_predicate_is_read_from_nowhere() {
    let history = at_once(&[vec![write(9, 90)], vec![scan("keys 0..8", &[(9, 90)])]]);
    let (verdict, anomalies) = check(C::ReadUncommitted, &history);
    assert_eq!((verdict, anomalies[0].kind), (Verdict::Invalid, A::THIN_AIR_READ));
    assert_eq!(anomalies[0].summary, "T1 found 90 in 9 by keys 0..8, which 9 is not in");
}

#[test]
fn a_predicate_that_is_not_understood_is_refused() {
    let history = at_once(&[vec![scan("value % 3 = 1", &[])]]);
    let error = RwRegister::new(C::Serializable).check(&history, &Budget::unlimited());
    let Err(error @ CheckError::Unsupported { .. }) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("\"value % 3 = 1\""), "{error}");
}

#[test]
fn predicates_over_more_keys_than_there_is_room_for_end_in_unknown() {
    let writes = (0..1_000).map(|key| vec![write(key, 1)]);
    let scans = (0..100).map(|_| vec![scan("keys", &[])]);
    let history = at_once(&writes.chain(scans).collect::<Vec<_>>());
    let budget = Budget::unlimited().with_bytes(1 << 20);
    let report = RwRegister::new(C::Causal).check(&history, &budget).expect("registers");
    assert_eq!(report.verdict, Verdict::Unknown);
    let budget = Budget::unlimited().with_bytes(1 << 26);
    let report = RwRegister::new(C::Causal).check(&history, &budget).expect("registers");
    assert_eq!(report.verdict, Verdict::Valid);
}
