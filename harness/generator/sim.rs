//! The simulator: a run in virtual time against an invented database.
//!
//! It drives the same [`Turns`] as the real dispatcher; only the clock and the workers are its
//! own. Workloads and checkers are tested together with it, without a cluster.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use tribunal_history::{
    Builder, ErrorClass, History, HistoryError, Kind, Mark, Nanos, NodeId, Op, Outcome, Process,
};

use super::fake::{Fake, Fate};
use super::{Gen, PlannedOp, Step, Threads, Turns, validate};
use crate::seed::{Seed, Stream};

/// Turns of a simulation unless told otherwise: one that exceeds it has lost its end.
const STEPS_MAX: u64 = 20_000_000;

/// What to simulate. The default seed is 45100.
pub struct Simulation {
    /// Number of slots.
    pub concurrency: u32,
    /// Number of nodes.
    pub nodes: u16,
    /// Of the generator's draws and of the database's latencies.
    pub seed: Seed,
    /// No offer is adopted at this time or later; what is running completes.
    pub time_limit: Option<Nanos>,
    /// No more than so many operations, notes and marks.
    pub steps_max: u64,
    /// The database.
    pub client: Fake,
}

/// Why a simulation ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// The generator was done.
    Done,
    /// The time was over.
    TimeLimit,
    /// `steps_max` was reached.
    StepLimit,
    /// Law G4: nothing ran and nothing could wake the generator, which waited here. In a
    /// simulation a deferred value that was not delivered before is stuck, too.
    Stuck {
        /// Where, see [`super::path`].
        path: String,
    },
}

/// What became of the operations of one name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Asked.
    pub invoked: u64,
    /// Happened.
    pub ok: u64,
    /// Did not happen.
    pub fail: u64,
    /// Unknown.
    pub info: u64,
}

/// A simulated run.
#[derive(Debug)]
pub struct Simulated {
    /// As if recorded, with the marks.
    pub history: History,
    /// Why it ended.
    pub end: End,
    /// When, in virtual time.
    pub ended_at: Nanos,
    /// Notes of the generator.
    pub notes: Vec<(Nanos, String)>,
    /// By operation name.
    pub counts: BTreeMap<&'static str, Counts>,
    /// Operations that came due with no slot free.
    pub missed: u64,
    /// Processes retired by an `info`.
    pub retired: u64,
}

impl Simulation {
    /// Ten slots on five nodes, seed 45100, until the generator is done.
    pub fn of(client: Fake) -> Simulation {
        let (seed, steps_max) = (Seed(45100), STEPS_MAX);
        Simulation { concurrency: 10, nodes: 5, seed, time_limit: None, steps_max, client }
    }

    /// Runs `generator`, which must not be bound yet.
    ///
    /// # Panics
    /// When the generator breaks a law that makes its history none: see [`validate`].
    pub fn run(self, generator: Gen) -> Simulated {
        self.run_with(generator, |_| {})
    }

    /// As [`Simulation::run`], showing every operation as it is handed out.
    ///
    /// # Panics
    /// As [`Simulation::run`].
    pub fn run_with(self, generator: Gen, each: impl FnMut(PlannedOp)) -> Simulated {
        let mut generator = if cfg!(debug_assertions) { validate(generator) } else { generator };
        generator.bind(&self.seed.root().child("gen"));
        let threads = Threads::new(self.concurrency, self.nodes);
        let run = Run {
            turns: Turns::new(generator, threads),
            client: self.client,
            jitter: self.seed.root().child("client"),
            asked: vec![0; self.concurrency as usize],
            now: Nanos(0),
            queue: BinaryHeap::new(),
            queued: 0,
            running: vec![None; self.concurrency as usize],
            ghosts: BTreeMap::new(),
            steps_left: self.steps_max,
            time_limit: self.time_limit.unwrap_or(Nanos(u64::MAX)),
            record: Record::new(),
            each,
        };
        run.finish().unwrap_or_else(|error| panic!("the simulator recorded nonsense: {error}"))
    }
}

