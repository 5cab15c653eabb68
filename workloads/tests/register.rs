//! The register workload against invented databases, judged by its own checkers.

use std::collections::BTreeMap;

use tribunal_checkers::{Budget, Verdict};
use tribunal_harness::generator::{Fake, Latency, Machine, Model, Simulation, register_machine};
use tribunal_harness::seed::Seed;
use tribunal_history::{History, Nanos, Observed, Op, Outcome, RegisterOp, Value};
use tribunal_workloads::{Setting, Workload, registry};

fn workload(options: &[(&str, &str)]) -> Workload {
    let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let setting = Setting { nodes: 5, concurrency: 10, rate: None, options };
    let entry = registry::find("register").expect("it is registered");
    (entry.build)(&setting).unwrap_or_else(|error| panic!("{error}"))
}

/// Simulates the load against `machine`, losing some answers.
fn simulate(workload: Workload, machine: Machine, seed: u64) -> (History, Workload) {
    let Workload { generator, .. } = workload;
    let model = Model {
        latency: Latency::Exponential(Nanos(500_000)),
        crash_rate: 0.01,
        ..Model::reliable(machine)
    };
    let simulation = Simulation {
        seed: Seed(seed),
        time_limit: Some(Nanos::from_millis(1_000)),
        ..Simulation::of(Fake::Model(model))
    };
    let simulated = simulation.run(generator);
    (simulated.history, self::workload(&[]))
}

fn verdicts(history: &History, workload: &Workload) -> Vec<(String, Verdict)> {
    let budget = Budget::unlimited();
    let judge = |checker: &dyn tribunal_checkers::Checker| {
        let report = checker.check(history, &budget).unwrap_or_else(|error| panic!("{error}"));
        (checker.name().to_string(), report.verdict)
    };
    workload.checkers.iter().map(|checker| judge(checker.as_ref())).collect()
}

#[test]
fn a_correct_register_is_valid() {
    for seed in 0..20 {
        let (history, workload) = simulate(workload(&[]), register_machine(), seed);
        assert!(history.len() > 1_000, "{} operations", history.len());
        for (name, verdict) in verdicts(&history, &workload) {
            assert_eq!(verdict, Verdict::Valid, "seed {seed}: {name}");
        }
    }
}

/// Answers one read in fifty from the value before the current one.
fn stale() -> Machine {
    let mut honest = register_machine();
    let mut before = BTreeMap::<Value, Observed<Value>>::new();
    let mut now = BTreeMap::<Value, Observed<Value>>::new();
    let mut reads = 0u64;
    Box::new(move |node, op: &Op| {
        let answer = honest(node, op)?;
        let Op::Register(register) = answer.clone() else { return Ok(answer) };
        match register {
            RegisterOp::Read { key, .. } => {
                reads += 1;
                let old = before.get(&key).cloned().unwrap_or(Observed::Absent);
                let stale = RegisterOp::Read { key, value: old };
                Ok(if reads.is_multiple_of(50) { Op::Register(stale) } else { answer })
            }
            RegisterOp::Write { key, value } | RegisterOp::Cas { key, to: value, .. } => {
                let old = now.insert(key.clone(), Observed::Present(value));
                before.insert(key, old.unwrap_or(Observed::Absent));
                Ok(answer)
            }
            RegisterOp::Append { .. } => Ok(answer),
        }
    })
}

#[test]
fn a_stale_read_is_found() {
    for seed in 0..20 {
        let (history, workload) = simulate(workload(&[]), stale(), seed);
        let found = verdicts(&history, &workload);
        let worst = Verdict::worst(found.into_iter().map(|(_, verdict)| verdict));
        assert_eq!(worst, Verdict::Invalid, "seed {seed}");
    }
}

#[test]
fn every_kind_of_operation_succeeds() {
    for values in ["unique", "contended", "mixed"] {
        let (history, _) = simulate(workload(&[("values", values)]), register_machine(), 3);
        for name in ["read", "write", "cas"] {
            let ok = |op: &Op| op.name() == name;
            let count = history
                .operations()
                .filter(|operation| operation.outcome() == Outcome::Ok && ok(&operation.op()))
                .count();
            assert!(count > 20, "{values}: {count} {name}s succeeded");
        }
    }
}

#[test]
fn unique_values_are_written_once() {
    let (history, _) = simulate(workload(&[("values", "unique")]), register_machine(), 4);
    let mut written = std::collections::BTreeSet::new();
    for operation in history.operations() {
        match operation.op() {
            Op::Register(
                RegisterOp::Write { key, value } | RegisterOp::Cas { key, to: value, .. },
            ) => assert!(written.insert((key, value)), "written twice"),
            Op::Register(RegisterOp::Read { .. }) => {}
            other => panic!("{other} in a workload of registers"),
        }
    }
}

#[test]
fn final_reads_reach_every_key_on_every_node() {
    let Workload { generator, final_generator, .. } = workload(&[("ops-per-key", "20")]);
    let limit = Some(Nanos::from_millis(100));
    let main = Simulation {
        time_limit: limit,
        ..Simulation::of(Fake::Model(Model::reliable(register_machine())))
    };
    let main = main.run(generator).history;
    let keys: std::collections::BTreeSet<u32> = main.operations().map(|op| op.key().0).collect();
    assert!(keys.len() > 5, "{} keys", keys.len());
    let last = Simulation::of(Fake::Model(Model::reliable(register_machine())));
    let last = last.run(final_generator()).history;
    let mut read = std::collections::BTreeSet::new();
    for operation in last.operations() {
        read.insert((operation.key().0, operation.process().0 % 10));
    }
    assert_eq!(read.len(), keys.len() * 5, "each key on each of five nodes");
}

#[test]
fn options_are_checked() {
    let build = |k: &str, v: &str| {
        let options = BTreeMap::from([(k.to_string(), v.to_string())]);
        let setting = Setting { nodes: 5, concurrency: 10, rate: None, options };
        let entry = registry::find("register").expect("it is registered");
        (entry.build)(&setting).err().map(|error| error.to_string()).unwrap_or_default()
    };
    expect_test::expect![[r#"workload register has no option "keys"; it has ops-per-key, group, values, final-attempts"#]]
        .assert_eq(&build("keys", "3"));
    expect_test::expect![[
        r#"workload register: option group = "0": write a whole number of at least 1"#
    ]]
    .assert_eq(&build("group", "0"));
    expect_test::expect![[
        r#"workload register: option values = "odd": write unique, contended or mixed"#
    ]]
    .assert_eq(&build("values", "odd"));
}
