//! Replies that come after the deadline: on record, and nothing else changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::runner::{Ended, LateReplies, LoadConfig, StopReason, run_load};
use tribunal_history::codec::native::{HEADER_LEN, Late, RECORD_LIMIT, read_log};
use tribunal_history::{ErrorClass, Op, Outcome, Process, RegisterOp, Value};

use crate::sockets::{black_hole, serve, wire};
use crate::support::{Log, Registers, always, answer, op, within};

const DEADLINE: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

fn graced(grace: Duration, slots: u32) -> LoadConfig {
    LoadConfig { late_grace: Some(grace), ..within(DEADLINE, LoadConfig::new(slots, 1)) }
}

fn replies(ok: u64, failed: u64, turned_away: u64) -> LateReplies {
    LateReplies { ok, failed, turned_away }
}

#[test]
fn a_late_reply_is_on_record_and_its_operation_stays_info() {
    let server = serve(|stream| {
        if std::io::Read::read_exact(stream, &mut [0; 16]).is_ok() {
            std::thread::sleep(DEADLINE + DEADLINE / 2);
            // The client may have left.
            drop(std::io::Write::write_all(stream, &[0; 8]));
        }
    });
    let log = Log::new();
    let config = within(DEADLINE, LoadConfig::new(1, 1));
    let outcome = log.run(config, Registers::writes(3), wire(server.address));
    assert!(matches!(outcome.ended, Ended::Done), "{outcome:?}");
    assert_eq!((outcome.ok, outcome.info, outcome.open), (0, 3, 0), "{outcome:?}");
    assert_eq!((outcome.late, outcome.errors["timeout"].count), (replies(3, 0, 0), 3));
    assert_eq!(server.accepted.load(Ordering::Relaxed), 3);
    log.recorder.end("done").unwrap();

    let file = log.read();
    let operations: Vec<_> = file.history.operations().collect();
    for (at, (operation, late)) in operations.iter().zip(&file.late).enumerate() {
        let who = (operation.process(), operation.outcome(), operation.error());
        assert_eq!(who, (Process(at as u32), Outcome::Info, Some(ErrorClass::TIMEOUT)));
        assert_eq!((late.process, late.outcome, &late.error), (who.0, Outcome::Ok, &None));
        assert_eq!(late.op, Some(operation.op()));
        assert!(late.time > operation.completed_at());
        // The slot did not wait for it.
        assert!(operations.get(at + 1).is_none_or(|next| next.invoked_at() < late.time));
    }
    assert_eq!((operations.len(), file.late.len()), (3, 3));
    comes_after_its_completion(&std::fs::read(log.path()).unwrap());
}

/// However much of a log there is, what a late reply answers is completed in it.
fn comes_after_its_completion(bytes: &[u8]) {
    let mut seen = 0;
    for cut in HEADER_LEN..=bytes.len() {
        let file = read_log(&bytes[..cut]).unwrap();
        for late in &file.late {
            let mut own = file.history.operations().filter(|it| it.process() == late.process);
            assert_eq!(own.next().map(|it| it.outcome()), Some(Outcome::Info), "cut at {cut}");
        }
        seen += file.late.len();
    }
    assert!(seen > 0);
}

/// Answers late, as told.
struct Slow<F>(F);

#[async_trait]
impl<F: Fn(&Op) -> Result<Op, ClientError> + Send + Sync> Client for Slow<F> {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        tokio::time::sleep(DEADLINE + DEADLINE / 4).await;
        (self.0)(op)
    }
}

