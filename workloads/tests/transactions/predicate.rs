//! Transactions that read by ranges of keys.

use std::collections::BTreeSet;

use tribunal_checkers::{AnomalyKind, Verdict};
use tribunal_harness::generator::{Machine, register_machine};
use tribunal_history::{Mop, Observed, Op, Value};

use crate::common::{Load, judged, simulate, stale, steps};

const PREDICATE: Load<'static> = Load("predicate", &[]);

#[test]
fn a_correct_database_is_valid() {
    for seed in 0..10 {
        let history = simulate(PREDICATE, register_machine, seed);
        assert!(history.len() > 1_000, "{} transactions", history.len());
        for (name, report) in judged(&history, PREDICATE) {
            assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {name}: {report:?}");
        }
    }
}

#[test]
fn a_stale_read_is_found() {
    for seed in 0..10 {
        let history = simulate(PREDICATE, stale, seed);
        let (name, report) = judged(&history, PREDICATE).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("strict-serializable", Verdict::Invalid));
    }
}

/// Forgets the last match of every tenth read by a range, in transactions that write: as a store
/// would that does not notice what is added.
fn phantoms() -> Machine {
    let (mut whole, mut scans) = (register_machine(), 0u64);
    Box::new(move |node, op: &Op| {
        let mut answer = whole(node, op)?;
        if let Op::Txn(txn) = &mut answer
            && op.writes()
        {
            for mop in &mut txn.mops {
                let Mop::ReadPredicate { matches: Observed::Present(found), .. } = mop else {
                    continue;
                };
                scans += 1;
                if scans.is_multiple_of(10) {
                    found.pop();
                }
            }
        }
        Ok(answer)
    })
}

#[test]
fn what_is_not_found_though_it_is_there_is_found_out() {
    for seed in 0..10 {
        let history = simulate(PREDICATE, phantoms, seed);
        let (_, report) = judged(&history, PREDICATE).remove(0);
        assert_eq!(report.verdict, Verdict::Invalid, "seed {seed}");
        let kinds: BTreeSet<AnomalyKind> = report.anomalies.iter().map(|it| it.kind).collect();
        assert!(!kinds.contains(&AnomalyKind::G2_ITEM), "items are as they were: {kinds:?}");
    }
}

#[test]
fn ranges_are_read_and_written_and_read_whole_at_the_end() {
    let history = simulate(PREDICATE, register_machine, 1);
    let mops: Vec<Mop> = steps(&history).into_iter().flatten().collect();
    let scans = mops.iter().filter(|mop| matches!(mop, Mop::ReadPredicate { .. })).count();
    let reads = mops.iter().filter(|mop| matches!(mop, Mop::Read { .. })).count();
    let writes: BTreeSet<(&Value, &Value)> = mops
        .iter()
        .filter_map(|mop| match mop {
            Mop::Write { key, value } => Some((key, value)),
            _ => None,
        })
        .collect();
    assert!(scans > 2 * reads && reads > 100, "{scans} ranges, {reads} registers");
    let every = mops.iter().filter(|mop| mop.writes()).count();
    assert_eq!(writes.len(), every, "no value is written twice to one register");
    let found = mops.iter().filter(|mop| {
        matches!(mop, Mop::ReadPredicate { matches: Observed::Present(found), .. }
            if !found.is_empty() && found.len() < 8)
    });
    assert!(found.count() > scans / 3, "most ranges have some of their registers");
}
