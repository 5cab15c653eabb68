//! What the tests of the runner share: a generator, clients, and a place for logs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::clock::Clock;
use tribunal_harness::generator::{Context, Gen, Generator, Next, Observation};
use tribunal_harness::runner::{
    Connect, LoadConfig, LoadOutcome, LoadParts, Progress, Recorder, StopSignal, run_load,
};
use tribunal_harness::seed::Stream;
use tribunal_history::codec::native::{LogFile, LogHeader, read_log};
use tribunal_history::{Nanos, Observed, Op, RegisterOp, Value};

/// Unique writes and reads of one register in turn, in the lowest free slot (or in each free one
/// in turn), `limit` of them, a fixed time apart.
#[derive(Clone)]
pub(crate) struct Registers {
    pub(crate) limit: u64,
    pub(crate) gap: Nanos,
    pub(crate) reads: bool,
    pub(crate) count: u64,
    pub(crate) start: Option<Nanos>,
    pub(crate) spread: bool,
}

impl Registers {
    pub(crate) fn new(limit: u64) -> Registers {
        Registers { limit, gap: Nanos(0), reads: true, count: 0, start: None, spread: false }
    }

    pub(crate) fn writes(limit: u64) -> Registers {
        Registers { reads: false, ..Registers::new(limit) }
    }

    pub(crate) fn spread(self) -> Registers {
        Registers { spread: true, ..self }
    }

    pub(crate) fn every(self, gap: Nanos) -> Registers {
        Registers { gap, ..self }
    }
}

impl Generator for Registers {
    fn bind(&mut self, _stream: &Stream) {}

    fn next(&mut self, cx: &Context<'_>) -> Next {
        if self.count >= self.limit {
            return Next::Done;
        }
        let start = *self.start.get_or_insert(cx.time);
        let turn = if self.spread { self.count as u32 % cx.free.len().max(1) } else { 0 };
        let Some(slot) = cx.free.nth(turn) else { return Next::Pending { until: None } };
        let at = Nanos(start.0 + self.gap.0 * self.count);
        Next::Invoke { slot, at, node: None, op: op(self.count, self.reads) }
    }

    fn commit(&mut self) {
        self.count += 1;
    }

    fn observe(&mut self, _cx: &Context<'_>, _event: &Observation<'_>) {}

    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }
}

pub(crate) fn op(n: u64, reads: bool) -> Op {
    let key = Value::Int((n % 8) as i64);
    Op::Register(match reads && n % 2 == 1 {
        true => RegisterOp::Read { key, value: Observed::Pending },
        false => RegisterOp::Write { key, value: Value::Int(n as i64) },
    })
}

/// Answers at once; reads find nothing.
pub(crate) struct NoOp;

#[async_trait]
impl Client for NoOp {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        Ok(answer(op))
    }
}

pub(crate) fn answer(op: &Op) -> Op {
    match op {
        Op::Register(RegisterOp::Read { key, .. }) => {
            Op::Register(RegisterOp::Read { key: key.clone(), value: Observed::Absent })
        }
        other => other.clone(),
    }
}

/// A connector that always succeeds with `make()`, and counts.
pub(crate) fn always<C: Client + 'static>(
    make: impl Fn() -> C + Send + Sync + 'static,
) -> (Arc<dyn Connect>, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&count);
    let connect = move |_node, _process| -> tribunal_harness::runner::Connecting<'static> {
        counted.fetch_add(1, Ordering::Relaxed);
        let client = make();
        Box::pin(async move { Ok(Box::new(client) as Box<dyn Client>) })
    };
    (Arc::new(connect), count)
}

/// A log in a directory that goes away with it.
pub(crate) struct Log {
    _dir: Option<TempDir>,
    pub(crate) recorder: Recorder,
}

impl Log {
    pub(crate) fn new() -> Log {
        let dir = tempfile::tempdir().unwrap();
        let recorder =
            Recorder::create(&dir.path().join("history.log"), &header(), Clock::start()).unwrap();
        Log { _dir: Some(dir), recorder }
    }

    pub(crate) fn over(recorder: Recorder) -> Log {
        Log { _dir: None, recorder }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.recorder.path().to_owned()
    }

    pub(crate) fn run(
        &self,
        config: LoadConfig,
        generator: impl Generator + 'static,
        connect: Arc<dyn Connect>,
    ) -> LoadOutcome {
        run_load(config, self.parts(generator, connect)).unwrap()
    }

    pub(crate) fn parts(
        &self,
        generator: impl Generator + 'static,
        connect: Arc<dyn Connect>,
    ) -> LoadParts {
        LoadParts {
            generator: Box::new(generator),
            connect,
            recorder: self.recorder.clone(),
            stop: StopSignal::new(),
            progress: Arc::new(Progress::new()),
            tap: None,
        }
    }

    pub(crate) fn read(&self) -> LogFile {
        read_log(&std::fs::read(self.path()).unwrap()).unwrap()
    }
}

pub(crate) fn header() -> LogHeader {
    LogHeader { run_id: "test".into(), wall_start_ns: 0, boot_id: String::new() }
}

pub(crate) fn within(limit: Duration, config: LoadConfig) -> LoadConfig {
    LoadConfig { op_timeout: limit, ..config }
}
