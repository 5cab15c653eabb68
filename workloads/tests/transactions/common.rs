//! Workloads of transactions against invented databases, judged by their own checkers.

use tribunal_checkers::{Budget, Report};
use tribunal_harness::generator::{
    Fake, Gen, Latency, Machine, Model, Simulation, phases, register_machine, time_limit,
};
use tribunal_harness::seed::Seed;
use tribunal_history::{History, Mop, Nanos, Op, TxnOp};
use tribunal_workloads::{Setting, Workload, registry};

/// A workload and its options.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a>(pub(crate) &'static str, pub(crate) &'a [(&'a str, &'a str)]);

pub(crate) fn build(Load(name, options): Load<'_>) -> Result<Workload, String> {
    let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let setting = Setting { nodes: 5, concurrency: 10, rate: None, options };
    let entry = registry::find(name).expect("it is registered");
    (entry.build)(&setting).map_err(|error| error.to_string())
}

pub(crate) fn workload(load: Load<'_>) -> Workload {
    build(load).unwrap_or_else(|error| panic!("{error}"))
}

/// Simulates the load and then the final reads against a database, losing some answers.
pub(crate) fn simulate(load: Load<'_>, machine: fn() -> Machine, seed: u64) -> History {
    let run = |parts: Vec<Gen>| {
        let model = Model {
            latency: Latency::Exponential(Nanos(500_000)),
            crash_rate: 0.01,
            ..Model::reliable(machine())
        };
        let simulation = Simulation { seed: Seed(seed), ..Simulation::of(Fake::Model(model)) };
        simulation.run(phases(parts)).history
    };
    let parts = |workload: Workload| {
        (time_limit(Nanos::from_millis(300), workload.generator), workload.final_generator)
    };
    // What is read at the end is known after the load: the same load once before, for that.
    let (first, final_reads) = parts(workload(load));
    run(vec![first]);
    let (again, _) = parts(workload(load));
    run(vec![again, final_reads()])
}

/// What each checker says, by its name.
pub(crate) fn judged(history: &History, load: Load<'_>) -> Vec<(String, Report)> {
    let judge = |checker: &dyn tribunal_checkers::Checker| {
        let report = checker.check(history, &Budget::unlimited());
        (checker.name().to_string(), report.unwrap_or_else(|error| panic!("{error}")))
    };
    workload(load).checkers.iter().map(|checker| judge(checker.as_ref())).collect()
}

/// Answers every twentieth transaction that only reads as the database was some time before.
pub(crate) fn stale() -> Machine {
    let (mut now, mut before) = (register_machine(), register_machine());
    let mut kept: Vec<Op> = Vec::new();
    let mut reads = 0u64;
    Box::new(move |node, op: &Op| {
        reads += u64::from(!op.writes());
        if !op.writes() && reads.is_multiple_of(20) {
            return before(node, op);
        }
        if op.writes() {
            kept.push(op.clone());
        }
        if kept.len() > 20 {
            for old in kept.drain(..) {
                // What was refused then is refused now, and is no matter of this transaction.
                drop(before(node, &old));
            }
        }
        now(node, op)
    })
}

/// The steps of every transaction.
pub(crate) fn steps(history: &History) -> Vec<Vec<Mop>> {
    let txns = history.operations().map(|operation| match operation.op() {
        Op::Txn(TxnOp { mops }) => mops,
        other => panic!("{other} in a workload of transactions"),
    });
    txns.collect()
}
