//! Transactions on lists.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_checkers::Verdict;
use tribunal_harness::generator::{Fake, Model, Simulation, register_machine};
use tribunal_history::{Mop, Nanos, Observed, Outcome, Value};
use tribunal_workloads::{Mix, Objects, Shape, Transactions, Workload};

use crate::common::{Load, build, judged, simulate, stale, steps, workload};

const APPEND: Load<'static> = Load("append", &[]);

#[test]
fn a_correct_database_is_valid() {
    for seed in 0..10 {
        let history = simulate(APPEND, register_machine, seed);
        assert!(history.len() > 1_000, "{} transactions", history.len());
        for (name, report) in judged(&history, APPEND) {
            assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {name}: {report:?}");
        }
    }
}

#[test]
fn a_stale_read_is_found_and_is_no_matter_of_serializability() {
    for seed in 0..10 {
        let history = simulate(APPEND, stale, seed);
        let (name, report) = judged(&history, APPEND).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("strict-serializable", Verdict::Invalid));
        let weaker = [("level", "serializable")];
        let (name, report) = judged(&history, Load("append", &weaker)).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("serializable", Verdict::Valid));
    }
}

#[test]
fn keys_retire_and_values_are_unique() {
    let options = [("live-keys", "3"), ("appends-per-key", "10"), ("max-length", "5")];
    let Workload { generator, .. } = workload(Load("append", &options));
    let simulation = Simulation {
        time_limit: Some(Nanos::from_millis(200)),
        ..Simulation::of(Fake::Model(Model::reliable(register_machine())))
    };
    let history = simulation.run(generator).history;
    let (mut appended, mut per_key) = (BTreeSet::new(), BTreeMap::<Value, u64>::new());
    let (mut lengths, mut used) = (BTreeSet::new(), Vec::new());
    for mops in steps(&history) {
        lengths.insert(mops.len());
        for mop in mops {
            used.push(mop.key().cloned());
            if let Mop::Append { key, element } = mop {
                *per_key.entry(key.clone()).or_default() += 1;
                assert!(appended.insert((key, element)), "appended twice");
            }
        }
    }
    assert_eq!(lengths, (1..=5).collect());
    assert!(per_key.len() > 20 && per_key.values().all(|count| *count <= 10), "{per_key:?}");
    let last_use = used.iter().rposition(|key| *key == Some(Value::Int(0)));
    assert!(last_use.is_some_and(|at| at < 300), "key 0 is used until step {last_use:?}");
}

#[test]
fn final_reads_reach_every_key_on_every_node() {
    let history = simulate(Load("append", &[("appends-per-key", "10")]), register_machine, 3);
    let txns = steps(&history);
    let keys: BTreeSet<&Value> = txns.iter().flatten().filter_map(Mop::key).collect();
    assert!(keys.len() > 20, "{} keys", keys.len());
    let reads: Vec<_> = history.operations().zip(&txns).collect();
    let only_reads = |mops: &[Mop]| !mops.iter().any(Mop::writes);
    let last = reads.iter().rev().take_while(|(_, mops)| only_reads(mops));
    let mut read = BTreeSet::new();
    for (operation, mops) in last.filter(|(operation, _)| operation.outcome() == Outcome::Ok) {
        for mop in mops.iter() {
            assert!(matches!(
                mop,
                Mop::ReadList { elements: Observed::Present(_) | Observed::Absent, .. }
            ));
            read.insert((mop.key(), operation.process().0 % 10));
        }
    }
    assert_eq!(read.len(), keys.len() * 5, "each key on each of five nodes");
}

#[test]
fn registers_get_unique_values_too() {
    let shape =
        Shape { objects: Objects::Registers, mix: Mix::Steps, live: 4, writes: 8, longest: 3 };
    let simulation = Simulation {
        time_limit: Some(Nanos::from_millis(100)),
        ..Simulation::of(Fake::Model(Model::reliable(register_machine())))
    };
    let history = simulation.run(Box::new(Transactions::new(shape))).history;
    let (mut written, mut reads) = (BTreeSet::new(), 0);
    for mop in steps(&history).into_iter().flatten() {
        match mop {
            Mop::Write { key, value } => assert!(written.insert((key, value)), "written twice"),
            Mop::Read { .. } => reads += 1,
            other => panic!("{other} among registers"),
        }
    }
    assert!(written.len() > 300 && reads > 300, "{} written, {reads} read", written.len());
}

#[test]
fn options_are_checked() {
    let complains = |k: &str, v: &str| build(Load("append", &[(k, v)])).err().unwrap_or_default();
    expect_test::expect![[r#"workload append has no option "keys"; it has live-keys, appends-per-key, max-length, level, final-attempts"#]]
        .assert_eq(&complains("keys", "3"));
    expect_test::expect![[
        r#"workload append: option max-length = "65": write a whole number from 1 to 64"#
    ]]
    .assert_eq(&complains("max-length", "65"));
    expect_test::expect![[
        r#"workload append: option live-keys = "0": write a whole number of at least 1"#
    ]]
    .assert_eq(&complains("live-keys", "0"));
    expect_test::expect![[r#"workload append: option level = "causal": write strict-serializable, serializable, snapshot-isolation, read-committed, or another level of the model (`tribunal list models`)"#]]
        .assert_eq(&complains("level", "causal"));
    for level in ["snapshot-isolation", "read-committed", "strong-session-serializable"] {
        assert_eq!(complains("level", level), "");
    }
}