#[test]
fn a_late_error_that_is_definite_is_on_record() {
    let log = Log::new();
    let class = |op: &Op| {
        let Op::Register(RegisterOp::Write { value, .. }) = op else { panic!("only writes") };
        match value {
            Value::Int(0) => ErrorClass::MISMATCH,
            _ => ErrorClass::new("x".repeat(RECORD_LIMIT)),
        }
    };
    let refuses = move |op: &Op| Err(ClientError::definite(class(op), "no"));
    let outcome = log.run(graced(LONG, 2), Registers::writes(2), always(move || Slow(refuses)).0);
    assert_eq!((outcome.fail, outcome.info, outcome.late), (0, 2, replies(0, 2, 0)));
    let mut late = log.read().late;
    late.sort_by_key(|late| late.process);
    let fail = |at: usize, error| {
        let (process, time) = (Process(at as u32), late[at].time);
        Late { time, process, outcome: Outcome::Fail, op: None, error }
    };
    // Words that no record can hold are left out, the reply is not.
    assert_eq!(late, [fail(0, Some(ErrorClass::MISMATCH)), fail(1, None)]);
}

#[test]
fn an_error_that_says_nothing_is_no_late_reply() {
    let log = Log::new();
    let resets = |_: &Op| Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into());
    let outcome = log.run(graced(LONG, 2), Registers::writes(4), always(move || Slow(resets)).0);
    assert_eq!((outcome.info, outcome.late), (4, replies(0, 0, 0)));
    assert_eq!(outcome.errors.keys().collect::<Vec<_>>(), ["timeout"]);
    assert_eq!(log.read().late, []);
}

#[test]
fn reads_are_not_waited_for() {
    let log = Log::new();
    let reads = Registers { count: 1, ..Registers::new(2) };
    let slow = always(|| Slow(|op: &Op| Ok(answer(op)))).0;
    let start = Instant::now();
    let outcome = log.run(graced(LONG, 1), reads, slow);
    assert_eq!((outcome.fail, outcome.next_process), (1, 1));
    assert_eq!((outcome.late, log.read().late), (replies(0, 0, 0), vec![]));
    assert!(start.elapsed() < DEADLINE * 2, "{:?}", start.elapsed());
}

#[test]
fn without_a_grace_the_connection_goes_at_the_deadline() {
    let log = Log::new();
    let slow = always(|| Slow(|op: &Op| Ok(answer(op)))).0;
    let outcome = log.run(graced(Duration::ZERO, 2), Registers::writes(6), slow);
    assert_eq!((outcome.info, outcome.late), (6, replies(0, 0, 0)));
    assert_eq!(log.read().late, []);
}

#[test]
fn a_panic_after_the_deadline_is_counted_and_kept() {
    let log = Log::new();
    let panics = |_: &Op| panic!("the client lost its way");
    let outcome = log.run(graced(LONG, 2), Registers::writes(2), always(move || Slow(panics)).0);
    assert!(matches!(outcome.ended, Ended::Done), "{outcome:?}");
    assert_eq!((outcome.info, outcome.panics, outcome.late), (2, 2, replies(0, 0, 0)));
    assert!(outcome.client_is_broken());
    let file = log.read();
    assert!(file.notes[0].1.ends_with("client-panic: the client lost its way"), "{:?}", file.notes);
    assert_eq!(file.history.operations().next().unwrap().error(), Some(ErrorClass::TIMEOUT));
}

#[test]
fn a_late_answer_to_another_question_ends_the_load() {
    let log = Log::new();
    let another = |_: &Op| Ok(op(77, false));
    let endless = Registers::writes(u64::MAX);
    let outcome = log.run(graced(LONG, 1), endless, always(move || Slow(another)).0);
    assert!(matches!(outcome.ended, Ended::ClientBug(_)), "{outcome:?}");
    assert_eq!((outcome.late, log.read().late), (replies(0, 0, 0), vec![]));
}

/// Never answers, and panics when its call is given up.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        panic!("not expecting to be dropped");
    }
}

#[async_trait]
impl Client for Brittle {
    async fn invoke(&mut self, _op: &Op) -> Result<Op, ClientError> {
        let _kept = Brittle;
        std::future::pending().await
    }
}

