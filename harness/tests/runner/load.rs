//! Whole loads against clients that behave and clients that do not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::generator::{Context, Gen, Generator, Next, Observation};
use tribunal_harness::runner::{
    Connecting, Ended, Heard, LoadConfig, LoadError, LoadParts, Progress, StopReason, run_load,
    run_load_apart, tap,
};
use tribunal_harness::seed::Stream;
use tribunal_history::codec::native::RECORD_LIMIT;
use tribunal_history::{
    ErrorClass, Kind, Nanos, NodeId, Observed, Op, Outcome, Process, RegisterOp, Value,
};

use crate::support::{Log, NoOp, Registers, always, answer, within};

#[test]
fn every_operation_is_on_file_and_well_formed() {
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(7, 3), Registers::new(10_000), always(|| NoOp).0);
    assert!(matches!(outcome.ended, Ended::Done), "{:?}", outcome.ended);
    assert_eq!((outcome.ops, outcome.ok, outcome.open), (10_000, 10_000, 0));
    log.recorder.end("done").unwrap();
    let file = log.read();
    assert_eq!((file.history.len(), file.torn, file.ended), (10_000, None, Some("done".into())));
    for operation in file.history.operations() {
        assert_eq!(operation.outcome(), Outcome::Ok);
        let slot = operation.process().0;
        assert_eq!(operation.node(), Some(NodeId((slot % 3) as u16)));
    }
    assert_eq!(outcome.noise.dispatch_to_send.count, 10_000);
    assert_eq!(outcome.noise.receive_to_record.count, 10_000);
}

#[test]
fn a_watcher_hears_every_event_of_the_record() {
    let log = Log::new();
    let (tap, watch) = tap(1 << 16);
    let parts =
        LoadParts { tap: Some(tap), ..log.parts(Registers::new(900), always(|| Lossy(0)).0) };
    run_load(LoadConfig::new(5, 2), parts).unwrap();
    let mut heard: BTreeMap<Process, Vec<(Kind, Op)>> = BTreeMap::new();
    loop {
        match watch.next(Duration::from_secs(5)) {
            Heard::Events(events) => events.into_iter().for_each(|event| {
                heard.entry(event.process).or_default().push((event.kind, event.op));
            }),
            Heard::End => break,
            other => panic!("{other:?}"),
        }
    }
    let mut recorded: BTreeMap<Process, Vec<(Kind, Op)>> = BTreeMap::new();
    for event in log.read().history.events() {
        recorded.entry(event.process).or_default().push((event.kind, event.op));
    }
    assert_eq!(recorded.values().map(Vec::len).sum::<usize>(), 1_800);
    assert_eq!(heard, recorded);
}

#[test]
fn a_second_load_goes_on_with_fresh_processes() {
    let log = Log::new();
    let first = log.run(LoadConfig::new(4, 2), Registers::new(100), always(|| NoOp).0);
    log.recorder.mark("final-reads").unwrap();
    let config = LoadConfig { first_process: first.next_process, ..LoadConfig::new(3, 3) };
    let second = log.run(config, Registers::new(100), always(|| NoOp).0);
    assert_eq!((first.next_process, second.next_process), (4, 9));
    let file = log.read();
    assert_eq!(file.history.len(), 200);
    assert_eq!(file.history.marks().len(), 1);
    for operation in file.history.operations().skip(100) {
        assert!((6..9).contains(&operation.process().0));
        assert_eq!(operation.node(), Some(NodeId((operation.process().0 % 3) as u16)));
    }
}

/// Loses the reply of every third operation.
struct Lossy(u64);

#[async_trait]
impl Client for Lossy {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        self.0 += 1;
        match self.0.is_multiple_of(3) {
            true => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
            false => Ok(answer(op)),
        }
    }
}

#[test]
fn info_retires_the_process_and_its_connection() {
    let log = Log::new();
    let (connect, connections) = always(|| Lossy(0));
    let outcome = log.run(LoadConfig::new(2, 1), Registers::writes(600), connect);
    assert_eq!((outcome.ok, outcome.fail, outcome.info), (400, 0, 200));
    // Each connection serves exactly three operations: two good ones and the one that broke it.
    assert_eq!(connections.load(Ordering::Relaxed), 200);
    assert_eq!(outcome.errors["io"].count, 200);
    let file = log.read();
    let infos = file.history.operations().filter(|op| op.outcome() == Outcome::Info).count();
    assert_eq!(infos, 200);
}

#[test]
fn a_lost_read_is_a_fail_and_the_process_goes_on() {
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(1, 1), Registers::new(300), always(|| Lossy(0)).0);
    assert_eq!(outcome.fail + outcome.info, 100);
    assert!(outcome.fail > 0 && outcome.info > 0, "{outcome:?}");
    // 1 slot: process ids count the retirements, which are the lost writes.
    assert_eq!(u64::from(outcome.next_process), outcome.info + 1);
}

struct Panics;

#[async_trait]
impl Client for Panics {
    async fn invoke(&mut self, _op: &Op) -> Result<Op, ClientError> {
        panic!("client code met a case it had not thought of")
    }
}