/// Something due in virtual time, in order of time and then of sending.
type Due = Reverse<(Nanos, u64, What)>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The operation of this slot and number takes effect, even if the client has given up.
    Effect { slot: u32, number: u64 },
    /// The operation of this slot completes.
    Completion { slot: u32 },
}

#[derive(Clone)]
struct Running {
    number: u64,
    process: Process,
    node: NodeId,
    op: Op,
    /// When it takes effect, if it does.
    effect: Option<Nanos>,
    kind: Option<Kind>,
    answer: Option<Result<Op, ErrorClass>>,
}

struct Run<F> {
    turns: Turns,
    client: Fake,
    jitter: Stream,
    asked: Vec<u64>,
    now: Nanos,
    queue: BinaryHeap<Due>,
    queued: u64,
    running: Vec<Option<Running>>,
    /// By number: operations that take effect although their client gave up.
    ghosts: BTreeMap<u64, (NodeId, Op)>,
    steps_left: u64,
    time_limit: Nanos,
    record: Record,
    each: F,
}

impl<F: FnMut(PlannedOp)> Run<F> {
    fn finish(mut self) -> Result<Simulated, HistoryError> {
        let mut end = None;
        loop {
            if self.drain()? > 0 {
                // A process' next invocation is later than its last completion, by the history's
                // own rule; so is the real clock.
                self.now = self.now.saturating_add(Nanos(1));
            }
            let mut wake = None;
            if end.is_none() {
                match self.offers()? {
                    Ok(until) => wake = until,
                    Err(reason) => end = Some(reason),
                }
            }
            if end.is_some() && self.turns.threads().busy() == 0 {
                break;
            }
            let due = self.queue.peek().map(|Reverse((time, _, _))| *time);
            match (wake, due, &end) {
                (Some(wake), due, _) => self.now = due.map_or(wake, |due| due.min(wake)),
                (None, Some(due), _) => self.now = self.now.max(due),
                (None, None, Some(_)) => unreachable!("what is busy has a completion in the queue"),
                // Armed: in a simulation nobody is there to deliver.
                (None, None, None) => {
                    end = Some(End::Stuck { path: super::path(&**self.turns.generator()) });
                }
            }
        }
        let end = end.unwrap_or(End::Done);
        let missed = self.turns.generator().missed();
        Ok(self.record.finish(end, self.now, missed))
    }

    /// Everything due by now. Returns the number of completions.
    fn drain(&mut self) -> Result<u64, HistoryError> {
        let mut completions = 0;
        while let Some(Reverse((time, _, what))) = self.queue.peek().copied() {
            if time > self.now {
                break;
            }
            self.queue.pop();
            match what {
                What::Effect { slot, number } => self.effect(slot, number),
                What::Completion { slot } => {
                    completions += 1;
                    self.complete(time, slot)?;
                }
            }
        }
        Ok(completions)
    }

    fn effect(&mut self, slot: u32, number: u64) {
        match &mut self.running[slot as usize] {
            Some(running) if running.number == number => {
                running.answer = Some(self.client.apply(running.node, &running.op));
            }
            Some(_) | None => {
                if let Some((node, op)) = self.ghosts.remove(&number) {
                    // The client is gone; nobody hears the answer.
                    let _unheard = self.client.apply(node, &op);
                }
            }
        }
    }

    fn complete(&mut self, time: Nanos, slot: u32) -> Result<(), HistoryError> {
        let Some(running) = self.running[slot as usize].take() else {
            unreachable!("only what runs was queued to complete");
        };
        let (kind, op, error) = match (running.kind, running.answer) {
            (None, Some(Ok(op))) => (Kind::Ok, op, None),
            (None, Some(Err(error))) => (Kind::Fail, running.op, Some(error)),
            (None, None) => (Kind::Info, running.op, Some(ErrorClass::TIMEOUT)),
            (Some(Kind::Ok), _) => (Kind::Ok, running.op, None),
            (Some(kind), answer) => {
                if running.effect.is_some() && answer.is_none() {
                    self.ghosts.insert(running.number, (running.node, running.op.clone()));
                }
                (kind, running.op, Some(ErrorClass::TIMEOUT))
            }
        };
        self.turns.complete(time, slot, kind, &op, error.as_ref());
        self.record.completed(time, running.process, kind, &op, error.as_ref())
    }

