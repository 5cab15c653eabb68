//! Processes that ask one node and then another: one session, a connection to each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tribunal_harness::client::{Client, ClientError};
use tribunal_harness::generator::roam;
use tribunal_harness::runner::{Connecting, LoadConfig, LoadOutcome, LoadParts, run_load};
use tribunal_harness::seed::Seed;
use tribunal_history::{ErrorClass, Nanos, NodeId, Op, Operation, Outcome, Process};

use crate::support::{Log, Registers, answer};

/// What the nodes saw: who asked them what, on which connection.
#[derive(Default)]
struct Seen {
    connections: AtomicU64,
    asked: Mutex<Vec<(u64, NodeId, Process, String)>>,
    closed: AtomicU64,
}

/// One connection, which loses the reply to every `lost`-th operation.
struct Line {
    seen: Arc<Seen>,
    number: u64,
    node: NodeId,
    process: Process,
    lost: u64,
    count: u64,
    hangs: bool,
}

#[async_trait]
impl Client for Line {
    async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
        let told = (self.number, self.node, self.process, op.to_string());
        self.seen.asked.lock().unwrap().push(told);
        self.count += 1;
        match self.lost > 0 && self.count.is_multiple_of(self.lost) {
            true => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
            false => Ok(answer(op)),
        }
    }

    async fn close(self: Box<Self>) {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        self.seen.closed.fetch_add(1, Ordering::Relaxed);
    }
}

type Connector = Box<dyn Fn(NodeId, Process) -> Connecting<'static> + Send + Sync>;

/// Connects, but to the `dead` node.
fn connector(seen: &Arc<Seen>, lost: u64, dead: Option<NodeId>, hangs: NodeId) -> Connector {
    let seen = Arc::clone(seen);
    Box::new(move |node, process| {
        let number = seen.connections.fetch_add(1, Ordering::Relaxed);
        let (seen, hangs) = (Arc::clone(&seen), node == hangs);
        let line = Line { seen, number, node, process, lost, count: 0, hangs };
        Box::pin(async move {
            match Some(node) == dead {
                true => Err(ClientError::definite(ErrorClass::new("refused"), "port 2379")),
                false => Ok(Box::new(line) as Box<dyn Client>),
            }
        })
    })
}

const NOBODY: NodeId = NodeId(99);

/// Runs `load` with clients that move after `stay` operations.
fn run(
    log: &Log,
    config: LoadConfig,
    stay: u64,
    load: Registers,
    connect: Connector,
) -> LoadOutcome {
    let mut generator = roam(stay, Box::new(load));
    generator.bind(&Seed(1).root());
    run_load(config, LoadParts { generator, ..log.parts(Registers::new(0), Arc::new(connect)) })
        .unwrap()
}

#[test]
fn the_record_says_who_was_asked_and_each_process_has_one_connection_to_each_node() {
    let (log, seen) = (Log::new(), Arc::new(Seen::default()));
    let connect = connector(&seen, 0, None, NOBODY);
    let outcome = run(&log, LoadConfig::new(4, 3), 2, Registers::new(4_000).spread(), connect);
    assert_eq!(outcome.ok, 4_000);
    let file = log.read();
    let mut asked: Vec<_> = file
        .history
        .operations()
        .map(|it| (it.node().unwrap(), it.process(), it.op().pending().to_string()))
        .collect();
    let lines = seen.asked.lock().unwrap().clone();
    let mut served: Vec<_> =
        lines.iter().map(|(_, node, process, op)| (*node, *process, op.clone())).collect();
    asked.sort();
    served.sort();
    assert_eq!(asked, served);
    let mut owners: BTreeMap<(Process, NodeId), BTreeSet<u64>> = BTreeMap::new();
    lines.iter().for_each(|(number, node, process, _)| {
        owners.entry((*process, *node)).or_default().insert(*number);
    });
    assert_eq!(owners.len(), 12, "four processes, each on three nodes");
    assert!(owners.values().all(|numbers| numbers.len() == 1), "{owners:?}");
    assert_eq!(seen.closed.load(Ordering::Relaxed), 12);
}

