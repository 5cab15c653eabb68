//! The workload of transactions on lists against invented databases, judged by its own checkers.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_checkers::{Budget, Report, Verdict};
use tribunal_harness::generator::{
    Fake, Gen, Latency, Machine, Model, Simulation, phases, register_machine, time_limit,
};
use tribunal_harness::seed::Seed;
use tribunal_history::{History, Mop, Nanos, Observed, Op, Outcome, TxnOp, Value};
use tribunal_workloads::{Objects, Setting, Shape, Transactions, Workload, registry};

fn build(options: &[(&str, &str)]) -> Result<Workload, String> {
    let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let setting = Setting { nodes: 5, concurrency: 10, rate: None, options };
    let entry = registry::find("append").expect("it is registered");
    (entry.build)(&setting).map_err(|error| error.to_string())
}

fn workload(options: &[(&str, &str)]) -> Workload {
    build(options).unwrap_or_else(|error| panic!("{error}"))
}

/// Simulates the load and then the final reads against a database, losing some answers.
fn simulate(options: &[(&str, &str)], machine: fn() -> Machine, seed: u64) -> History {
    let run = |parts: Vec<Gen>| {
        let model = Model {
            latency: Latency::Exponential(Nanos(500_000)),
            crash_rate: 0.01,
            ..Model::reliable(machine())
        };
        let simulation = Simulation { seed: Seed(seed), ..Simulation::of(Fake::Model(model)) };
        simulation.run(phases(parts)).history
    };
    let load = |workload: Workload| {
        (time_limit(Nanos::from_millis(300), workload.generator), workload.final_generator)
    };
    // What is read at the end is known after the load: the same load once before, for that.
    let (first, final_reads) = load(workload(options));
    run(vec![first]);
    let (again, _) = load(workload(options));
    run(vec![again, final_reads()])
}

fn judged(history: &History, options: &[(&str, &str)]) -> Vec<(String, Report)> {
    let judge = |checker: &dyn tribunal_checkers::Checker| {
        let report = checker.check(history, &Budget::unlimited());
        (checker.name().to_string(), report.unwrap_or_else(|error| panic!("{error}")))
    };
    workload(options).checkers.iter().map(|checker| judge(checker.as_ref())).collect()
}

#[test]
fn a_correct_database_is_valid() {
    for seed in 0..10 {
        let history = simulate(&[], register_machine, seed);
        assert!(history.len() > 1_000, "{} transactions", history.len());
        for (name, report) in judged(&history, &[]) {
            assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {name}: {report:?}");
        }
    }
}

/// Answers every twentieth transaction that only reads as the database was some time before.
fn stale() -> Machine {
    let (mut now, mut before) = (register_machine(), register_machine());
    let mut kept: Vec<Op> = Vec::new();
    let mut reads = 0u64;
    Box::new(move |op: &Op| {
        reads += u64::from(!op.writes());
        if !op.writes() && reads.is_multiple_of(20) {
            return before(op);
        }
        if op.writes() {
            kept.push(op.clone());
        }
        if kept.len() > 20 {
            for old in kept.drain(..) {
                before(&old)?;
            }
        }
        now(op)
    })
}

#[test]
fn a_stale_read_is_found_and_is_no_matter_of_serializability() {
    for seed in 0..10 {
        let history = simulate(&[], stale, seed);
        let (name, report) = judged(&history, &[]).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("strict-serializable", Verdict::Invalid));
        let weaker = [("level", "serializable")];
        let (name, report) = judged(&history, &weaker).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("serializable", Verdict::Valid));
    }
}

/// The steps of all transactions that are no final read.
fn steps(history: &History) -> Vec<Vec<Mop>> {
    let txns = history.operations().map(|operation| match operation.op() {
        Op::Txn(TxnOp { mops }) => mops,
        other => panic!("{other} in a workload of transactions"),
    });
    txns.collect()
}

#[test]
fn keys_retire_and_values_are_unique() {
    let options = [("live-keys", "3"), ("appends-per-key", "10"), ("max-length", "5")];
    let Workload { generator, .. } = workload(&options);
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
    let history = simulate(&[("appends-per-key", "10")], register_machine, 3);
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
    let shape = Shape { objects: Objects::Registers, live: 4, writes: 8, longest: 3 };
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
    let complains = |k: &str, v: &str| build(&[(k, v)]).err().unwrap_or_default();
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
