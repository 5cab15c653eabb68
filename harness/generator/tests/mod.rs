//! Laws of the algebra, one by one and over random compositions.

mod compositions;
mod golden;
mod laws;
mod roam;
mod simulator;
mod timing;

use tribunal_history::{Nanos, Observed, Op, RegisterOp, Value};

use super::{End, Fake, Gen, PlannedOp, Simulated, Simulation, function};

const MS: Nanos = Nanos::from_millis(1);

fn ms(n: u64) -> Nanos {
    Nanos::from_millis(n)
}

fn read(key: i64) -> Op {
    Op::Register(RegisterOp::Read { key: Value::Int(key), value: Observed::Pending })
}

fn write(key: i64, value: i64) -> Op {
    Op::Register(RegisterOp::Write { key: Value::Int(key), value: Value::Int(value) })
}

fn key(op: &Op) -> i64 {
    match op {
        Op::Register(RegisterOp::Read { key: Value::Int(key), .. })
        | Op::Register(RegisterOp::Write { key: Value::Int(key), .. })
        | Op::Register(RegisterOp::Cas { key: Value::Int(key), .. }) => *key,
        other => panic!("{other} has no key"),
    }
}

fn written(op: &Op) -> Option<i64> {
    match op {
        Op::Register(RegisterOp::Write { value: Value::Int(value), .. }) => Some(*value),
        _ => None,
    }
}

/// Endless writes of drawn values to `key`, which names the branch.
fn writes(key: i64) -> Gen {
    function(move |call| write(key, call.draw.below(1000) as i64))
}

fn keys(ops: &[PlannedOp]) -> Vec<i64> {
    ops.iter().map(|op| key(&op.op)).collect()
}

/// What a simulation of `slots` slots hands out, and its end.
fn simulate(slots: u32, client: Fake, generator: Gen) -> (Vec<PlannedOp>, Simulated) {
    let mut simulation = Simulation::of(client);
    simulation.concurrency = slots;
    simulation.steps_max = 100_000;
    let mut ops = Vec::new();
    let simulated = simulation.run_with(generator, |op| ops.push(op));
    (ops, simulated)
}

/// The same, of a generator that comes to its end against a database that answers in 1 ms.
fn ops(slots: u32, generator: Gen) -> Vec<PlannedOp> {
    let (ops, simulated) = simulate(slots, Fake::Perfect(MS), generator);
    assert_eq!(simulated.end, End::Done);
    ops
}
