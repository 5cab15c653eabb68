//! What a run takes for granted, shown before the load begins: the database is empty, every kind
//! of operation succeeds, and without faults it is not slow.
//!
//! A database that holds something already is another one than the history will tell of, and its
//! values would be judged as if out of nowhere. What is asked here is not in the history: reads of
//! the load's keys change nothing, and the operations that write have a key of their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tribunal_harness::generator::{Fake, Gen, Simulation};
use tribunal_harness::node::NodeInfo;
use tribunal_harness::seed::Seed;
use tribunal_harness::target::Target;
use tribunal_history::{Mop, Nanos, Observed, Op, RegisterOp, TxnOp, Value};

/// Keys of the operations that show that each kind succeeds, one for each node, begin with this;
/// no workload uses one.
const KEY: &str = "tribunal-assumption";

/// Keys of the load that are read on every node: the first it will use. In a database that is not
/// empty for having been used by another run they are the first that run used as well.
const KEYS: usize = 64;

/// Operations of the load that are looked at for keys and kinds.
const OPERATIONS: u64 = 50_000;

/// What an operation of a plan takes.
const NOMINAL: Nanos = Nanos::from_millis(1);

/// Longest an operation may take in the best of the attempts: slower than this, a load of some
/// seconds shows nothing.
const SLOWEST: Duration = Duration::from_secs(1);

/// Pause between two attempts at what has not succeeded yet.
const PAUSE: Duration = Duration::from_millis(100);

/// What the load will ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// Reads of its first keys, in the order of their first use, as the load would read them.
    reads: Vec<Op>,
    /// Names of its operations, and of the steps of its transactions.
    kinds: BTreeSet<&'static str>,
}

impl Expected {
    /// Of a load that is not changed by being asked.
    pub(super) fn of(
        load: &Gen,
        seed: u64,
        concurrency: usize,
        nodes: usize,
        time: Duration,
    ) -> Expected {
        let simulation = Simulation {
            concurrency: concurrency as u32,
            nodes: nodes as u16,
            seed: Seed(seed),
            time_limit: Some(Nanos(time.as_nanos() as u64)),
            steps_max: OPERATIONS,
            client: Fake::Perfect(NOMINAL),
        };
        let mut expected = Expected::default();
        let mut seen = BTreeSet::new();
        simulation.run_with(load.fork(), |planned| {
            for (kind, read) in parts(&planned.op) {
                expected.kinds.insert(kind);
                if let Some((key, read)) = read
                    && seen.len() < KEYS
                    && seen.insert(key)
                {
                    expected.reads.push(read);
                }
            }
        });
        expected
    }