    /// Adopts every offer due now. `Ok`: when to ask again. `Err`: never.
    fn offers(&mut self) -> Result<Result<Option<Nanos>, End>, HistoryError> {
        loop {
            if self.now >= self.time_limit {
                return Ok(Err(End::TimeLimit));
            }
            if self.steps_left == 0 {
                return Ok(Err(End::StepLimit));
            }
            let step = self.turns.step(self.now);
            self.steps_left -= 1;
            match step {
                Step::Invoke { slot, process, node, due: _, op } => {
                    self.record.invoked(self.now, process, node, &op)?;
                    (self.each)(PlannedOp { at: self.now, slot, process, node, op: op.clone() });
                    self.send(slot, process, node, op);
                }
                Step::Note(text) => self.record.notes.push((self.now, text)),
                Step::Mark(name) => self.record.builder.mark(Mark { time: self.now, name }),
                Step::Wait { until } => return Ok(Ok(until.map(|at| at.min(self.time_limit)))),
                Step::Stuck { path } => return Ok(Err(End::Stuck { path })),
                Step::Done => return Ok(Err(End::Done)),
            }
        }
    }

    fn send(&mut self, slot: u32, process: Process, node: NodeId, op: Op) {
        let nth = self.asked[slot as usize];
        self.asked[slot as usize] += 1;
        let number = self.turns.committed();
        let mut draw = self.jitter.draw(u64::from(slot), nth);
        let Fate { effect, end, kind } = self.client.fate(self.now, nth, &op, &mut draw);
        if let Some(effect) = effect {
            self.enqueue(effect, What::Effect { slot, number });
        }
        self.enqueue(end, What::Completion { slot });
        self.running[slot as usize] =
            Some(Running { number, process, node, op, effect, kind, answer: None });
    }

    fn enqueue(&mut self, time: Nanos, what: What) {
        self.queue.push(Reverse((time, self.queued, what)));
        self.queued += 1;
    }
}

/// What is written down.
struct Record {
    builder: Builder,
    notes: Vec<(Nanos, String)>,
    counts: BTreeMap<&'static str, Counts>,
    retired: u64,
}

impl Record {
    fn new() -> Record {
        Record {
            builder: Builder::by_time(),
            notes: Vec::new(),
            counts: BTreeMap::new(),
            retired: 0,
        }
    }

    fn invoked(
        &mut self,
        time: Nanos,
        process: Process,
        node: NodeId,
        op: &Op,
    ) -> Result<(), HistoryError> {
        self.counts.entry(op.name()).or_default().invoked += 1;
        self.builder.invoke(time, process, None, Some(node), op).map(drop)
    }

    fn completed(
        &mut self,
        time: Nanos,
        process: Process,
        kind: Kind,
        op: &Op,
        error: Option<&ErrorClass>,
    ) -> Result<(), HistoryError> {
        let counts = self.counts.entry(op.name()).or_default();
        let outcome = match kind {
            Kind::Ok => Outcome::Ok,
            Kind::Fail => Outcome::Fail,
            Kind::Info => Outcome::Info,
            Kind::Invoke => unreachable!("an invocation completes nothing"),
        };
        match outcome {
            Outcome::Ok => counts.ok += 1,
            Outcome::Fail => counts.fail += 1,
            Outcome::Info | Outcome::Open => {
                counts.info += 1;
                self.retired += 1;
            }
        }
        self.builder.complete(time, process, outcome, Some(op), error).map(drop)
    }

    fn finish(self, end: End, ended_at: Nanos, missed: u64) -> Simulated {
        Simulated {
            history: self.builder.finish(),
            end,
            ended_at,
            notes: self.notes,
            counts: self.counts,
            missed,
            retired: self.retired,
        }
    }
}