#[test]
fn a_panicking_client_is_info_and_counted() {
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(2, 1), Registers::new(10), always(|| Panics).0);
    assert_eq!((outcome.info, outcome.panics), (10, 10));
    assert!(outcome.client_is_broken());
    let file = log.read();
    assert_eq!(file.notes.len(), 10);
    assert!(file.notes[0].1.contains("had not thought of"), "{:?}", file.notes[0]);
    for operation in file.history.operations() {
        assert_eq!(operation.error(), Some(ErrorClass::CLIENT_PANIC));
    }
}

struct AnswersAnother;

#[async_trait]
impl Client for AnswersAnother {
    async fn invoke(&mut self, _op: &Op) -> Result<Op, ClientError> {
        Ok(Op::Register(RegisterOp::Write { key: Value::Int(77), value: Value::Int(0) }))
    }
}

#[test]
fn an_answer_to_another_question_ends_the_load() {
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(2, 1), Registers::new(10), always(|| AnswersAnother).0);
    let Ended::ClientBug(problem) = &outcome.ended else { panic!("{:?}", outcome.ended) };
    assert!(problem.contains("write 77 := 0"), "{problem}");
    assert!(outcome.ok == 0 && outcome.ops <= 4);
    assert_eq!(log.read().history.len() as u64, outcome.ops);
}

struct Garbage;

#[async_trait]
impl Client for Garbage {
    async fn invoke(&mut self, _op: &Op) -> Result<Op, ClientError> {
        Err(ClientError::Unparseable { raw: b"<html>\xff".to_vec(), detail: "not JSON".into() })
    }
}

#[test]
fn a_reply_that_makes_no_sense_is_kept() {
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(1, 1), Registers::new(4), always(|| Garbage).0);
    assert_eq!(outcome.info, 4);
    let file = log.read();
    let note = "p0 `write 0 := 0`: unparseable-reply: not JSON; the reply: <html>\\xff";
    assert_eq!(file.notes[0].1, note);
    assert_eq!(file.history.operations().next().unwrap().error(), Some(ErrorClass::UNPARSEABLE));
}

/// Answers every other read with more than a record may hold.
struct Huge(u64);

#[async_trait]
impl Client for Huge {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        self.0 += 1;
        let Op::Register(RegisterOp::Read { key, .. }) = op else { return Ok(answer(op)) };
        let length = if self.0.is_multiple_of(4) { RECORD_LIMIT + 1 } else { 10 };
        let value = Observed::Present(Value::text("x".repeat(length)));
        Ok(Op::Register(RegisterOp::Read { key: key.clone(), value }))
    }
}

#[test]
fn a_reply_larger_than_any_record_is_unknown_and_the_load_goes_on() {
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(2, 1), Registers::new(40), always(|| Huge(0)).0);
    assert!(matches!(outcome.ended, Ended::Done), "{outcome:?}");
    let file = log.read();
    let limited: Vec<_> =
        file.history.operations().filter(|op| op.outcome() == Outcome::Info).collect();
    assert!((1..20).contains(&limited.len()), "{}", limited.len());
    for operation in &limited {
        assert_eq!(operation.error(), Some(ErrorClass::new("limit")));
        assert!(!operation.op().writes());
    }
    assert_eq!(outcome.errors["limit"].count, limited.len() as u64);
    assert_eq!((file.history.len(), outcome.open, file.torn), (40, 0, None));
}

#[test]
fn a_dead_node_is_not_spun_upon() {
    let log = Log::new();
    let tries = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&tries);
    let connect = move |node: NodeId, _: Process| -> Connecting<'static> {
        let dead = node == NodeId(1);
        counted.fetch_add(u64::from(dead), Ordering::Relaxed);
        Box::pin(async move {
            match dead {
                true => Err(ClientError::definite(ErrorClass::new("refused"), "port 2379")),
                false => Ok(Box::new(NoOp) as Box<dyn Client>),
            }
        })
    };
    let limit = Duration::from_millis(1_000);
    let config = LoadConfig { time_limit: Some(limit), ..LoadConfig::new(4, 2) };
    let endless = Registers::writes(u64::MAX).every(Nanos::from_millis(1)).spread();
    let outcome = log.run(config, endless, Arc::new(connect));
    assert!(matches!(outcome.ended, Ended::TimeLimit), "{:?}", outcome.ended);
    // At 0, 50, 150, 350, 750 ms, and the operation that waits through the pause after that.
    let tries = tries.load(Ordering::Relaxed);
    assert!((6..=12).contains(&tries), "{tries} tries");
    assert_eq!((outcome.fail, outcome.errors["no-client"].count), (tries, tries));
    assert!(outcome.errors["no-client"].first.contains("n2"), "{:?}", outcome.errors);
    // The live node's slots carried the load meanwhile.
    assert!(outcome.ok > 300, "{} ok", outcome.ok);
}

#[derive(Clone)]
struct Waits(Option<Nanos>);

