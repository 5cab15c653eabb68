//! Deadlines and resets on real sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::runner::{Connect, Connecting, Ended, LoadConfig};
use tribunal_history::{ErrorClass, Nanos, NodeId, Op, Outcome, Process};

use crate::support::{Log, Registers, answer, within};

/// Sends 16 bytes, waits for 8.
struct Wire(tokio::net::TcpStream);

#[async_trait]
impl Client for Wire {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        self.0.write_all(&[7; 16]).await?;
        self.0.read_exact(&mut [0; 8]).await?;
        Ok(answer(op))
    }
}

pub(crate) fn wire(to: SocketAddr) -> Arc<dyn Connect> {
    Arc::new(move |_: NodeId, _: Process| -> Connecting<'static> {
        Box::pin(async move {
            Ok(Box::new(Wire(tokio::net::TcpStream::connect(to).await?)) as Box<dyn Client>)
        })
    })
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) accepted: Arc<AtomicU64>,
    pub(crate) open: Arc<AtomicI64>,
}

/// Serves each connection on a thread of its own until the peer leaves.
pub(crate) fn serve(answer: impl Fn(&mut TcpStream) + Clone + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (accepted, open) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(0)));
    let server = Server {
        address: listener.local_addr().unwrap(),
        accepted: Arc::clone(&accepted),
        open: Arc::clone(&open),
    };
    // Ends with the test process: nobody waits for it.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, open) = (answer.clone(), Arc::clone(&open));
            accepted.fetch_add(1, Ordering::Relaxed);
            open.fetch_add(1, Ordering::Relaxed);
            std::thread::spawn(move || {
                if let Ok(mut stream) = stream {
                    answer(&mut stream);
                }
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    server
}

/// Reads and never answers, on one thread.
pub(crate) fn black_hole() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (accepted, open) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(0)));
    let server = Server {
        address: listener.local_addr().unwrap(),
        accepted: Arc::clone(&accepted),
        open: Arc::clone(&open),
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((mut stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::Relaxed);
                open.fetch_add(1, Ordering::Relaxed);
                let open = Arc::clone(&open);
                tokio::spawn(async move {
                    while stream.read(&mut [0; 64]).await.is_ok_and(|bytes| bytes > 0) {}
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
    });
    server
}

#[test]
fn a_black_hole_costs_each_operation_its_deadline_and_no_more() {
    let (ops, patience) = (4_000, Duration::from_millis(100));
    let hole = black_hole();
    let log = Log::new();
    let config = within(patience, LoadConfig::new(100, 1));
    let outcome = log.run(config, Registers::new(ops), wire(hole.address));
    assert!(matches!(outcome.ended, Ended::Done), "{outcome:?}");
    assert_eq!((outcome.ok, outcome.open), (0, 0), "{outcome:?}");
    assert_eq!((outcome.fail, outcome.info), (ops / 2, ops / 2));
    assert_eq!(outcome.errors["timeout"].count, ops);

    let file = log.read();
    let mut late = 0;
    let mut longest = Nanos(0);
    for operation in file.history.operations() {
        assert_eq!(operation.error(), Some(ErrorClass::TIMEOUT));
        let expected = if operation.op().writes() { Outcome::Info } else { Outcome::Fail };
        assert_eq!(operation.outcome(), expected);
        let took = operation.completed_at().saturating_sub(operation.invoked_at());
        // The deadline counts from before connecting, the stamp of the request from after it.
        assert!(took >= Nanos::from_millis(20), "gave up after {took}");
        late += u32::from(took > Nanos::from_millis(150));
        longest = longest.max(took);
    }
    // The figure is none. While the load's thread stands ready without a processor nothing of it
    // can be in time, so that share of the run is forgiven.
    let elapsed = outcome.finished.saturating_sub(outcome.started);
    let starved = outcome.noise.run_queue_ns.unwrap_or(0) as f64 / elapsed.0 as f64;
    println!(
        "of {ops} operations with a deadline of 100 ms {late} took more than 150 ms, the longest \
         {longest}; starved {:.1} % of the time",
        100.0 * starved
    );
    assert!(f64::from(late) / ops as f64 <= 0.001 + starved, "{late} late, starved {starved:.3}");
    assert!(longest < Nanos::from_millis(2_000), "{longest}");

    // Every connection was used once and is gone: nothing leaks.
    assert_eq!(hole.accepted.load(Ordering::Relaxed), ops);
    let patience = std::time::Instant::now() + Duration::from_secs(5);
    while hole.open.load(Ordering::Relaxed) > 0 && std::time::Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(hole.open.load(Ordering::Relaxed), 0);
}

#[test]
fn each_operation_name_has_its_own_deadline() {
    let hole = black_hole();
    let log = Log::new();
    let mut config = within(Duration::from_millis(300), LoadConfig::new(2, 1));
    config.op_timeouts.insert("read".into(), Duration::from_millis(50));
    log.run(config, Registers::new(8), wire(hole.address));
    for operation in log.read().history.operations() {
        let took = operation.completed_at().saturating_sub(operation.invoked_at());
        let range = if operation.op().writes() { 200..2_000 } else { 10..280 };
        assert!(range.contains(&(took.0 / 1_000_000)), "{} took {took}", operation.op());
    }
}

#[test]
fn a_reset_in_the_middle_of_a_reply_leaves_writes_unknown_and_reads_failed() {
    let server = serve(|stream| {
        // Half the request stays unread, so closing sends a reset and not an end.
        drop(stream.read_exact(&mut [0; 8]));
        drop(stream.write_all(&[1, 2, 3]));
    });
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(4, 1), Registers::new(200), wire(server.address));
    assert_eq!((outcome.ok, outcome.fail, outcome.info), (0, 100, 100), "{outcome:?}");
    assert_eq!(outcome.errors["io"].count, 200);
    assert_eq!(server.accepted.load(Ordering::Relaxed), 200);
}

