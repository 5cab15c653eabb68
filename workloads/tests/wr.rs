//! The workload of transactions on registers against invented databases, judged by its own
//! checkers.

use tribunal_checkers::{Budget, Report, Verdict};
use tribunal_harness::generator::{
    Fake, Gen, Latency, Machine, Model, Simulation, phases, register_machine, time_limit,
};
use tribunal_harness::seed::Seed;
use tribunal_history::{History, Nanos, Op};
use tribunal_workloads::{Setting, Workload, registry};

fn build(options: &[(&str, &str)]) -> Result<Workload, String> {
    let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let setting = Setting { nodes: 5, concurrency: 10, rate: None, options };
    let entry = registry::find("wr").expect("it is registered");
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
