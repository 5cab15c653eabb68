//! How much the runner itself can carry: a client that answers at once, history on disk.
//!
//! `cargo bench -p tribunal-harness --bench dispatcher -- [SECONDS] [RUNS] [PROCESSES...]`,
//! 10 seconds, 5 runs and 100 and 1024 processes unless told. Prints the run of median rate.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::clock::Clock;
use tribunal_harness::generator::{Context, Gen, Generator, Next};
use tribunal_harness::runner::{
    Connecting, LoadConfig, LoadOutcome, LoadParts, Progress, Recorder, StopSignal, run_load,
};
use tribunal_harness::seed::Stream;
use tribunal_history::codec::native::LogHeader;
use tribunal_history::{Nanos, NodeId, Observed, Op, Process, RegisterOp, Value};

struct NoOp;

#[async_trait]
impl Client for NoOp {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        Ok(match op {
            Op::Register(RegisterOp::Read { key, .. }) => {
                let value = Observed::Present(Value::Int(1));
                Op::Register(RegisterOp::Read { key: key.clone(), value })
            }
            Op::Register(_)
            | Op::Txn(_)
            | Op::Set(_)
            | Op::Counter(_)
            | Op::Queue(_)
            | Op::Lock(_)
            | Op::Id(_) => op.clone(),
        })
    }
}

/// Reads and writes of 32 keys in turn, for ever.
#[derive(Clone)]
struct Mixed(u64);

impl Generator for Mixed {
    fn bind(&mut self, _stream: &Stream) {}

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let Some(slot) = cx.free.nth(0) else { return Next::Pending { until: None } };
        let key = Value::Int((self.0 % 32) as i64);
        let op = Op::Register(match self.0.is_multiple_of(2) {
            true => RegisterOp::Read { key, value: Observed::Pending },
            false => RegisterOp::Write { key, value: Value::Int(self.0 as i64) },
        });
        Next::Invoke { slot, at: cx.time, node: None, op }
    }

    fn commit(&mut self) {
        self.0 += 1;
    }

    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }
}

struct Row {
    rate: f64,
    bytes_per_event: f64,
    outcome: LoadOutcome,
}

fn main() -> ExitCode {
    // Cargo adds `--bench`; everything else must be a number.
    let given: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Ok(numbers) = given.iter().map(|arg| arg.parse()).collect::<Result<Vec<u64>, _>>() else {
        eprintln!("usage: dispatcher [SECONDS] [RUNS] [PROCESSES...], not {given:?}");
        return ExitCode::from(64);
    };
    let seconds = numbers.first().copied().unwrap_or(10).max(1);
    let runs = numbers.get(1).copied().unwrap_or(5).max(1);
    let processes = match numbers.get(2..) {
        Some([_, ..]) => numbers[2..].to_vec(),
        Some([]) | None => vec![100, 1_024],
    };
    println!("processes      ops/s  B/event  send p99  record p99  turn p50  turn p99");
    for processes in processes {
        let mut rows: Vec<Row> = (0..runs).map(|_| measure(processes as u32, seconds)).collect();
        rows.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let Row { rate, bytes_per_event, outcome } = &rows[rows.len() / 2];
        let micros = |nanos: u64| nanos as f64 / 1e3;
        println!(
            "{processes:>9} {rate:>10.0} {bytes_per_event:>8.1} {:>6.0} us {:>8.0} us {:>6.0} us \
             {:>6.0} us",
            micros(outcome.noise.dispatch_to_send.p99_ns),
            micros(outcome.noise.receive_to_record.p99_ns),
            micros(outcome.noise.turn.p50_ns),
            micros(outcome.noise.turn.p99_ns),
        );
    }
    ExitCode::SUCCESS
}

fn measure(processes: u32, seconds: u64) -> Row {
    // Beside the build, not in /tmp: that may be memory, and the figure is about a disk.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let dir = tempfile::tempdir_in(target).expect("a scratch directory in the target directory");
    let header = LogHeader { run_id: "bench".into(), ..LogHeader::default() };
    let recorder = Recorder::create(&dir.path().join("history.log"), &header, Clock::start());
    let recorder = recorder.expect("a new log");
    let connect = |_: NodeId, _: Process| -> Connecting<'static> {
        Box::pin(async { Ok(Box::new(NoOp) as Box<dyn Client>) })
    };
    let parts = LoadParts {
        generator: Box::new(Mixed(0)),
        connect: Arc::new(connect),
        recorder: recorder.clone(),
        stop: StopSignal::new(),
        progress: Arc::new(Progress::new()),
        tap: None,
    };
    let time_limit = Some(Duration::from_secs(seconds));
    let config = LoadConfig { time_limit, ..LoadConfig::new(processes, 5) };
    let outcome = run_load(config, parts).expect("a load");
    recorder.end("bench").expect("room for the end");
    let elapsed: Nanos = outcome.finished.saturating_sub(outcome.started);
    Row {
        rate: outcome.ok as f64 / elapsed.as_secs_f64(),
        bytes_per_event: recorder.written() as f64 / (2 * outcome.ok) as f64,
        outcome,
    }
}