#[test]
fn a_process_that_cannot_reach_a_node_goes_on_elsewhere_as_the_same_session() {
    let (log, seen) = (Log::new(), Arc::new(Seen::default()));
    let connect = connector(&seen, 0, Some(NodeId(1)), NOBODY);
    let outcome = run(&log, LoadConfig::new(1, 3), 1, Registers::writes(15), connect);
    assert_eq!(outcome.next_process, 1, "no process was retired");
    assert_eq!((outcome.errors["no-client"].count, outcome.fail), (outcome.fail, outcome.fail));
    for operation in log.read().history.operations() {
        let failed = operation.outcome() == Outcome::Fail;
        assert_eq!(failed, operation.node() == Some(NodeId(1)), "{operation:?}");
        assert_eq!(operation.session().0, 0);
    }
    // The connections to the others outlived each of these failures.
    let lines: BTreeSet<u64> =
        seen.asked.lock().unwrap().iter().map(|(number, ..)| *number).collect();
    assert!(outcome.fail > 3 && lines.len() == 2, "{} failed, {lines:?}", outcome.fail);
}

#[test]
fn a_node_that_cannot_be_reached_holds_up_nobody_on_another() {
    let (log, seen) = (Log::new(), Arc::new(Seen::default()));
    let connect = connector(&seen, 0, Some(NodeId(1)), NOBODY);
    run(&log, LoadConfig::new(1, 3), 2, Registers::writes(20), connect);
    let file = log.read();
    let times: Vec<_> = file.history.operations().collect();
    let slow = |node: NodeId| {
        let of = times.iter().filter(|it| it.node() == Some(node));
        let span = |it: &Operation<'_>| it.completed_at().saturating_sub(it.invoked_at());
        of.filter(|it| span(it) > Nanos::from_millis(25)).count()
    };
    assert!(slow(NodeId(1)) > 2, "the dead node is not spun upon");
    assert_eq!((slow(NodeId(0)), slow(NodeId(2))), (0, 0));
}

#[test]
fn a_retired_process_leaves_no_connection_to_its_successor() {
    let (log, seen) = (Log::new(), Arc::new(Seen::default()));
    let connect = connector(&seen, 5, None, NOBODY);
    let outcome = run(&log, LoadConfig::new(2, 3), 1, Registers::writes(600), connect);
    assert!(outcome.info > 30, "{outcome:?}");
    // The clients know for whom they were made, the record who asked.
    let file = log.read();
    let asked: BTreeMap<String, Process> =
        file.history.operations().map(|it| (it.op().to_string(), it.process())).collect();
    let mut owner: BTreeMap<u64, Process> = BTreeMap::new();
    for (number, _, process, op) in seen.asked.lock().unwrap().iter() {
        assert_eq!(asked[op], *process, "connection {number}");
        owner.insert(*number, *process);
    }
    assert!(owner.len() as u64 > outcome.info, "successors connect anew");
}

#[test]
fn a_connection_that_does_not_close_costs_the_others_nothing() {
    let (log, seen) = (Log::new(), Arc::new(Seen::default()));
    let connect = connector(&seen, 0, None, NodeId(0));
    let close_timeout = Duration::from_millis(300);
    let config = LoadConfig { close_timeout, ..LoadConfig::new(2, 3) };
    let start = Instant::now();
    run(&log, config, 1, Registers::writes(200), connect);
    assert!(start.elapsed() < Duration::from_millis(1_200), "{:?}", start.elapsed());
    assert_eq!(seen.closed.load(Ordering::Relaxed), 4, "of two processes on two nodes");
}

#[test]
fn a_log_of_roaming_clients_costs_a_byte_where_one_is_away() {
    let bytes = |roams: bool| {
        let (log, seen) = (Log::new(), Arc::new(Seen::default()));
        let connect = connector(&seen, 0, None, NOBODY);
        let (config, load) = (LoadConfig::new(4, 3), Registers::new(10_000).spread());
        match roams {
            true => run(&log, config, 2, load, connect),
            false => log.run(config, load, Arc::new(connect)),
        };
        let file = log.read();
        let usual = |it: &Operation<'_>| u32::from(it.node().unwrap().0) == it.process().0 % 4 % 3;
        let away = file.history.operations().filter(|it| !usual(it)).count() as u64;
        (std::fs::metadata(log.path()).unwrap().len(), away)
    };
    let ((usual, nobody), (roaming, away)) = (bytes(false), bytes(true));
    assert!(nobody == 0 && away > 5_000, "{nobody} and {away} away");
    // How events share frames depends on the machine: a frame has a head of a few bytes.
    assert!(roaming < usual + away + usual / 5, "{roaming} bytes, {usual} without {away} away");
}
