//! Operations per second of `next + commit + observe` (invocation and completion), no clock, no
//! I/O: `limit(n, mix of three functions)` and a few heavier shapes at 100 and 1,024 slots.
//!
//! Counts the processor time of its one thread, so that other load on the machine does not tell.
//! Prints one line per case; the figure to keep is 2 M operations/s for `mix`.

use std::collections::VecDeque;
use std::hint::black_box;

use nix::time::{ClockId, clock_gettime};
use tribunal_harness::generator::{
    Gen, Keys, Scope, Step, Threads, Turns, each_slot, function, independent_concurrent, limit,
    mix, op, repeat, reserve, stagger, unique_values, weighted_mix, zipf,
};
use tribunal_harness::seed::Seed;
use tribunal_history::{Kind, Nanos, Observed, Op, RegisterOp, Value};

const OPS: u64 = 2_000_000;

fn read(key: Value) -> Op {
    Op::Register(RegisterOp::Read { key, value: Observed::Pending })
}

fn functions() -> Vec<Gen> {
    let chooser = zipf(50, 1.1);
    let keys = chooser.clone();
    let reads = function(move |call| read(keys.value(&mut call.draw)));
    let keys = chooser.clone();
    let writes = function(move |call| {
        let key = keys.value(&mut call.draw);
        Op::Register(RegisterOp::Write { key, value: Value::Int(call.ordinal as i64) })
    });
    let cas = function(move |call| {
        let key = chooser.value(&mut call.draw);
        let mut value = || Value::Int(call.draw.below(5) as i64);
        let (from, to) = (value(), value());
        Op::Register(RegisterOp::Cas { key, from, to })
    });
    vec![reads, writes, cas]
}

/// Seconds this thread has had a processor.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock");
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}

/// Half of the slots busy, completions in the order of invocation.
fn drive(generator: Gen, slots: u32, ops: u64) -> f64 {
    let mut generator = limit(ops, generator);
    generator.bind(&Seed(45100).root().child("gen"));
    let mut turns = Turns::new(generator, Threads::new(slots, 5));
    let mut running = VecDeque::new();
    let (mut now, mut done) = (Nanos(0), 0u64);
    let start = processor_time();
    loop {
        match turns.step(now) {
            Step::Invoke { slot, op, .. } => running.push_back((slot, op)),
            Step::Wait { until: Some(until) } if running.is_empty() => now = until,
            Step::Done if running.is_empty() => break,
            Step::Wait { .. } | Step::Done | Step::Note(_) | Step::Mark(_) => {}
            Step::Stuck { path } => panic!("stuck: {path}"),
        }
        if (running.len() as u32 > slots / 2 || turns.committed() == ops)
            && let Some((slot, op)) = running.pop_front()
        {
            now.0 += 100;
            turns.complete(now, slot, Kind::Ok, black_box(&op), None);
            done += 1;
        }
    }
    done as f64 / (processor_time() - start)
}

fn main() {
    type Make = fn() -> Gen;
    let cases: [(&str, Make); 7] = [
        ("mix of 3 functions", || mix(functions())),
        ("weighted mix, unique values", || {
            let weighted = functions().into_iter().map(|child| (2, child)).collect();
            unique_values(Scope::PerKey, 1, weighted_mix(weighted))
        }),
        ("repeat one operation", || repeat(op(read(Value::Int(0))))),
        ("stagger 0, mix", || stagger(Nanos(0), mix(functions()))),
        ("reserve 30 + rest, mixes", || reserve(vec![(30, mix(functions()))], mix(functions()))),
        ("each slot, mix", || each_slot(mix(functions()))),
        ("keys in groups of 10, mix", || {
            independent_concurrent(10, Keys::unbounded(), |_| limit(400, mix(functions())))
        }),
    ];
    println!("{:<30} {:>14} {:>14}", "operations/s", "100 slots", "1,024 slots");
    for (name, make) in cases {
        let best = |slots| (0..3).map(|_| drive(make(), slots, OPS)).fold(0.0, f64::max);
        println!("{name:<30} {:>14.0} {:>14.0}", best(100), best(1024));
    }
}
