//! Throughput of the codecs: `cargo bench -p tribunal-history --bench codec`.
//!
//! Prints one line per codec: median of several rounds, in MB/s (10^6 bytes) and events/s of one
//! core. Time is what the kernel says the thread spent on the processor, so that a busy machine
//! does not count as a slow codec. Without `--bench` (as `cargo test --benches` calls it) it only
//! shows that
//! every codec still runs.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tribunal_history::codec::native::{FrameEncoder, LogHeader};
use tribunal_history::codec::{Format, ReadOptions, read, write};
use tribunal_history::{
    Builder, History, Mop, Nanos, NodeId, Observed, Op, Outcome, Process, RegisterOp, TxnOp, Value,
};

const PROCESSES: usize = 100;
/// Shortest measured round.
const ROUND: Duration = Duration::from_millis(400);

fn main() {
    let measured = std::env::args().any(|arg| arg == "--bench");
    let (events, rounds) = if measured { (400_000, 5) } else { (2_000, 1) };
    for (name, ops) in [("register", registers(events / 2)), ("list-append", appends(events / 2))] {
        let history = history(&ops);
        encode(name, &ops, rounds);
        for format in Format::ALL {
            codec(name, &history, format, rounds);
        }
    }
}

/// A small deterministic generator.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn registers(count: usize) -> Vec<(Op, Op)> {
    let mut state = 1;
    let op = |i: usize| {
        let key = Value::Int((next(&mut state) % 50) as i64);
        let value = Value::Int(i as i64);
        let read = |value| Op::Register(RegisterOp::Read { key: key.clone(), value });
        match next(&mut state) % 10 {
            0..5 => (read(Observed::Pending), read(Observed::Present(value))),
            5..9 => {
                let write = Op::Register(RegisterOp::Write { key, value });
                (write.clone(), write)
            }
            _ => {
                let from = Value::Int(i as i64 / 2);
                let cas = Op::Register(RegisterOp::Cas { key, from, to: value });
                (cas.clone(), cas)
            }
        }
    };
    (0..count).map(op).collect()
}

fn appends(count: usize) -> Vec<(Op, Op)> {
    let mut state = 2;
    let op = |i: usize| {
        let mops = (0..1 + next(&mut state) % 4).map(|_| {
            let key = Value::Int((i / 1_000) as i64 * 10 + (next(&mut state) % 10) as i64);
            match next(&mut state) % 2 {
                0 => Mop::Append { key, element: Value::Int(i as i64) },
                _ => {
                    let length = next(&mut state) % 16;
                    let list = (0..length).map(|at| Value::Int((i as u64 + at) as i64)).collect();
                    Mop::ReadList { key, elements: Observed::Present(list) }
                }
            }
        });
        let answered = Op::Txn(TxnOp { mops: mops.collect() });
        (answered.pending(), answered)
    };
    (0..count).map(op).collect()
}

/// Calls `f` for every event of a run with `PROCESSES` clients at about 100 us per operation.
fn events(ops: &[(Op, Op)], mut f: impl FnMut(Process, bool, &Op, Nanos)) {
    let mut now = 0;
    for batch in ops.chunks(PROCESSES) {
        for completion in [false, true] {
            for (slot, (asked, answered)) in batch.iter().enumerate() {
                now += 500;
                let op = if completion { answered } else { asked };
                f(Process(slot as u32), completion, op, Nanos(now));
            }
        }
    }
}

fn history(ops: &[(Op, Op)]) -> History {
    let mut builder = Builder::by_time();
    events(ops, |process, completion, op, time| {
        let done = match completion {
            false => builder.invoke(time, process, None, Some(NodeId(1)), op),
            true => builder.complete(time, process, Outcome::Ok, Some(op), None),
        };
        done.expect("well-formed");
    });
    builder.finish()
}

/// The recorder's path: ten events per frame.
fn encode(name: &str, ops: &[(Op, Op)], rounds: usize) {
    let mut bytes = 0;
    let seconds = median(rounds, || {
        let mut encoder = FrameEncoder::new(&LogHeader::default());
        let mut count = 0_u32;
        events(ops, |process, completion, op, time| {
            let done = match completion {
                false => encoder.invoke(process, None, Some(NodeId(1)), op, time),
                true => encoder.complete(process, Outcome::Ok, Some(op), None, time, time),
            };
            done.expect("fits");
            count += 1;
            if count.is_multiple_of(10) {
                black_box(encoder.frame());
            }
        });
        bytes = encoder.bytes_written();
    });
    report(&format!("{name} recorder encode"), bytes as usize, ops.len() * 2, seconds);
}

fn codec(name: &str, history: &History, format: Format, rounds: usize) {
    let mut bytes = Vec::new();
    if write(history, format, &mut bytes).is_err() {
        return;
    }
    let count = history.event_count() as usize;
    let seconds = median(rounds, || {
        bytes.clear();
        write(black_box(history), format, &mut bytes).expect("written before");
    });
    report(&format!("{name} {} encode", format.name()), bytes.len(), count, seconds);
    let seconds = median(rounds, || {
        let read = read(black_box(&bytes), Some(format), &ReadOptions::default());
        assert_eq!(read.expect("written by us").history.event_count() as usize, count);
    });
    report(&format!("{name} {} decode", format.name()), bytes.len(), count, seconds);
}

/// Nanoseconds this thread has spent on a processor.
fn processor_time() -> Option<u64> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    line.split(' ').next()?.parse().ok()
}

/// Seconds per call of `f`. The kernel counts processor time in scheduler ticks of some
/// milliseconds, so a measured round repeats `f` until ticks no longer matter.
fn median(rounds: usize, mut f: impl FnMut()) -> f64 {
    let least = if rounds > 1 { ROUND } else { Duration::ZERO };
    let round = |_| {
        let (start, from) = (Instant::now(), processor_time());
        let mut calls = 0;
        while calls == 0 || start.elapsed() < least {
            f();
            calls += 1;
        }
        let spent = match (from, processor_time()) {
            (Some(from), Some(to)) if to > from => (to - from) as f64 / 1e9,
            _ => start.elapsed().as_secs_f64(),
        };
        spent / f64::from(calls)
    };
    let mut seconds: Vec<f64> = (0..rounds).map(round).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[rounds / 2]
}

fn report(what: &str, bytes: usize, events: usize, seconds: f64) {
    println!(
        "codec {what}: {:.1} MB/s, {:.2} M events/s, {:.1} bytes/event",
        bytes as f64 / seconds / 1e6,
        events as f64 / seconds / 1e6,
        bytes as f64 / events as f64,
    );
}
