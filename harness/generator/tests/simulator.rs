//! The simulator itself: well-formed histories, retirement, linearizable answers, stuck generators.

use std::collections::{BTreeMap, BTreeSet};

use tribunal_history::{History, Kind, Nanos, Observed, Op, Outcome, RegisterOp, Value};

use super::super::*;
use super::{MS, ms, ops, read, simulate, write, writes};
use crate::seed::Seed;

fn text(history: &History) -> String {
    history.events().map(|event| format!("{event}\n")).collect()
}

fn load() -> Gen {
    let cas = function(|call| {
        let mut value = || Value::Int(call.draw.below(3) as i64);
        let (from, to) = (value(), value());
        Op::Register(RegisterOp::Cas { key: Value::Int(0), from, to })
    });
    limit(2000, mix(vec![repeat(op(read(0))), unique_values(Scope::Global, 1, writes(0)), cas]))
}

fn faulty(seed: u64) -> Simulation {
    let window =
        Window { from: ms(20), to: ms(60), crash_rate: 0.2, latency: Latency::Exponential(MS) };
    let model =
        Model { crash_rate: 0.02, windows: vec![window], ..Model::reliable(register_machine()) };
    Simulation { seed: Seed(seed), ..Simulation::of(Fake::Model(model)) }
}

/// Whether some order of the operations that respects real time explains every answer: depth
/// first, by the definition, on one register. Only the writes that were read matter among those
/// of unknown outcome, so the histories here are small.
fn linearizable(history: &History) -> bool {
    let all: Vec<_> = history.operations().filter(|op| op.outcome() != Outcome::Fail).collect();
    let call: Vec<_> = all.iter().map(|op| op.call().0).collect();
    let ret: Vec<_> = all
        .iter()
        .map(|op| match op.outcome() {
            Outcome::Ok => op.ret().map_or(u32::MAX, |id| id.0),
            Outcome::Fail | Outcome::Info | Outcome::Open => u32::MAX,
        })
        .collect();
    let ops: Vec<Op> = all.iter().map(|op| op.op()).collect();
    let mut seen: BTreeSet<(Vec<bool>, Value)> = BTreeSet::new();
    let mut stack = vec![(vec![false; ops.len()], Value::Nil)];
    while let Some((done, state)) = stack.pop() {
        let horizon = (0..ops.len()).filter(|at| !done[*at]).map(|at| ret[at]).min();
        if horizon.is_none_or(|first| first == u32::MAX) {
            return true;
        }
        for at in (0..ops.len()).filter(|at| !done[*at] && Some(call[*at]) < horizon) {
            let Some(next) = step(&state, &ops[at]) else { continue };
            let mut done = done.clone();
            done[at] = true;
            if seen.insert((done.clone(), next.clone())) {
                stack.push((done, next));
            }
        }
    }
    false
}

fn step(state: &Value, op: &Op) -> Option<Value> {
    match op {
        Op::Register(RegisterOp::Read { value, .. }) => match value {
            Observed::Pending => Some(state.clone()),
            Observed::Absent => (*state == Value::Nil).then(|| state.clone()),
            Observed::Present(value) => (value == state).then(|| state.clone()),
        },
        Op::Register(RegisterOp::Write { value, .. }) => Some(value.clone()),
        Op::Register(RegisterOp::Cas { from, to, .. }) => (from == state).then(|| to.clone()),
        Op::Register(RegisterOp::Append { .. })
        | Op::Txn(_)
        | Op::Set(_)
        | Op::Counter(_)
        | Op::Queue(_)
        | Op::Lock(_)
        | Op::Id(_) => None,
    }
}

#[test]
fn the_model_answers_linearizably_under_faults() {
    let (mut unknown, mut moved) = (0, 0);
    for seed in 0..100 {
        let mut simulation = faulty(seed);
        simulation.concurrency = 4;
        if let Fake::Model(model) = &mut simulation.client {
            model.windows[0].from = Nanos(0);
        }
        let simulated = simulation.run(limit(25, load()));
        assert!(linearizable(&simulated.history), "seed {seed}:\n{}", text(&simulated.history));
        unknown += simulated.retired;
        moved += simulated.counts.values().map(|counts| counts.ok).sum::<u64>();
    }
    assert!(unknown > 100 && moved > 800, "{unknown} unknown, {moved} ok");
}

