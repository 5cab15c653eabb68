//! The session workload against invented databases, judged by its own checkers.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_checkers::{Budget, Verdict};
use tribunal_harness::generator::{
    Fake, Gen, Latency, Machine, Model, Simulation, phases, register_machine, time_limit,
};
use tribunal_harness::seed::Seed;
use tribunal_history::{History, Nanos, Op, RegisterOp};
use tribunal_workloads::{Setting, Workload, registry};

const GUARANTEES: [&str; 4] =
    ["read-your-writes", "monotonic-reads", "monotonic-writes", "writes-follow-reads"];

fn build(options: &[(&str, &str)]) -> Result<Workload, String> {
    let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let setting = Setting { nodes: 5, concurrency: 10, rate: None, options };
    let entry = registry::find("session").expect("it is registered");
    (entry.build)(&setting).map_err(|error| error.to_string())
}

/// Simulates the load and then the final reads, losing some answers.
fn simulate(options: &[(&str, &str)], machine: fn() -> Machine, seed: u64) -> History {
    let parts = || {
        let Workload { generator, final_generator, .. } = build(options).expect("a setting");
        (time_limit(Nanos::from_millis(300), generator), final_generator)
    };
    let run = |parts: Vec<Gen>| {
        let model = Model {
            latency: Latency::Exponential(Nanos(500_000)),
            crash_rate: 0.005,
            ..Model::reliable(machine())
        };
        let simulation = Simulation { seed: Seed(seed), ..Simulation::of(Fake::Model(model)) };
        simulation.run(phases(parts)).history
    };
    // What is read at the end is known after the load: the same load once before, for that.
    let (first, final_reads) = parts();
    run(vec![first]);
    run(vec![parts().0, final_reads()])
}

/// What each checker says, by its name.
fn verdicts(history: &History) -> BTreeMap<String, Verdict> {
    let judge = |checker: &dyn tribunal_checkers::Checker| {
        let report = checker.check(history, &Budget::unlimited());
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        (checker.name().to_string(), report.verdict)
    };
    let workload = build(&[]).expect("the defaults");
    workload.checkers.iter().map(|checker| judge(checker.as_ref())).collect()
}

/// One log of writes. A node answers reads from as much of it as it has taken over: all but the
/// last twenty writes at least, and all up to the last one that it was asked for itself.
fn replicas() -> Machine {
    let mut log: Vec<Op> = Vec::new();
    let mut nodes: Vec<(Machine, usize)> = (0..5).map(|_| (register_machine(), 0)).collect();
    Box::new(move |node, op: &Op| {
        if op.writes() {
            log.push(op.clone());
        }
        let (machine, taken) = &mut nodes[usize::from(node.0)];
        let least = if op.writes() { log.len() } else { log.len().saturating_sub(20) };
        for write in &log[*taken..least.max(*taken)] {
            machine(node, write)?;
        }
        *taken = least.max(*taken);
        if op.writes() { Ok(op.clone()) } else { machine(node, op) }
    })
}

#[test]
fn a_correct_store_is_valid() {
    for seed in 0..20 {
        let history = simulate(&[], register_machine, seed);
        assert!(history.len() > 1_000, "{} operations", history.len());
        let verdicts = verdicts(&history);
        assert_eq!(verdicts.len(), 7, "{verdicts:?}");
        for (name, verdict) in verdicts {
            assert_eq!(verdict, Verdict::Valid, "seed {seed}: {name}");
        }
    }
}

/// Nodes that lag keep every promise to clients who stay, and none to those who roam.
#[test]
fn only_clients_that_roam_see_that_nodes_lag() {
    for seed in 0..8 {
        for stay in ["1", "2"] {
            let said = verdicts(&simulate(&[("stay", stay)], replicas, seed));
            for name in GUARANTEES.into_iter().chain(["causal"]) {
                assert_eq!(said[name], Verdict::Invalid, "seed {seed}, stay {stay}: {name}");
            }
        }
        let said = verdicts(&simulate(&[("stay", "1000000000")], replicas, seed));
        for (name, verdict) in said {
            assert_eq!(verdict, Verdict::Valid, "seed {seed}: {name} of clients that stay");
        }
    }
}

#[test]
fn clients_go_everywhere_and_write_each_value_once() {
    let history = simulate(&[], register_machine, 1);
    let mut nodes: BTreeMap<u32, BTreeSet<u16>> = BTreeMap::new();
    let mut written = BTreeSet::new();
    for operation in history.operations() {
        let node = operation.node().expect("a simulation knows");
        nodes.entry(operation.process().0).or_default().insert(node.0);
        match operation.op() {
            Op::Register(RegisterOp::Write { key, value }) => {
                assert!(written.insert((key, value)), "written twice");
            }
            Op::Register(RegisterOp::Read { .. }) => {}
            other => panic!("{other} in a workload of registers"),
        }
    }
    let everywhere = nodes.values().filter(|nodes| nodes.len() == 5).count();
    assert!(everywhere >= 10, "{everywhere} of {} processes", nodes.len());
}

#[test]
fn what_is_judged_can_be_chosen() {
    let names = |options: &[(&str, &str)]| -> Vec<String> {
        let checkers = build(options).expect("a setting").checkers;
        checkers.iter().map(|checker| checker.name().to_owned()).collect()
    };
    let all: Vec<&str> = GUARANTEES.into_iter().chain(["causal", "stats", "vacuity"]).collect();
    assert_eq!(names(&[]), all);
    let few = names(&[("judge", "monotonic-reads, pram")]);
    assert_eq!(few, ["monotonic-reads", "pram", "stats", "vacuity"]);
    for wrong in ["", "serializable", "causal,causal", "causal,"] {
        let error = build(&[("judge", wrong)]).err().expect("no such promise");
        assert!(error.contains("write each once of read-your-writes, "), "{wrong:?}: {error}");
    }
    expect_test::expect![[
        r#"workload session: option live-keys = "1001": write a whole number from 1 to 1000"#
    ]]
    .assert_eq(&build(&[("live-keys", "1001")]).err().unwrap_or_default());
}
