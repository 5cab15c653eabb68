//! Workers: one task per slot, one attempt per operation, a deadline on everything.
//!
//! A worker stamps the request immediately before the client is called and the reply immediately
//! after it returns. It has a connection of its own to each node that its process asks. What an
//! attempt means is decided in `outcome.rs`. An operation that may yet happen when its deadline
//! passes is `info` at once, and its slot goes on with another worker; the first one stays with the
//! call for a grace, so that a late reply is on record.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tribunal_history::{Nanos, NodeId, Op, Process};

use super::hub::{Done, Hub, Job, Trouble};
use super::outcome::{Attempt, Decision, decide};
use crate::client::{Client, ClientError};
use crate::clock::Clock;

/// A connection on its way.
pub type Connecting<'c> =
    Pin<Box<dyn Future<Output = Result<Box<dyn Client>, ClientError>> + Send + 'c>>;

/// Opens the connection of one process to one node. Closures of the right shape are one.
pub trait Connect: Send + Sync {
    /// A new client, used by `process` alone. No byte of any operation is sent, so whatever goes
    /// wrong here leaves the operation that waits for it undone.
    fn connect(&self, node: NodeId, process: Process) -> Connecting<'_>;
}

impl<F> Connect for F
where
    F: Fn(NodeId, Process) -> Connecting<'static> + Send + Sync,
{
    fn connect(&self, node: NodeId, process: Process) -> Connecting<'_> {
        self(node, process)
    }
}

/// First pause after a connection that failed; doubles up to [`BACKOFF_MAX`].
const BACKOFF_MIN: Nanos = Nanos::from_millis(50);
const BACKOFF_MAX: Nanos = Nanos::from_millis(1_000);

/// Who serves each slot. A worker that waits on for an overdue reply has left its slot to another.
#[derive(Default)]
pub(super) struct Staff(RefCell<BTreeMap<u32, JoinHandle<()>>>);

impl Staff {
    /// `worker` serves its slot from now on. `since`: no stamp of the slot is later.
    pub(super) fn seat(&self, worker: Worker, since: Nanos) {
        let slot = worker.slot;
        self.0.borrow_mut().insert(slot, tokio::task::spawn_local(worker.run(since)));
    }

    /// Waits until every slot's worker has closed its client.
    pub(super) async fn left(&self) {
        let workers = std::mem::take(&mut *self.0.borrow_mut());
        for worker in workers.into_values() {
            if let Err(error) = worker.await {
                tracing::warn!(%error, "a worker did not end well");
            }
        }
    }
}

/// The worker of one slot.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) slot: u32,
    pub(super) hub: Rc<Hub>,
    pub(super) staff: Rc<Staff>,
    pub(super) connect: Arc<dyn Connect>,
    pub(super) clock: Clock,
    pub(super) close_patience: Duration,
    /// How long a reply that is overdue may still come; twice its deadline if not said.
    pub(super) late_grace: Option<Duration>,
}

/// What a worker remembers between operations.
struct Memory {
    /// Whose the connections are.
    owner: Option<Process>,
    /// To each node that was asked, in the order of first use: mostly one.
    lines: Vec<Line>,
    last_received: Nanos,
}

/// The way of a slot to one node.
struct Line {
    node: NodeId,
    client: Option<Box<dyn Client>>,
    /// After a connection that failed: how long to pause next time, and until when now.
    backoff: Nanos,
    paused_until: Option<Nanos>,
}

impl Memory {
    /// The way to `node`.
    fn line(&mut self, node: NodeId) -> &mut Line {
        let known = self.lines.iter().position(|line| line.node == node);
        let at = known.unwrap_or(self.lines.len());
        if known.is_none() {
            self.lines.push(Line { node, client: None, backoff: BACKOFF_MIN, paused_until: None });
        }
        &mut self.lines[at]
    }

    /// Drops every connection, without a word to the other side.
    fn hang_up(&mut self) {
        self.lines.iter_mut().for_each(|line| discard(line.client.take()));
    }
}

/// A client that is about to be called.
struct Ready {
    client: Box<dyn Client>,
    sent: Nanos,
    deadline: Instant,
}

impl Worker {
    /// Serves the slot until the load is over, or until another has taken it.
    async fn run(self, since: Nanos) {
        let mut memory = Memory { owner: None, lines: Vec::new(), last_received: since };
        while let Some(job) = self.hub.job(self.slot).await {
            match self.serve(&mut memory, job).await {
                Some(done) => self.hub.finish(done),
                None => return,
            }
        }
        // At the same time, so that one that hangs costs the others nothing. A client that does not
        // close in time or panics is simply dropped: the history is complete by now.
        let closing = memory.lines.into_iter().filter_map(|line| line.client).map(|client| {
            let closing = guarded(async move { client.close().await });
            tokio::task::spawn_local(tokio::time::timeout(self.close_patience, closing))
        });
        for closed in closing.collect::<Vec<_>>() {
            drop(closed.await);
        }
    }

    /// What came of the job; nothing if it was overdue, for then the slot is another's by now.
    async fn serve(&self, memory: &mut Memory, job: Job) -> Option<Done> {
        let taken = self.clock.after(memory.last_received);
        let Ready { mut client, sent, deadline } = match self.ready(memory, &job, taken).await {
            Ok(ready) => ready,
            Err(attempt) => {
                let (done, _) = self.done(job, (taken, taken), attempt);
                memory.last_received = done.received;
                return Some(done);
            }
        };
        let asked = self.ask(memory, client.as_mut(), &job, (taken, sent), deadline).await;
        let Some(attempt) = asked else {
            discard(Some(client));
            return None;
        };
        let node = job.node;
        let (done, keep_client) = self.done(job, (taken, sent), attempt);
        match keep_client {
            true => memory.line(node).client = Some(client),
            false => discard(Some(client)),
        }
        memory.last_received = done.received;
        Some(done)
    }