/// The judge above is not blind: a register that forgets its last write is seen.
#[test]
fn a_model_that_reads_stale_values_is_caught() {
    let mut held = (Value::Nil, Value::Nil);
    let machine: Machine = Box::new(move |_, op| match op {
        Op::Register(RegisterOp::Write { value, .. }) => {
            held = (value.clone(), held.0.clone());
            Ok(op.clone())
        }
        Op::Register(RegisterOp::Read { key, .. }) => {
            let value = Observed::Present(held.1.clone());
            Ok(Op::Register(RegisterOp::Read { key: key.clone(), value }))
        }
        _ => Ok(op.clone()),
    });
    let generator = sequence(vec![write(0, 1), write(0, 2), read(0)]);
    let (_, simulated) = simulate(1, Fake::Model(Model::reliable(machine)), generator);
    assert!(!linearizable(&simulated.history));
}

#[test]
fn info_retires_the_process_and_keeps_slot_and_node() {
    let simulated = faulty(1).run(load());
    assert!(simulated.retired > 10);
    let mut infos = BTreeMap::new();
    for event in simulated.history.events() {
        let slot = event.process.0 % 10;
        assert_eq!(event.node.map(|node| u32::from(node.0)), Some(slot % 5));
        if event.kind == Kind::Info {
            assert!(event.op.writes(), "a lost read is a fail");
            *infos.entry(slot).or_insert(0) += 1;
        }
    }
    let last = simulated.history.events().map(|event| event.process.0 / 10).max();
    assert_eq!(last.map(|last| infos.values().any(|count| *count >= last)), Some(true));
}

/// H7: byte-identical histories.
#[test]
fn the_same_seed_gives_the_same_history_a_hundred_times() {
    let first = text(&faulty(7).run(load()).history);
    (0..100).for_each(|_| assert_eq!(text(&faulty(7).run(load()).history), first));
    assert_ne!(text(&faulty(8).run(load()).history), first);
}

#[test]
fn fakes_do_as_they_are_called() {
    let counts = |client| {
        let counts = simulate(3, client, limit(9, writes(0))).1.counts["write"];
        (counts.invoked, counts.ok, counts.fail, counts.info)
    };
    assert_eq!(counts(Fake::Quick), (9, 9, 0, 0));
    assert_eq!(counts(Fake::Perfect(Nanos(10))), (9, 9, 0, 0));
    assert_eq!(counts(Fake::PerfectInfo(Nanos(10))), (9, 0, 0, 9));
    let (_, ok, fail, info) = counts(Fake::Imperfect(Nanos(10)));
    assert!(ok >= fail && fail >= info && info > 0, "{ok} {fail} {info}");
}

#[test]
fn a_stuck_generator_names_its_place() {
    let generator = phases(vec![
        limit(2, writes(0)),
        mix(vec![on_slots(|_| false, writes(1)), concurrency_limit(0, writes(2))]),
    ]);
    let (_, simulated) = simulate(2, Fake::Perfect(MS), generator);
    let path = "validate/concat/synchronize/mix(on_slots/function, concurrency_limit/function)";
    assert_eq!(simulated.end, End::Stuck { path: path.into() });
}

#[test]
fn limits_of_the_simulation_hold() {
    let (_, simulated) = simulate(2, Fake::Quick, repeat(log("for ever")));
    assert_eq!((simulated.end, simulated.notes.len()), (End::StepLimit, 100_000));
    let mut simulation = Simulation::of(Fake::Perfect(MS));
    simulation.time_limit = Some(ms(10));
    let simulated = simulation.run(writes(0));
    assert_eq!((simulated.end, simulated.counts["write"].ok), (End::TimeLimit, 100));
}

#[test]
fn a_plan_is_cut_aloud() {
    assert!(plan(&writes(0), Seed(1), 1000, 5, None).is_cut());
    assert_eq!(ops(2, limit(3, writes(0))).len(), 3);
}