#[test]
fn a_refused_connection_is_a_fail_of_reads_and_writes() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(2, 1), Registers::new(6), wire(free));
    assert_eq!((outcome.fail, outcome.info), (6, 0), "{outcome:?}");
    assert_eq!(outcome.errors["no-client"].count, 6);
    assert_eq!(outcome.next_process, 2);
}

#[test]
fn a_connect_that_hangs_is_a_fail_by_the_deadline() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap()
    });
    let address = listener.local_addr().unwrap();
    // A full backlog: the kernel drops further requests to connect.
    let patience = Duration::from_millis(100);
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, patience) {
        waiting.push(stream);
        assert!(waiting.len() < 64, "the backlog never fills");
    }
    let log = Log::new();
    let config = within(Duration::from_millis(100), LoadConfig::new(2, 1));
    let outcome = log.run(config, Registers::writes(4), wire(address));
    assert_eq!((outcome.fail, outcome.info), (4, 0), "{outcome:?}");
    assert_eq!(outcome.errors["no-client"].count, 4);
    assert!(outcome.errors["no-client"].first.contains("no answer in time"), "{outcome:?}");
}

#[test]
fn the_time_limit_leaves_operations_under_way_their_deadline() {
    let hole = black_hole();
    let log = Log::new();
    let config = within(Duration::from_millis(400), LoadConfig::new(2, 1));
    let config = LoadConfig { time_limit: Some(Duration::from_millis(100)), ..config };
    let outcome = log.run(config, Registers::writes(100), wire(hole.address));
    assert!(matches!(outcome.ended, Ended::TimeLimit), "{outcome:?}");
    assert_eq!((outcome.ops, outcome.info, outcome.open), (2, 2, 0));
    let took = outcome.finished.saturating_sub(outcome.started);
    assert!((Nanos::from_millis(399)..Nanos::from_millis(2_000)).contains(&took), "{took}");
}