impl Generator for Waits {
    fn bind(&mut self, _stream: &Stream) {}
    fn next(&mut self, _cx: &Context<'_>) -> Next {
        Next::Pending { until: self.0 }
    }
    fn commit(&mut self) {}
    fn observe(&mut self, _cx: &Context<'_>, _event: &Observation<'_>) {}
    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }
}

#[test]
fn a_generator_that_waits_for_nothing_is_stuck() {
    let log = Log::new();
    let outcome = log.run(LoadConfig::new(2, 1), Waits(None), always(|| NoOp).0);
    assert!(matches!(outcome.ended, Ended::Stuck { .. }), "{:?}", outcome.ended);
}

#[test]
fn a_stop_wakes_a_sleeping_load() {
    let log = Log::new();
    let never = Nanos(u64::MAX / 2);
    let parts = log.parts(Waits(Some(never)), always(|| NoOp).0);
    let (stop, clock) = (parts.stop.clone(), log.recorder.clock());
    let load = std::thread::spawn(move || run_load(LoadConfig::new(2, 1), parts).unwrap());
    std::thread::sleep(Duration::from_millis(200));
    let asked = clock.now();
    stop.stop(StopReason::Interrupt);
    let outcome = load.join().unwrap();
    assert!(matches!(outcome.ended, Ended::Stopped(StopReason::Interrupt)), "{outcome:?}");
    let took = clock.now().saturating_sub(asked);
    assert!(took < Nanos::from_millis(1_000), "{took}");
}

#[derive(Clone)]
struct BusySlot;

impl Generator for BusySlot {
    fn bind(&mut self, _stream: &Stream) {}
    fn next(&mut self, _cx: &Context<'_>) -> Next {
        Next::Invoke { slot: 0, at: Nanos(0), node: None, op: crate::support::op(0, false) }
    }
    fn commit(&mut self) {}
    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }
}

#[test]
fn an_offer_for_a_slot_that_is_not_free_is_refused() {
    let log = Log::new();
    let parts = log.parts(BusySlot, always(|| NoOp).0);
    let refused = run_load(LoadConfig::new(2, 1), parts);
    let Err(LoadError::Panicked(problem)) = refused else { panic!("{refused:?}") };
    assert!(problem.contains("slot 0 was offered"), "{problem}");
    assert_eq!(log.read().history.len(), 0);
}

#[test]
fn a_load_without_slots_nodes_or_patience_is_refused() {
    let hasty = within(Duration::ZERO, LoadConfig::new(1, 1));
    let endless = within(Duration::MAX, LoadConfig::new(1, 1));
    for config in [LoadConfig::new(0, 1), LoadConfig::new(1, 0), hasty, endless] {
        let log = Log::new();
        let refused = run_load(config, log.parts(Registers::new(1), always(|| NoOp).0));
        assert!(matches!(refused, Err(LoadError::Config(_))), "{refused:?}");
    }
}

#[derive(Clone)]
struct Explodes;

impl Generator for Explodes {
    fn bind(&mut self, _stream: &Stream) {}
    fn next(&mut self, _cx: &Context<'_>) -> Next {
        panic!("a generator's own bug")
    }
    fn commit(&mut self) {}
    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }
}

#[tokio::test]
async fn a_panicking_generator_is_an_error_and_not_a_hang() {
    let log = Log::new();
    let parts = log.parts(Explodes, always(|| NoOp).0);
    let refused = run_load_apart(LoadConfig::new(2, 1), parts).await;
    let Err(LoadError::Panicked(problem)) = refused else { panic!("{refused:?}") };
    assert!(problem.contains("a generator's own bug"), "{problem}");
    log.recorder.end("generator panicked").unwrap();
    assert_eq!(log.read().ended.as_deref(), Some("generator panicked"));
}

#[derive(Clone)]
struct Phases(u32);

impl Generator for Phases {
    fn bind(&mut self, _stream: &Stream) {}
    fn next(&mut self, cx: &Context<'_>) -> Next {
        match self.0 {
            0 => Next::Note { at: Nanos(0), text: "hello".into() },
            1 => Next::Mark { at: cx.time, name: "main".into() },
            _ => Next::Done,
        }
    }
    fn commit(&mut self) {
        self.0 += 1;
    }
    fn fork(&self) -> Gen {
        Box::new(self.clone())
    }
}

#[test]
fn notes_and_marks_are_written_by_the_dispatcher() {
    let log = Log::new();
    log.run(LoadConfig::new(1, 1), Phases(0), always(|| NoOp).0);
    let file = log.read();
    assert_eq!(file.notes[0].1, "hello");
    assert_eq!(file.history.marks()[0].name, "main");
}

#[test]
fn progress_counts_what_is_on_file() {
    let log = Log::new();
    let parts = log.parts(Registers::new(5_000), always(|| NoOp).0);
    let progress: Arc<Progress> = Arc::clone(&parts.progress);
    run_load(within(Duration::from_secs(1), LoadConfig::new(3, 1)), parts).unwrap();
    let seen = progress.snapshot();
    assert_eq!((seen.ok, seen.fail, seen.info, seen.open), (5_000, 0, 0, 0));
}
