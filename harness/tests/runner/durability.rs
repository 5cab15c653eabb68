//! `kill -9` of the controller under load: what a server saw is on file.
//!
//! The server is this process and keeps its own journal; the controller is a child, killed at a
//! random moment. `TRIBUNAL_KILLS` sets how often (default 20).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::clock::Clock;
use tribunal_harness::runner::{Connecting, LoadConfig, Recorder};
use tribunal_harness::seed::Seed;
use tribunal_history::codec::native::read_log;
use tribunal_history::{Nanos, NodeId, Op, Outcome, Process, RegisterOp, Value};

use crate::support::{Log, Registers, header};

/// `ADDRESS LOG` for the child.
const CONTROLLER: &str = "TRIBUNAL_TEST_CONTROLLER";
const SLOTS: u32 = 32;
/// 30 000 operations per second are offered, so that a busy machine still takes 20 000.
const GAP: Nanos = Nanos(33_333);

/// Every request that arrived: process and value, in order of arrival per process.
type Journal = Arc<Mutex<Vec<(u32, i64)>>>;

struct Unique {
    process: Process,
    stream: TcpStream,
}

#[async_trait]
impl Client for Unique {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        let Op::Register(RegisterOp::Write { value: Value::Int(value), .. }) = op else {
            panic!("only writes of integers are offered here, not {op}");
        };
        let mut request = [0; 12];
        request[..4].copy_from_slice(&self.process.0.to_le_bytes());
        request[4..].copy_from_slice(&value.to_le_bytes());
        self.stream.write_all(&request).await?;
        self.stream.read_exact(&mut [0; 1]).await?;
        Ok(op.clone())
    }
}

/// The child: nothing but a load, until it is killed.
#[test]
fn controller() {
    let Ok(told) = std::env::var(CONTROLLER) else {
        // Only the test below gives it an address.
        return;
    };
    let (address, path) = told.split_once(' ').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let recorder = Recorder::create(Path::new(path), &header(), Clock::start()).unwrap();
    let connect = move |_: NodeId, process: Process| -> Connecting<'static> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(Unique { process, stream }) as Box<dyn Client>)
        })
    };
    // Dies with its parent at the latest here.
    let time_limit = Some(Duration::from_secs(20));
    let config = LoadConfig { time_limit, ..LoadConfig::new(SLOTS, 1) };
    let endless = Registers::writes(u64::MAX).every(GAP);
    Log::over(recorder).run(config, endless, Arc::new(connect));
}

fn serve(journal: Journal) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(keep(stream, Arc::clone(&journal)));
            }
        });
    });
    address
}

async fn keep(mut stream: TcpStream, journal: Journal) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let process = u32::from_le_bytes(request[..4].try_into().unwrap());
        let value = i64::from_le_bytes(request[4..].try_into().unwrap());
        journal.lock().unwrap().push((process, value));
        if stream.write_all(&[1]).await.is_err() {
            return;
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().expect("a child of ours can be killed");
        self.0.wait().expect("and waited for");
    }
}

fn start(address: SocketAddr, log: &Path) -> Killed {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "durability::controller"])
        .env(CONTROLLER, format!("{address} {}", log.display()))
        .stdout(Stdio::null())
        .spawn();
    Killed(child.unwrap())
}

/// Requests of which the log knows nothing, and completions missing although their process went
/// on.
fn missing(journal: &[(u32, i64)], log: &Path) -> (Vec<String>, usize) {
    let file = read_log(&std::fs::read(log).unwrap()).unwrap();
    let mut known: BTreeMap<u32, BTreeMap<i64, Outcome>> = BTreeMap::new();
    for operation in file.history.operations() {
        let Op::Register(RegisterOp::Write { value: Value::Int(value), .. }) = operation.op()
        else {
            panic!("only writes were offered");
        };
        known.entry(operation.process().0).or_default().insert(value, operation.outcome());
    }
    let mut seen: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for (process, value) in journal {
        seen.entry(*process).or_default().push(*value);
    }
    let mut missing = Vec::new();
    for (process, values) in &seen {
        for (at, value) in values.iter().enumerate() {
            let outcome = known.get(process).and_then(|known| known.get(value));
            match outcome {
                None => missing.push(format!("p{process} wrote {value}: no invocation")),
                Some(Outcome::Ok) => {}
                Some(outcome) if at + 1 < values.len() => {
                    missing.push(format!("p{process} wrote {value} and went on: {outcome:?}"));
                }
                Some(_) => {}
            }
        }
    }
    (missing, file.history.len())
}

#[test]
fn a_killed_controller_has_everything_the_server_saw_on_file() {
    let kills: u64 = std::env::var("TRIBUNAL_KILLS").map_or(20, |n| n.parse().unwrap());
    let journal = Journal::default();
    let address = serve(Arc::clone(&journal));
    let stream = Seed(20).root().child("kills");
    let (mut requests, mut operations) = (0, 0);
    let mut under_load = Duration::ZERO;
    for kill in 0..kills {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("history.log");
        let child = start(address, &log);
        let patience = Instant::now() + Duration::from_secs(30);
        while journal.lock().unwrap().is_empty() {
            assert!(Instant::now() < patience, "the controller never sent anything");
            std::thread::sleep(Duration::from_millis(1));
        }
        let began = Instant::now();
        std::thread::sleep(Duration::from_micros(stream.draw(0, kill).below(300_000)));
        drop(child);
        under_load += began.elapsed();
        // What the dead controller had sent may still be on its way.
        std::thread::sleep(Duration::from_millis(50));
        let journal = std::mem::take(&mut *journal.lock().unwrap());
        let (missing, known) = missing(&journal, &log);
        assert!(missing.is_empty(), "kill {kill}: {missing:#?}");
        requests += journal.len();
        operations += known;
    }
    let rate = requests as f64 / under_load.as_secs_f64();
    println!(
        "{kills} kills: {requests} requests at {rate:.0}/s, {operations} invocations on file, \
         none missing"
    );
    assert!(requests > 0);
}
