//! One load: a generator, its clients, and what came of them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tribunal_history::{Nanos, Op};

use super::dispatcher::Dispatcher;
use super::executor::{Connect, Staff, Worker, message};
use super::hub::Hub;
use super::noise::SelfNoise;
use super::progress::Progress;
use super::recorder::{RecordError, Recorder};
use super::stop::{StopReason, StopSignal};
use super::tap::Tap;
use crate::deadlines::Deadlines;
use crate::generator::{Gen, Threads};

/// An operation that takes longer is not an operation.
const PATIENCE_LIMIT: Duration = Duration::from_secs(86_400);

/// How a generator is driven.
#[derive(Clone, Debug)]
pub struct LoadConfig {
    /// Number of slots.
    pub concurrency: u32,
    /// Number of nodes; slot `s` talks to node `s mod nodes`, unless an operation names another.
    pub nodes: u16,
    /// Processes start here or later: [`LoadOutcome::next_process`] of the load before.
    pub first_process: u32,
    /// When generation ends at the latest, since the start of the load.
    pub time_limit: Option<Duration>,
    /// Patience of one operation, connecting included.
    pub op_timeout: Duration,
    /// Other patience, by operation name (`read`, `txn`).
    pub op_timeouts: BTreeMap<String, Duration>,
    /// How long the reply to an operation whose outcome is unknown at its deadline may still come
    /// to be recorded; `None`: twice the deadline; zero: not at all.
    pub late_grace: Option<Duration>,
    /// Patience for closing a client.
    pub close_timeout: Duration,
}

/// Why generation ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The generator had nothing more.
    Done,
    /// The time limit.
    TimeLimit,
    /// Asked to, from outside.
    Stopped(StopReason),
    /// The generator waits for something that cannot come.
    Stuck {
        /// Where it waits.
        path: String,
    },
    /// The generator offered what cannot be recorded; in words.
    BadOffer(String),
    /// A client answered a question that was not asked; in words.
    ClientBug(String),
    /// The history cannot be written: disk full or worse. Operations under way were awaited, and
    /// stand as open in what is on file.
    History(RecordError),
}

/// Operations that ended with one error class.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ErrorTally {
    /// How many.
    pub count: u64,
    /// What the first one said.
    pub first: String,
}

/// Replies that came after their operations had been given up as `info`, which they stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LateReplies {
    /// That say it happened.
    pub ok: u64,
    /// That say it did not.
    pub failed: u64,
    /// Operations for whose replies nobody waited, because two per slot were waited for already.
    pub turned_away: u64,
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct LoadOutcome {
    /// Why generation ended.
    pub ended: Ended,
    /// Operations handed out.
    pub ops: u64,
    /// That happened.
    pub ok: u64,
    /// That did not.
    pub fail: u64,
    /// With unknown outcome.
    pub info: u64,
    /// Not on record as completed: their workers did not return within deadline and grace, or the
    /// history could not be written.
    pub open: u64,
    /// Operations whose client panicked.
    pub panics: u64,
    /// Replies that came too late.
    pub late: LateReplies,
    /// By error class, in order of name.
    pub errors: BTreeMap<String, ErrorTally>,
    /// Operations whose time came when no slot was free (open-loop generators only).
    pub missed: u64,
    /// No process of this or a later number was used.
    pub next_process: u32,
    /// When the load began.
    pub started: Nanos,
    /// When its last operation had been awaited.
    pub finished: Nanos,
    /// How long the machine slept meanwhile; more than a second makes timing meaningless.
    pub suspended: Duration,
    /// What the harness added.
    pub noise: SelfNoise,
}

/// Why a load could not be run at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A configuration that means nothing.
    #[error("load: {0}")]
    Config(String),
    /// The runtime or its thread could not be made.
    #[error("load: start its thread and runtime: {0}")]
    Runtime(#[from] std::io::Error),
    /// Our own code or the generator panicked. Everything written before stands.
    #[error("load: panicked: {0}; please report this")]
    Panicked(String),
}

/// Everything a load acts through.
pub struct LoadParts {
    /// Offers operations. Bound to its stream already.
    pub generator: Gen,
    /// Opens clients.
    pub connect: Arc<dyn Connect>,
    /// Writes the history; its clock is the load's.
    pub recorder: Recorder,
    /// Ends the load from outside.
    pub stop: StopSignal,
    /// Shows how it goes.
    pub progress: Arc<Progress>,
    /// Copies every event to a watcher.
    pub tap: Option<Tap>,
}

impl LoadConfig {
    /// Without time limit, with the default deadlines.
    pub fn new(concurrency: u32, nodes: u16) -> LoadConfig {
        let deadlines = Deadlines::default();
        LoadConfig {
            concurrency,
            nodes,
            first_process: 0,
            time_limit: None,
            op_timeout: deadlines.op,
            op_timeouts: BTreeMap::new(),
            late_grace: None,
            close_timeout: deadlines.close,
        }
    }