#[test]
fn a_call_that_panics_when_it_is_given_up_stops_nothing() {
    for grace in [Duration::ZERO, DEADLINE / 4] {
        let log = Log::new();
        let outcome = log.run(graced(grace, 1), Registers::writes(3), always(|| Brittle).0);
        assert!(matches!(outcome.ended, Ended::Done), "{outcome:?}");
        assert_eq!((outcome.info, outcome.open, outcome.late), (3, 0, replies(0, 0, 0)));
    }
}

/// Never answers; counts its kind.
struct Hangs(Arc<Alive>);

#[derive(Default)]
struct Alive {
    now: AtomicI64,
    peak: AtomicI64,
}

impl Hangs {
    fn new(alive: &Arc<Alive>) -> Hangs {
        let now = alive.now.fetch_add(1, Ordering::Relaxed) + 1;
        alive.peak.fetch_max(now, Ordering::Relaxed);
        Hangs(Arc::clone(alive))
    }
}

impl Drop for Hangs {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Client for Hangs {
    async fn invoke(&mut self, _op: &Op) -> Result<Op, ClientError> {
        std::future::pending().await
    }
}

#[test]
fn as_many_replies_as_two_per_slot_are_waited_for() {
    let (log, alive) = (Log::new(), Arc::new(Alive::default()));
    let counted = Arc::clone(&alive);
    let connect = always(move || Hangs::new(&counted)).0;
    let config = LoadConfig { op_timeout: DEADLINE / 4, ..graced(LONG, 3) };
    let outcome = log.run(config, Registers::writes(30), connect);
    assert_eq!((outcome.info, outcome.open, outcome.late), (30, 0, replies(0, 0, 24)));
    assert_eq!(alive.peak.load(Ordering::Relaxed), 9);
    assert_eq!(alive.now.load(Ordering::Relaxed), 0);
}

#[test]
fn none_is_turned_away_under_the_default_grace() {
    let (log, alive) = (Log::new(), Arc::new(Alive::default()));
    let counted = Arc::clone(&alive);
    let connect = always(move || Hangs::new(&counted)).0;
    let config = within(DEADLINE / 4, LoadConfig::new(3, 1));
    let outcome = log.run(config, Registers::writes(30), connect);
    assert_eq!((outcome.info, outcome.late), (30, replies(0, 0, 0)));
    assert_eq!(alive.now.load(Ordering::Relaxed), 0);
}

#[test]
fn the_end_of_a_load_waits_one_deadline_for_late_replies() {
    let (hole, log) = (black_hole(), Log::new());
    let start = Instant::now();
    let outcome = log.run(graced(LONG, 2), Registers::writes(2), wire(hole.address));
    let took = start.elapsed();
    assert_eq!((outcome.info, outcome.late), (2, replies(0, 0, 0)));
    assert!((DEADLINE * 2..DEADLINE * 10).contains(&took), "{took:?}");
    // The operations were over before.
    let awaited = outcome.finished.saturating_sub(outcome.started);
    assert!(u128::from(awaited.0) < took.as_nanos() - DEADLINE.as_nanos() / 2, "{awaited}");
    let patience = Instant::now() + Duration::from_secs(5);
    while hole.open.load(Ordering::Relaxed) > 0 && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(hole.open.load(Ordering::Relaxed), 0);
}

#[test]
fn who_ends_a_load_does_not_wait_for_late_replies() {
    let hole = black_hole();
    let deadline = Duration::from_secs(1);
    // Asked while the operation is under way, and while its late reply is.
    for after in [deadline / 10, deadline + deadline / 10] {
        let log = Log::new();
        let parts = log.parts(Registers::writes(1), wire(hole.address));
        let stop = parts.stop.clone();
        let config = LoadConfig { op_timeout: deadline, ..graced(LONG, 1) };
        let start = Instant::now();
        let load = std::thread::spawn(move || run_load(config, parts).unwrap());
        std::thread::sleep(after);
        stop.stop(StopReason::Interrupt);
        load.join().unwrap();
        let took = start.elapsed();
        assert!((deadline..deadline * 9 / 5).contains(&took), "{took:?}");
    }
}
