//! Registers with distinct values: `cargo bench -p tribunal-checkers --bench zones [millions]`.
//!
//! The generator of the literature, `distinct`: each step picks one of 20 clients, which invokes,
//! takes effect or returns; half reads, half writes of fresh integers, 0.2 % of the writes crash,
//! half of these without effect. One thread, medians of five, parsing excluded.

use std::time::{Duration, Instant};

use tribunal_checkers::linearizable::zones::{Event, Stream};
use tribunal_checkers::linearizable::{Dialect, Options, Register, decide, judge};
use tribunal_checkers::{Budget, Verdict};
use tribunal_history::{
    Builder, History, Nanos, Observed, Op, Outcome, Process, RegisterOp, Value,
};

const CLIENTS: usize = 20;
const RUNS: usize = 5;

fn main() {
    let wanted = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok());
    let millions = wanted.unwrap_or(10);
    let history = distinct(millions * 1_000_000);
    measure_decision(&history);
    measure_check(&history);
    drop(history);
    measure_stream(10 * millions * 1_000_000);
}

/// Processor time of this thread, or wall time where the kernel does not say: the machine may have
/// other work.
fn processor(since: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    nanos.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn report(name: &str, operations: usize, time: Duration, bytes: u64) {
    let each = time.as_secs_f64() * 1e9 / operations as f64;
    let bytes_each = bytes as f64 / operations as f64;
    println!(
        "{name:<28} {operations:>10} ops {:>9.3} s {each:>7.1} ns/op {bytes_each:>6.1} B/op",
        time.as_secs_f64()
    );
}

/// From the history to the decision with its order: partition and zones.
fn measure_decision(history: &History) {
    let model = Register { initial: Value::Int(0) };
    let (mut bytes, start) = (0, Instant::now());
    let times = (0..RUNS).map(|_| {
        let before = processor(start);
        let options = Options::default();
        let bare = decide(&model, history, Dialect::TRIBUNAL, &Budget::unlimited(), options);
        let took = processor(start) - before;
        let bare = bare.expect("a register history");
        assert_eq!((bare.verdict, bare.engine), (Verdict::Valid, "zones"));
        // The partition is a list of operations.
        bytes = bare.peak_bytes + 4 * history.len() as u64;
        took
    });
    let times = times.collect();
    report("decision with order", history.len(), median(times), bytes);
}

/// The whole check, its order verified.
fn measure_check(history: &History) {
    let model = Register { initial: Value::Int(0) };
    let options = Options::default();
    let start = Instant::now();
    let before = processor(start);
    let checked = judge(&model, history, Dialect::TRIBUNAL, &Budget::unlimited(), options);
    let checked = checked.expect("a register history");
    println!("{} by {:?}", checked.verdict.name(), checked.cost.engines);
    report(
        "check, order verified",
        history.len(),
        processor(start) - before,
        checked.cost.peak_bytes,
    );
}

/// Events as they are made; what making them takes is measured alone and subtracted.
fn measure_stream(operations: usize) {
    let (mut sum, start) = (0_u64, Instant::now());
    let before = processor(start);
    each_event(operations, |rank, event| {
        sum += u64::from(rank);
        std::hint::black_box(event);
    });
    let generator = processor(start) - before;
    let mut stream = Stream::new(Some(0));
    let before = processor(start);
    each_event(operations, |rank, event| stream.feed(rank, event).expect("a valid history"));
    let bytes = stream.bytes();
    assert_eq!(stream.finish(), Ok(()));
    let took = processor(start) - before;
    report("stream, with the generator", operations, took, bytes);
    report("stream, without", operations, took.saturating_sub(generator), bytes);
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) * bound) >> 31
    }
}

#[derive(Clone, Copy)]
enum Stage {
    Idle,
    Sent,
    Done,
}

#[derive(Clone, Copy)]
struct Client {
    stage: Stage,
    process: u32,
    call: u32,
    /// What a write writes or a read saw.
    value: u32,
    reads: bool,
}

/// Something a client does.
enum Action {
    Invoke(Client),
    Return(Client),
    Crash(Client),
}

fn simulate(operations: usize, mut act: impl FnMut(Action)) {
    let mut random = Random(7);
    let start = |process| Client { stage: Stage::Idle, process, call: 0, value: 0, reads: true };
    let mut clients: Vec<Client> = (0..CLIENTS as u32).map(start).collect();
    let (mut register, mut fresh, mut sent, mut idle, mut time) = (0, 0, 0, CLIENTS, 0);
    while sent < operations || idle < CLIENTS {
        let client = &mut clients[random.below(CLIENTS as u64) as usize];
        match client.stage {
            Stage::Idle if sent < operations => {
                client.reads = random.below(2) == 0;
                if !client.reads {
                    fresh += 1;
                    client.value = fresh;
                }
                (client.stage, client.call) = (Stage::Sent, time);
                sent += 1;
                idle -= 1;
                time += 1;
                act(Action::Invoke(*client));
            }
            Stage::Idle => {}
            Stage::Sent => {
                let crashes = !client.reads && random.below(1_000) < 2;
                if client.reads {
                    client.value = register;
                } else if !(crashes && random.below(2) == 0) {
                    register = client.value;
                }
                client.stage = Stage::Done;
                if crashes {
                    act(Action::Crash(*client));
                    *client = start(client.process + CLIENTS as u32);
                    idle += 1;
                }
            }
            Stage::Done => {
                act(Action::Return(*client));
                client.stage = Stage::Idle;
                time += 1;
                idle += 1;
            }
        }
    }
}

fn each_event(operations: usize, mut take: impl FnMut(u32, Event)) {
    let mut rank = 0;
    simulate(operations, |action| {
        let event = match action {
            Action::Invoke(Client { reads: false, value, .. }) => Event::WriteCalled { value },
            Action::Return(Client { reads: false, value, .. }) => Event::WriteReturned { value },
            Action::Return(Client { value, call, .. }) => Event::ReadReturned { value, call },
            Action::Invoke(_) => {
                rank += 1;
                return;
            }
            Action::Crash(_) => return,
        };
        take(rank, event);
        rank += 1;
    });
}

fn distinct(operations: usize) -> History {
    let mut builder = Builder::as_given();
    let mut time = 0;
    simulate(operations, |action| {
        time += 1;
        let (now, key) = (Nanos(time), Value::Nil);
        let op = |client: Client, seen| match client.reads {
            true => Op::Register(RegisterOp::Read { key: key.clone(), value: seen }),
            false => {
                let value = Value::Int(i64::from(client.value));
                Op::Register(RegisterOp::Write { key: key.clone(), value })
            }
        };
        match action {
            Action::Invoke(client) => {
                let op = op(client, Observed::Pending);
                builder.invoke(now, Process(client.process), None, None, &op).expect("idle");
            }
            Action::Return(client) => {
                let seen = Observed::Present(Value::Int(i64::from(client.value)));
                let (process, op) = (Process(client.process), op(client, seen));
                builder.complete(now, process, Outcome::Ok, Some(&op), None).expect("open");
            }
            Action::Crash(client) => {
                let process = Process(client.process);
                builder.complete(now, process, Outcome::Info, None, None).expect("open");
            }
        }
    });
    builder.finish()
}
