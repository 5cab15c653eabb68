//! What the harness adds to a real server: an echo on the loopback, at a fixed rate.
//!
//! `cargo bench -p tribunal-harness --bench echo -- [SECONDS] [RATE...]`, 10 seconds at 10 000 and
//! 50 000 operations per second unless told; 100 processes. *Concurrency* is that by the
//! dispatcher's stamps over that by the workers': 1 is perfect.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::clock::Clock;
use tribunal_harness::generator::{Context, Gen, Generator, Next};
use tribunal_harness::runner::{
    Connecting, LoadConfig, LoadOutcome, LoadParts, Progress, Recorder, StopSignal, run_load,
};
use tribunal_harness::seed::Stream;
use tribunal_history::codec::native::LogHeader;
use tribunal_history::{Nanos, NodeId, Op, Process, RegisterOp, Value};

struct Echo(TcpStream);

#[async_trait]
impl Client for Echo {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        self.0.write_all(&[7; 64]).await?;
        self.0.read_exact(&mut [0; 64]).await?;
        Ok(op.clone())
    }
}

/// One write every `gap`.
#[derive(Clone)]
struct Paced {
    gap: u64,
    count: u64,
    start: Option<Nanos>,
}

impl Generator for Paced {
    fn bind(&mut self, _stream: &Stream) {}

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let start = *self.start.get_or_insert(cx.time);
        let Some(slot) = cx.free.nth(0) else { return Next::Pending { until: None } };
        let (key, value) = (Value::Int(0), Value::Int(self.count as i64));
        let op = Op::Register(RegisterOp::Write { key, value });
        Next::Invoke { slot, at: Nanos(start.0 + self.gap * self.count), node: None, op }
    }

    fn commit(&mut self) {
        self.count += 1;
    }

    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Ok(numbers) = given.iter().map(|arg| arg.parse()).collect::<Result<Vec<u64>, _>>() else {
        eprintln!("usage: echo [SECONDS] [RATE...], not {given:?}");
        return ExitCode::from(64);
    };
    let seconds = numbers.first().copied().unwrap_or(10).max(1);
    let rates = match numbers.get(1..) {
        Some([_, ..]) => numbers[1..].to_vec(),
        Some([]) | None => vec![10_000, 50_000],
    };
    let address = serve();
    println!("   asked       ops/s  concurrency  send p50  send p99  record p99  turn p99  waited");
    for rate in rates {
        let outcome = measure(address, rate.max(1), seconds);
        let noise = &outcome.noise;
        let micros = |nanos: u64| nanos as f64 / 1e3;
        println!(
            "{rate:>8} {:>11.0} {:>12.3} {:>6.0} us {:>6.0} us {:>8.0} us {:>6.0} us {:>4} ms",
            outcome.ok as f64 / outcome.finished.saturating_sub(outcome.started).as_secs_f64(),
            noise.harness_concurrency,
            micros(noise.dispatch_to_send.p50_ns),
            micros(noise.dispatch_to_send.p99_ns),
            micros(noise.receive_to_record.p99_ns),
            micros(noise.turn.p99_ns),
            noise.run_queue_ns.unwrap_or_default() / 1_000_000,
        );
    }
    ExitCode::SUCCESS
}

fn serve() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("a listener that does not block");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 64];
                    while stream.read_exact(&mut request).await.is_ok()
                        && stream.write_all(&request).await.is_ok()
                    {}
                });
            }
        });
    });
    address
}

fn measure(address: SocketAddr, rate: u64, seconds: u64) -> LoadOutcome {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let dir = tempfile::tempdir_in(target).expect("a scratch directory in the target directory");
    let header = LogHeader { run_id: "bench".into(), ..LogHeader::default() };
    let recorder = Recorder::create(&dir.path().join("history.log"), &header, Clock::start());
    let connect = move |_: NodeId, _: Process| -> Connecting<'static> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(Echo(stream)) as Box<dyn Client>)
        })
    };
    let parts = LoadParts {
        generator: Box::new(Paced { gap: 1_000_000_000 / rate, count: 0, start: None }),
        connect: Arc::new(connect),
        recorder: recorder.expect("a new log"),
        stop: StopSignal::new(),
        progress: Arc::new(Progress::new()),
        tap: None,
    };
    let time_limit = Some(Duration::from_secs(seconds));
    run_load(LoadConfig { time_limit, ..LoadConfig::new(100, 5) }, parts).expect("a load")
}