    /// A connection of the job's own process.
    async fn ready(&self, memory: &mut Memory, job: &Job, taken: Nanos) -> Result<Ready, Attempt> {
        if memory.owner != Some(job.process) {
            // The old process is retired; its connections must not carry another's requests.
            memory.hang_up();
            memory.owner = Some(job.process);
        }
        let line = memory.line(job.node);
        if let Some(client) = line.client.take() {
            let deadline = self.clock.instant(taken) + job.patience;
            return Ok(Ready { client, sent: taken, deadline: deadline.into() });
        }
        if let Some(until) = line.paused_until.take() {
            // A dead node is not spun upon. The pause is not part of the operation's patience.
            tokio::time::sleep_until(self.clock.instant(until).into()).await;
        }
        let deadline = Instant::from(self.clock.instant(self.clock.now()) + job.patience);
        let connecting = guarded(async { self.connect.connect(job.node, job.process).await });
        match timeout_at(deadline, connecting).await {
            Ok(Ok(Ok(client))) => {
                line.backoff = BACKOFF_MIN;
                Ok(Ready { client, sent: self.clock.now(), deadline })
            }
            Ok(Ok(Err(error))) => Err(self.no_client(line, &error)),
            // Whatever panicked before the client was called, no byte of the request left.
            Ok(Err(panic)) => Err(self.no_client(line, &panic)),
            Err(_) => Err(self.no_client(line, &"no answer in time")),
        }
    }

    /// The next attempt to connect waits, twice as long each time.
    fn no_client(&self, line: &mut Line, problem: &dyn Display) -> Attempt {
        line.paused_until = Some(self.clock.now().saturating_add(line.backoff));
        line.backoff = Nanos((line.backoff.0 * 2).min(BACKOFF_MAX.0));
        Attempt::NoClient(format!("connect to {}: {problem}", line.node))
    }

    /// Calls the client, until the deadline. Nothing if that passed and the reply was waited for:
    /// then all is reported, and the slot is another's.
    async fn ask(
        &self,
        memory: &mut Memory,
        client: &mut dyn Client,
        job: &Job,
        stamps: (Nanos, Nanos),
        deadline: Instant,
    ) -> Option<Attempt> {
        let mut asking = pin!(Some(guarded(async { client.invoke(&job.op).await })));
        // Clients in memory answer at once: those never touch the timer.
        let first = poll_fn(|cx| Poll::Ready(under_way(asking.as_mut()).poll(cx))).await;
        if let Poll::Ready(answer) = first {
            return Some(attempt(answer));
        }
        if let Ok(answer) = timeout_at(deadline, under_way(asking.as_mut())).await {
            return Some(attempt(answer));
        }
        let overdue = Attempt::Overdue(job.patience);
        let grace = self.late_grace.unwrap_or(job.patience * 2);
        // A read that is overdue did not happen: its process goes on and a reply is of no use.
        if !job.op.writes() || grace.is_zero() || !self.hub.wait_on() {
            quietly(|| asking.set(None));
            return Some(overdue);
        }
        // The call cannot move, so its task stays with it and the slot goes to another task.
        let (done, _) = self.done(job.clone(), stamps, overdue);
        let received = done.received;
        // Its process is retired, and asks nobody any more.
        memory.hang_up();
        self.hub.finish(done);
        self.staff.seat(self.clone(), received);
        let reply = match tokio::time::timeout(grace, under_way(asking.as_mut())).await {
            Ok(answer) => attempt(answer),
            Err(_) => Attempt::Overdue(job.patience + grace),
        };
        quietly(|| asking.set(None));
        self.hub.late(self.done(job.clone(), stamps, reply).0);
        None
    }

    /// The result, as of now, and whether the connection may serve the next operation.
    fn done(&self, job: Job, (taken, sent): (Nanos, Nanos), attempt: Attempt) -> (Done, bool) {
        let received = self.clock.now();
        let Decision { outcome, error, answer, keep_client, detail, raw, client_code } =
            decide(&job.op, attempt);
        let trouble = error.map(|error| Box::new(Trouble { error, detail, raw, client_code }));
        let done = Done {
            slot: self.slot,
            process: job.process,
            op: answer.unwrap_or(job.op),
            outcome,
            dispatched: job.dispatched,
            taken,
            sent,
            received,
            trouble,
        };
        (done, keep_client)
    }
}

fn attempt(answer: Result<Result<Op, ClientError>, String>) -> Attempt {
    match answer {
        Ok(Ok(answer)) => Attempt::Answered(answer),
        Ok(Err(error)) => Attempt::Failed(error),
        Err(panic) => Attempt::Panicked(panic),
    }
}

/// Polls `inner`; a panic becomes its message, and `inner` is not polled again.
async fn guarded<F: Future>(inner: F) -> Result<F::Output, String> {
    let mut inner = pin!(inner);
    poll_fn(move |cx| {
        // Unwind safe: after a panic the client is dropped without another look at it.
        match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        }
    })
    .await
}

/// The call in its place, which is emptied only when nobody asks any more.
fn under_way<F>(asking: Pin<&mut Option<F>>) -> Pin<&mut F> {
    asking.as_pin_mut().expect("a call is polled before it is dropped")
}

fn discard(client: Option<Box<dyn Client>>) {
    quietly(|| drop(client));
}

/// Drops a client, or its call, whose destructor may be as broken as the rest of it.
fn quietly(dropping: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(dropping)) {
        tracing::warn!(panic = message(&*panic), "a client panicked while it was dropped");
    }
}

/// What a panic said.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".into())
}
