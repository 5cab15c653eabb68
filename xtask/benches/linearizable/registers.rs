//! Registers whose clients do not crash, or hardly ever.

use std::collections::HashMap;
use std::time::Duration;

use tribunal_checkers::Verdict;
use tribunal_checkers::linearizable::zones::{self, Stream};
use tribunal_history::{Op, Process, RegisterOp, Value};
use xtask::generate::{Event, Family, Shape, Step, find};

use crate::bench::Bench;
use crate::input::{Input, short};
use crate::table::{Goal, Ours, Row};
use crate::{memory, ours};

/// Above this many operations Porcupine's memory is not to be had.
const RIVAL_UP_TO: u64 = 30_000;

/// Five values with compare-and-set, and distinct values, from a thousand to 100,000 operations.
pub(crate) fn growing(bench: &mut Bench) {
    for family in ["five-value-cas", "unique"] {
        let five = family == "five-value-cas";
        for operations in [1_000, 3_000, 10_000, 30_000, 100_000] {
            let Some(family) = find(family) else { continue };
            let shape = family.shape(operations, bench.settings.seed);
            let quickly = bench.settings.quick && operations > 10_000;
            let asked = operations <= RIVAL_UP_TO && !quickly;
            let input = Input::generated(family, &shape);
            let input = if asked { input } else { input.ours_alone() };
            let (theirs, ours) = bench.contest(&input, ours::automatic());
            let goals: &[Goal] = match operations {
                30_000 if five => &[Goal::Faster(100.0)],
                100_000 if five => &[Goal::Within(Duration::from_millis(50)), Goal::Bytes(64.0)],
                _ => &[],
            };
            let row = Row::of("L5", &input, theirs, ours, goals);
            let resident_bytes = match operations {
                100_000 => memory::beyond_the_history(family, &shape, &row.ours),
                _ => None,
            };
            bench.print(Row { resident_bytes, ..row });
        }
    }
}

/// Distinct values, 20 clients, 0.2 % of the operations crash: 0.4 % of the writes.
pub(crate) fn huge(bench: &mut Bench) {
    let Some(family) = find("unique") else { return };
    let operations = if bench.settings.quick { 1_000_000 } else { 10_000_000 };
    let seed = bench.settings.seed;
    let shape = Shape { operations, clients: 20, crashes_per_mille: 4, seed };
    let input = Input::generated(family, &shape).ours_alone();
    let (theirs, ours) = bench.contest(&input, ours::automatic());
    let most = Duration::from_millis(operations / 20_000);
    let row = Row::of("L4", &input, theirs, ours, &[Goal::Within(most), Goal::Bytes(40.0)]);
    let resident_bytes = memory::beyond_the_history(family, &shape, &row.ours);
    bench.print(Row { resident_bytes, ..row });
    drop(input);
    let operations = 10 * operations;
    let shape = Shape { operations, ..shape };
    let (took, bytes) = streamed(family, &shape);
    let ours = Ours::Decided {
        verdict: Verdict::Valid,
        bare: took,
        whole: None,
        peak_bytes: bytes,
        engine: "zones, streamed",
    };
    let most = Duration::from_secs_f64(operations as f64 * 6e-8);
    let goals = [Goal::Within(most), Goal::Bytes(40.0)];
    let name = format!("unique_{}, streamed", short(operations));
    let row = Row::missing("L4", &name, &goals);
    bench.print(Row { operations, ours, ..row });
}

/// Events fed at a time; what makes them is not timed.
const BLOCK: usize = 1 << 20;

/// What the stream of zones takes, and the bytes it holds at the end.
fn streamed(family: &Family, shape: &Shape) -> (Duration, u64) {
    let mut stream = Stream::new(Some(0));
    let (mut rank, mut took) = (0, Duration::ZERO);
    let mut calls: HashMap<Process, u32> = HashMap::new();
    let mut block = Vec::with_capacity(BLOCK);
    let mut feed = |block: &mut Vec<(u32, zones::Event)>| {
        let before = ours::processor();
        for (rank, event) in block.drain(..) {
            stream.feed(rank, event).expect("linearizable by construction");
        }
        took += ours::processor() - before;
    };
    family.events(shape, &mut |event| {
        block.extend(zone_event(rank, &event, &mut calls).map(|event| (rank, event)));
        rank += 1;
        if block.len() == BLOCK {
            feed(&mut block);
        }
    });
    feed(&mut block);
    let (bytes, before) = (stream.bytes(), ours::processor());
    assert_eq!(stream.finish(), Ok(()), "linearizable by construction");
    (took + ours::processor() - before, bytes)
}

fn zone_event(rank: u32, event: &Event, calls: &mut HashMap<Process, u32>) -> Option<zones::Event> {
    let small = |value: &Value| match value {
        Value::Int(int) => u32::try_from(*int).expect("a value of the family"),
        other => unreachable!("{other} is no value of the family"),
    };
    match &event.step {
        Step::Invoke(Op::Register(RegisterOp::Write { value, .. })) => {
            Some(zones::Event::WriteCalled { value: small(value) })
        }
        Step::Invoke(_) => {
            calls.insert(event.process, rank);
            None
        }
        Step::Complete(_, Op::Register(RegisterOp::Write { value, .. })) => {
            Some(zones::Event::WriteReturned { value: small(value) })
        }
        Step::Complete(_, Op::Register(RegisterOp::Read { value, .. })) => {
            let (value, call) = (value.present()?, calls.remove(&event.process)?);
            Some(zones::Event::ReadReturned { value: small(value), call })
        }
        Step::Complete(_, other) => unreachable!("{other} was not asked"),
    }
}