    fn validate(&self) -> Result<(), String> {
        if self.concurrency == 0 || self.nodes == 0 {
            let (slots, nodes) = (self.concurrency, self.nodes);
            return Err(format!("{slots} slots, {nodes} nodes; at least one of each is needed"));
        }
        let first = self.first_process.checked_next_multiple_of(self.concurrency);
        if first.and_then(|first| first.checked_add(self.concurrency)).is_none() {
            return Err(format!("no process numbers left above {}", self.first_process));
        }
        let named = self.op_timeouts.iter().map(|(name, patience)| (name.as_str(), *patience));
        for (name, patience) in named.chain([("any operation", self.op_timeout)]) {
            if patience.is_zero() || patience > PATIENCE_LIMIT {
                let rule = "more than nothing and at most a day is needed";
                return Err(format!("a deadline of {patience:?} for {name}; {rule}"));
            }
        }
        match self.late_grace {
            Some(grace) if grace > PATIENCE_LIMIT => {
                Err(format!("a grace of {grace:?} for late replies; at most a day is needed"))
            }
            Some(_) | None => Ok(()),
        }
    }

    #[inline]
    pub(super) fn patience(&self, op: &Op) -> Duration {
        match self.op_timeouts.is_empty() {
            true => self.op_timeout,
            false => *self.op_timeouts.get(op.name()).unwrap_or(&self.op_timeout),
        }
    }

    /// The longest any operation may take.
    pub(super) fn patience_max(&self) -> Duration {
        self.op_timeouts.values().copied().fold(self.op_timeout, Duration::max)
    }
}

impl LoadOutcome {
    /// Whether so many clients panicked that the client, not the database, is on trial: more than
    /// 1 % of the operations.
    pub fn client_is_broken(&self) -> bool {
        self.panics * 100 > self.ops
    }
}

/// Runs a load to its end on the calling thread, which it needs for itself: a current-thread
/// runtime, the dispatcher and one worker per slot. May be called again for the next phase of the
/// same run, with [`LoadConfig::first_process`] set.
///
/// # Errors
/// See [`LoadError`]. How the load itself went is [`LoadOutcome::ended`].
pub fn run_load(config: LoadConfig, parts: LoadParts) -> Result<LoadOutcome, LoadError> {
    config.validate().map_err(LoadError::Config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, drive(config, parts))
}

/// [`run_load`] on a thread of its own, awaited from any runtime.
///
/// # Errors
/// See [`LoadError`].
pub async fn run_load_apart(
    config: LoadConfig,
    parts: LoadParts,
) -> Result<LoadOutcome, LoadError> {
    let (answer, waiting) = oneshot::channel();
    let thread = std::thread::Builder::new().name("load".into()).spawn(move || {
        // The receiver may be gone: then nobody wants the outcome, and the history has it all.
        drop(answer.send(run_load(config, parts)));
    })?;
    match waiting.await {
        Ok(outcome) => outcome,
        Err(_) => Err(LoadError::Panicked(match thread.join() {
            Ok(()) => "its thread ended without an outcome".into(),
            Err(panic) => message(&*panic),
        })),
    }
}

async fn drive(config: LoadConfig, parts: LoadParts) -> Result<LoadOutcome, LoadError> {
    let hub = Rc::new(Hub::new(config.concurrency));
    let clock = parts.recorder.clock();
    let threads = Threads::after(config.concurrency, config.nodes, config.first_process);
    let staff = Rc::new(Staff::default());
    for slot in 0..config.concurrency {
        let worker = Worker {
            slot,
            hub: Rc::clone(&hub),
            staff: Rc::clone(&staff),
            connect: Arc::clone(&parts.connect),
            clock,
            close_patience: config.close_timeout,
            late_grace: config.late_grace,
        };
        staff.seat(worker, Nanos(0));
    }
    // A task of its own, so that it queues behind the workers it woke: then one turn takes the
    // results of all of them.
    let close_patience = config.close_timeout;
    let dispatcher = Dispatcher::new(config, parts, threads, Rc::clone(&hub))?;
    let outcome = tokio::task::spawn_local(dispatcher.run()).await;
    hub.close();
    // Workers bound their own closing; a client that blocks the thread is not waited for twice.
    // Whoever still waits for an overdue reply is dropped with the set of tasks, and its connection
    // with it.
    let grace = close_patience + Duration::from_secs(1);
    if tokio::time::timeout(grace, staff.left()).await.is_err() {
        tracing::warn!("some clients did not close in time");
    }
    outcome.map_err(|error| LoadError::Panicked(error.to_string()))
}