    /// Asks every node directly, all at once.
    ///
    /// # Errors
    /// `assumption not met: ...` with the node and what was found there.
    pub(super) async fn hold(
        &self,
        target: &Arc<dyn Target>,
        nodes: &[NodeInfo],
        patience: Duration,
    ) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        // Nothing is written before every node has been found empty.
        for part in [Part::Empty, Part::Works] {
            let mut asked = JoinSet::new();
            for node in nodes.iter().cloned() {
                let (target, expected) = (Arc::clone(target), self.clone());
                let asker = Asker { target, node, deadline };
                asked.spawn(async move { asker.ask(part, &expected).await });
            }
            // What is still asked ends with the first problem.
            while let Some(done) = asked.join_next().await {
                done.map_err(|panic| format!("assumptions: {panic}"))??;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Part {
    Empty,
    Works,
}

/// Asks one node until it answers.
struct Asker {
    target: Arc<dyn Target>,
    node: NodeInfo,
    deadline: Instant,
}

impl Asker {
    async fn ask(&self, part: Part, expected: &Expected) -> Result<(), String> {
        let found = match part {
            Part::Empty => self.empty(&expected.reads).await,
            Part::Works => self.works(&expected.kinds).await,
        };
        found.map_err(|problem| {
            let (node, address) = (&self.node.name, self.node.address);
            format!("assumption not met: on {node} ({address}), {problem}")
        })
    }

    /// Every key reads as absent.
    async fn empty(&self, reads: &[Op]) -> Result<(), String> {
        let (answers, _) = self.until_ok(reads).await?;
        for answer in &answers {
            if let Some((key, held)) = held(answer)? {
                return Err(format!(
                    "the database is not empty: key {key} holds {} before the load has written \
                     anything; another program uses this database, or it was not wiped",
                    escaped(&held),
                ));
            }
        }
        Ok(())
    }

    /// A round of every kind succeeds, and is quick enough when it does.
    async fn works(&self, kinds: &BTreeSet<&'static str>) -> Result<(), String> {
        let key = Value::text(format!("{KEY}-{}", self.node.name));
        let value = Value::Int(1);
        let write = RegisterOp::Write { key: key.clone(), value: value.clone() };
        let read = RegisterOp::Read { key: key.clone(), value: Observed::Pending };
        let cas = RegisterOp::Cas { key: key.clone(), from: value, to: Value::Int(2) };
        let append = RegisterOp::Append { key, value: Value::text("x") };
        let round = [write, read, cas, append].map(Op::Register);
        // A compare-and-set needs what the write before it wrote.
        let wanted =
            |op: &Op| kinds.contains(op.name()) || (op.name() == "write" && kinds.contains("cas"));
        let mut round: Vec<Op> = round.into_iter().filter(wanted).collect();
        round.extend(self.transactions(kinds));
        let mut best = Duration::MAX;
        while best > SLOWEST {
            let (_, slowest) = self.until_ok(&round).await?;
            best = best.min(slowest);
            if best > SLOWEST && Instant::now() >= self.deadline {
                return Err(format!(
                    "operations are too slow without any fault: {best:?} for one, where \
                     {SLOWEST:?} is the most that a load can bear"
                ));
            }
        }
        Ok(())
    }

    /// A transaction of each step that is wanted, and one of all of them.
    fn transactions(&self, kinds: &BTreeSet<&'static str>) -> Vec<Op> {
        let key = |of: &str| Value::text(format!("{KEY}-{}-{of}", self.node.name));
        let steps = [
            Mop::Append { key: key("list"), element: Value::Int(1) },
            Mop::ReadList { key: key("list"), elements: Observed::Pending },
            Mop::Write { key: key("register"), value: Value::Int(1) },
            Mop::Read { key: key("register"), value: Observed::Pending },
            Mop::Add { key: key("balance"), delta: 1, value: Observed::Pending },
        ];
        let wanted: Vec<Mop> = steps.into_iter().filter(|mop| kinds.contains(step(mop))).collect();
        let alone = wanted.iter().map(|mop| vec![mop.clone()]);
        let all = (wanted.len() > 1).then(|| wanted.clone());
        alone.chain(all).map(|mops| Op::Txn(TxnOp { mops })).collect()
    }

    /// Attempts `round`, from its start each time, until each of it succeeds: the answers, and how
    /// long the slowest took.
    async fn until_ok(&self, round: &[Op]) -> Result<(Vec<Op>, Duration), String> {
        loop {
            let problem = match self.attempt(round).await {
                Ok(answers) => return Ok(answers),
                Err(problem) => problem,
            };
            if Instant::now() >= self.deadline {
                return Err(problem);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn attempt(&self, round: &[Op]) -> Result<(Vec<Op>, Duration), String> {
        let patience = 3 * SLOWEST;
        let connect = tokio::time::timeout(patience, self.target.connect(&self.node)).await;
        let mut client = match connect {
            Ok(client) => client.map_err(|error| format!("no client: {error}"))?,
            Err(_) => return Err(format!("no client within {patience:?}")),
        };
        let (mut answers, mut slowest) = (Vec::new(), Duration::ZERO);
        for op in round {
            let start = Instant::now();
            match tokio::time::timeout(patience, client.invoke(op)).await {
                Ok(Ok(answer)) => answers.push(answer),
                Ok(Err(error)) => return Err(format!("`{op}` does not succeed: {error}")),
                Err(_) => return Err(format!("`{op}` is not answered within {patience:?}")),
            }
            slowest = slowest.max(start.elapsed());
        }
        client.close().await;
        Ok((answers, slowest))
    }
}

/// What `op` is made of: the name of each part, and how the load would read its key.
fn parts(op: &Op) -> Vec<(&'static str, Option<(Value, Op)>)> {
    match op {
        Op::Register(register) => {
            let key = register.key().clone();
            let read = RegisterOp::Read { key: key.clone(), value: Observed::Pending };
            vec![(op.name(), Some((key, Op::Register(read))))]
        }
        Op::Txn(txn) => txn.mops.iter().map(|mop| (step(mop), read_of(mop))).collect(),
        Op::Set(_) | Op::Counter(_) | Op::Queue(_) | Op::Lock(_) | Op::Id(_) => Vec::new(),
    }
}

/// The key of a step, and a transaction that reads it.
fn read_of(mop: &Mop) -> Option<(Value, Op)> {
    let key = mop.key()?.clone();
    let read = match mop {
        Mop::Append { .. } | Mop::ReadList { .. } => {
            Mop::ReadList { key: key.clone(), elements: Observed::Pending }
        }
        Mop::Write { .. } | Mop::Read { .. } | Mop::Add { .. } | Mop::ReadPredicate { .. } => {
            Mop::Read { key: key.clone(), value: Observed::Pending }
        }
    };
    Some((key, Op::Txn(TxnOp { mops: vec![read] })))
}

/// The name of a step of a transaction.
fn step(mop: &Mop) -> &'static str {
    match mop {
        Mop::Read { .. } => "read in a transaction",
        Mop::Write { .. } => "write in a transaction",
        Mop::Append { .. } => "append in a transaction",
        Mop::Add { .. } => "addition in a transaction",
        Mop::ReadList { .. } => "read of a list in a transaction",
        Mop::ReadPredicate { .. } => "read by a predicate",
    }
}

/// The key that the answer to a read says is there, and what it holds.
fn held(answer: &Op) -> Result<Option<(Value, String)>, String> {
    let there = |key: &Value, what: String| Ok(Some((key.clone(), what)));
    match answer {
        Op::Register(RegisterOp::Read { key, value: Observed::Present(value) }) => {
            return there(key, value.to_string());
        }
        Op::Register(RegisterOp::Read { .. }) => return Ok(None),
        Op::Txn(txn) => match &txn.mops[..] {
            [Mop::Read { key, value: Observed::Present(value) }] => {
                return there(key, value.to_string());
            }
            [Mop::ReadList { key, elements: Observed::Present(seen) }] if !seen.is_empty() => {
                let first: Vec<String> = seen.iter().take(5).map(Value::to_string).collect();
                return there(key, format!("a list that begins with {}", first.join(" ")));
            }
            [Mop::Read { .. } | Mop::ReadList { .. }] => return Ok(None),
            _ => {}
        },
        Op::Register(_) | Op::Set(_) | Op::Counter(_) | Op::Queue(_) | Op::Lock(_) | Op::Id(_) => {}
    }
    Err(format!("a read was answered with `{answer}`"))
}

/// A text that may hold anything, on one line of a terminal.
fn escaped(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).take(200).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use tribunal_harness::client::{Client, ClientError};
    use tribunal_harness::cluster::Node;
    use tribunal_harness::daemon::Daemon;
    use tribunal_harness::target::{TargetError, Vocabulary};
    use tribunal_history::{ErrorClass, Family, NodeId};
    use tribunal_workloads::{Setting, registry};

    use super::*;

    type Store = Arc<Mutex<std::collections::BTreeMap<Value, Value>>>;

    /// One store behind every node, and what is wrong with it.
    struct Fake {
        store: Store,
        never: &'static str,
        written: Arc<Mutex<Vec<Value>>>,
    }

    struct FakeClient {
        store: Store,
        never: &'static str,
        written: Arc<Mutex<Vec<Value>>>,
    }

    #[async_trait]
    impl Client for FakeClient {
        async fn invoke(&mut self, op: &Op) -> Result<Op, ClientError> {
            let refuse = |what: &str| ClientError::definite(ErrorClass::new("no"), what);
            if op.name() == self.never {
                return Err(refuse("not here"));
            }
            let mut store = self.store.lock().unwrap();
            if let Op::Txn(txn) = op {
                if txn.mops.iter().any(|mop| step(mop) == self.never) {
                    return Err(refuse("not here"));
                }
                let mut mops = txn.mops.clone();
                for mop in &mut mops {
                    match mop {
                        Mop::Append { key, element } => {
                            self.written.lock().unwrap().push(key.clone());
                            store.insert(key.clone(), element.clone());
                        }
                        Mop::ReadList { key, elements } => {
                            *elements = match store.get(key) {
                                Some(value) => Observed::Present(vec![value.clone()]),
                                None => Observed::Absent,
                            };
                        }
                        _ => return Err(refuse("no such step")),
                    }
                }
                return Ok(Op::Txn(TxnOp { mops }));
            }
            let Op::Register(asked) = op else { return Err(refuse("no register")) };
            let mut set = |key: &Value, value: &Value| {
                self.written.lock().unwrap().push(key.clone());
                store.insert(key.clone(), value.clone());
            };
            match asked {
                RegisterOp::Read { key, .. } => {
                    let value = store.get(key).cloned().map_or(Observed::Absent, Observed::Present);
                    return Ok(Op::Register(RegisterOp::Read { key: key.clone(), value }));
                }
                RegisterOp::Write { key, value } | RegisterOp::Append { key, value } => {
                    set(key, value);
                }
                RegisterOp::Cas { key, to, .. } => set(key, to),
            }
            Ok(op.clone())
        }
    }

    #[async_trait]
    impl Target for Fake {
        fn name(&self) -> &str {
            "fake"
        }

        fn describe(&self) -> std::collections::BTreeMap<String, String> {
            Default::default()
        }

        fn vocabulary(&self) -> Vocabulary {
            Vocabulary { families: &[Family::Register] }
        }

        fn daemons(&self, _node: &NodeInfo, _all: &[NodeInfo]) -> Vec<Daemon> {
            Vec::new()
        }

        async fn install(&self, _node: &Node) -> Result<(), TargetError> {
            Ok(())
        }

        async fn ready(&self, _all: &[NodeInfo]) -> Result<(), TargetError> {
            Ok(())
        }

        async fn connect(&self, _node: &NodeInfo) -> Result<Box<dyn Client>, ClientError> {
            let written = Arc::clone(&self.written);
            Ok(Box::new(FakeClient { store: Arc::clone(&self.store), never: self.never, written }))
        }

        async fn primaries(&self, _all: &[NodeInfo]) -> Vec<NodeId> {
            Vec::new()
        }
    }

    fn found(holds: &[(Value, Value)], never: &'static str) -> (Result<(), String>, Vec<Value>) {
        found_by("register", &["cas", "read", "write"], holds, never)
    }

    /// What is found, and which keys were written meanwhile.
    fn found_by(
        workload: &str,
        kinds: &[&'static str],
        holds: &[(Value, Value)],
        never: &'static str,
    ) -> (Result<(), String>, Vec<Value>) {
        let setting =
            Setting { nodes: 3, concurrency: 6, rate: Some(300.0), options: Default::default() };
        let entry = registry::find(workload).expect("it is registered");
        let workload = (entry.build)(&setting).expect("defaults are sound");
        let time = Duration::from_secs(10);
        let expected = Expected::of(&workload.generator, 1, 6, 3, time);
        assert!(expected.reads.len() > 5, "{expected:?}");
        assert_eq!(expected.kinds, kinds.iter().copied().collect());
        let written = Arc::new(Mutex::new(Vec::new()));
        let store = Arc::new(Mutex::new(holds.iter().cloned().collect()));
        let target: Arc<dyn Target> =
            Arc::new(Fake { store, never, written: Arc::clone(&written) });
        let node = |n: u16| NodeInfo {
            id: NodeId(n),
            name: format!("n{}", n + 1),
            address: "127.0.0.1".parse().expect("an address"),
            dir: String::new(),
        };
        let nodes: Vec<NodeInfo> = (0..3).map(node).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let patience = Duration::from_millis(300);
        let result = runtime.block_on(expected.hold(&target, &nodes, patience));
        let written = written.lock().unwrap().clone();
        (result, written)
    }

    #[test]
    fn an_empty_database_that_works_is_taken_and_its_keys_are_left_alone() {
        let (result, written) = found(&[], "");
        assert_eq!(result, Ok(()));
        assert!(written.len() >= 6, "{written:?}");
        let own = |key: &Value| matches!(key, Value::Text(text) if text.starts_with(KEY));
        assert!(written.iter().all(own), "{written:?}");
    }

    #[test]
    fn a_database_that_holds_something_is_refused_before_anything_is_written() {
        for (held, shown) in [(Value::Int(17), "17"), (Value::unparsed(b"<b>\x1b["), "\\u{1b}")] {
            let (result, written) = found(&[(Value::Int(3), held)], "");
            let words = result.unwrap_err();
            let begin = "assumption not met: on n";
            assert!(words.starts_with(begin) && words.contains("key 3 holds"), "{words}");
            assert!(words.contains(shown) && !words.contains('\x1b'), "{words}");
            assert!(written.is_empty(), "{written:?}");
        }
    }

    #[test]
    fn a_kind_that_never_succeeds_is_named() {
        let words = found(&[], "cas").0.unwrap_err();
        assert!(
            words.contains("`cas ") && words.contains("does not succeed: no: not here"),
            "{words}"
        );
    }

    #[test]
    fn transactions_are_asked_for_too() {
        let kinds = ["append in a transaction", "read of a list in a transaction"];
        let found = |holds: &[(Value, Value)], never| found_by("append", &kinds, holds, never);
        let (result, written) = found(&[], "");
        assert_eq!(result, Ok(()));
        let own = |key: &Value| matches!(key, Value::Text(text) if text.starts_with(KEY));
        assert!(written.len() >= 6 && written.iter().all(own), "{written:?}");
        let (result, written) = found(&[(Value::Int(2), Value::Int(8))], "");
        let words = result.unwrap_err();
        assert!(words.contains("key 2 holds a list that begins with 8"), "{words}");
        assert!(written.is_empty(), "{written:?}");
        for never in kinds {
            let words = found(&[], never).0.unwrap_err();
            assert!(words.contains("does not succeed: no: not here"), "{words}");
        }
    }
}
