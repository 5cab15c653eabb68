//! Workloads on registers whose transactions have a shape of their own, for one anomaly.

use std::collections::{BTreeSet, VecDeque};

use tribunal_checkers::Verdict;
use tribunal_harness::generator::{Machine, register_machine};
use tribunal_history::{Mop, Op, TxnOp, Value};

use crate::common::{Load, judged, simulate, stale, steps};

const LONG_FORK: Load<'static> = Load("long-fork", &[]);
const MULTI_REGISTER: Load<'static> = Load("multi-register", &[]);
const CAUSAL: Load<'static> = Load("causal", &[]);

#[test]
fn a_correct_database_is_valid_by_every_checker() {
    for load in [LONG_FORK, MULTI_REGISTER, CAUSAL] {
        for seed in 0..5 {
            let history = simulate(load, register_machine, seed);
            assert!(history.len() > 500, "{} transactions", history.len());
            for (name, report) in judged(&history, load) {
                assert_eq!(report.verdict, Verdict::Valid, "{}, {seed}: {name}", load.0);
            }
        }
    }
}

/// Two replicas. Writes of even keys come to the second one late, of odd keys to the first one;
/// reads ask both by turns.
fn forked() -> Machine {
    const LATE: usize = 8;
    let mut replicas = [register_machine(), register_machine()];
    let mut under_way: [VecDeque<Op>; 2] = Default::default();
    let mut reads = 0usize;
    Box::new(move |node, op: &Op| {
        if !op.writes() {
            reads += 1;
            return replicas[reads % 2](node, op);
        }
        let Op::Txn(TxnOp { mops }) = op else { return replicas[0](node, op) };
        let odd = matches!(mops[0].key(), Some(Value::Int(key)) if key % 2 == 1);
        let (home, other) = (usize::from(odd), usize::from(!odd));
        under_way[other].push_back(op.clone());
        if under_way[other].len() > LATE
            && let Some(late) = under_way[other].pop_front()
        {
            replicas[other](node, &late)?;
        }
        replicas[home](node, op)
    })
}

#[test]
fn a_long_fork_is_found() {
    for seed in 0..5 {
        let history = simulate(LONG_FORK, forked, seed);
        let (name, report) = judged(&history, LONG_FORK).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("snapshot-isolation", Verdict::Invalid));
        let weaker = Load("long-fork", &[("level", "read-committed")]);
        let (name, report) = judged(&history, weaker).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("read-committed", Verdict::Valid), "{seed}");
    }
}

#[test]
fn a_stale_read_of_several_registers_is_found() {
    for seed in 0..5 {
        let history = simulate(MULTI_REGISTER, stale, seed);
        let (name, report) = judged(&history, MULTI_REGISTER).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("strict-serializable", Verdict::Invalid));
    }
}

#[test]
fn a_client_that_does_not_see_its_own_write_is_found() {
    for seed in 0..5 {
        let history = simulate(CAUSAL, stale, seed);
        let (name, report) = judged(&history, CAUSAL).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("causal", Verdict::Invalid), "{seed}");
    }
}

#[test]
fn transactions_have_the_shape_they_are_for() {
    let forks = steps(&simulate(LONG_FORK, register_machine, 1));
    let writes: BTreeSet<usize> =
        forks.iter().filter(|mops| mops[0].writes()).map(Vec::len).collect();
    assert_eq!(writes, BTreeSet::from([1]));
    let reads = forks.iter().filter(|mops| !mops[0].writes());
    for mops in reads.clone() {
        let keys: BTreeSet<_> = mops.iter().filter_map(Mop::key).collect();
        assert_eq!(keys.len(), mops.len(), "different registers: {mops:?}");
    }
    assert!(reads.filter(|mops| mops.len() == 3).count() > 100);
    for mops in steps(&simulate(MULTI_REGISTER, register_machine, 1)) {
        assert!(mops.iter().all(|mop| mop.writes() == mops[0].writes()), "{mops:?}");
    }
}
