//! Workers: one task per slot, one attempt per operation, a deadline on everything.
//!
//! A worker stamps the request immediately before the client is called and the reply immediately
//! after it returns. What an attempt means is decided in `outcome.rs`.

use std::any::Any;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tribunal_history::{Nanos, NodeId, Process};

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

/// The worker of one slot.
pub(super) struct Worker {
    pub(super) slot: u32,
    pub(super) node: NodeId,
    pub(super) hub: Rc<Hub>,
    pub(super) connect: Arc<dyn Connect>,
    pub(super) clock: Clock,
    pub(super) close_patience: Duration,
}

/// What a worker remembers between operations.
struct Memory {
    client: Option<Box<dyn Client>>,
    owner: Option<Process>,
    /// After a connection that failed: how long to pause next time, and until when now.
    backoff: Nanos,
    paused_until: Option<Nanos>,
    /// Of the current operation; `None` until the client was called.
    sent: Option<Nanos>,
    last_received: Nanos,
}

impl Worker {
    /// Serves the slot until the load is over.
    pub(super) async fn run(self) {
        let mut memory = Memory {
            client: None,
            owner: None,
            backoff: BACKOFF_MIN,
            paused_until: None,
            sent: None,
            last_received: Nanos(0),
        };
        while let Some(job) = self.hub.job(self.slot).await {
            let done = self.serve(&mut memory, job).await;
            self.hub.finish(done);
        }
        if let Some(client) = memory.client {
            // A client that does not close in time or panics is simply dropped: the history is
            // complete by now.
            let closing = guarded(async move { client.close().await });
            drop(tokio::time::timeout(self.close_patience, closing).await);
        }
    }

    async fn serve(&self, memory: &mut Memory, job: Job) -> Done {
        let taken = self.clock.after(memory.last_received);
        memory.sent = None;
        let attempt = match guarded(self.attempt(memory, &job, taken)).await {
            Ok(attempt) => attempt,
            // Whatever panicked before the client was called, no byte of the request left.
            Err(panic) if memory.sent.is_none() => self.no_client(memory, &panic),
            Err(panic) => Attempt::Panicked(panic),
        };
        let received = self.clock.now();
        memory.last_received = received;
        let Decision { outcome, error, answer, keep_client, detail, raw, client_code } =
            decide(&job.op, attempt);
        if !keep_client {
            discard(memory.client.take());
        }
        let trouble = error.map(|error| Box::new(Trouble { error, detail, raw, client_code }));
        Done {
            slot: self.slot,
            process: job.process,
            op: answer.unwrap_or(job.op),
            outcome,
            dispatched: job.dispatched,
            taken,
            sent: memory.sent.unwrap_or(taken),
            received,
            trouble,
        }
    }

    async fn attempt(&self, memory: &mut Memory, job: &Job, taken: Nanos) -> Attempt {
        if memory.owner != Some(job.process) {
            // The old process is retired; its connection must not carry another's requests.
            discard(memory.client.take());
            memory.owner = Some(job.process);
        }
        if memory.client.is_some() {
            memory.sent = Some(taken);
            let deadline = self.clock.instant(taken) + job.patience;
            return invoke(memory.client.as_mut(), job, deadline.into()).await;
        }
        if let Some(until) = memory.paused_until.take() {
            // A dead node is not spun upon. The pause is not part of the operation's patience.
            tokio::time::sleep_until(self.clock.instant(until).into()).await;
        }
        let deadline = self.clock.instant(self.clock.now()) + job.patience;
        let connecting = self.connect.connect(self.node, job.process);
        match timeout_at(deadline.into(), connecting).await {
            Err(_) => self.no_client(memory, &"no answer in time"),
            Ok(Err(error)) => self.no_client(memory, &error),
            Ok(Ok(client)) => {
                memory.client = Some(client);
                memory.backoff = BACKOFF_MIN;
                memory.sent = Some(self.clock.now());
                invoke(memory.client.as_mut(), job, deadline.into()).await
            }
        }
    }

    /// The next attempt to connect waits, twice as long each time.
    fn no_client(&self, memory: &mut Memory, problem: &dyn Display) -> Attempt {
        memory.paused_until = Some(self.clock.now().saturating_add(memory.backoff));
        memory.backoff = Nanos((memory.backoff.0 * 2).min(BACKOFF_MAX.0));
        Attempt::NoClient(format!("connect to {}: {problem}", self.node))
    }
}

/// Calls the client, until the deadline.
async fn invoke(client: Option<&mut Box<dyn Client>>, job: &Job, deadline: Instant) -> Attempt {
    let Some(client) = client else { return Attempt::NoClient("no connection".into()) };
    let mut invoking = client.invoke(&job.op);
    // Clients in memory answer at once: those never touch the timer.
    let first = poll_fn(|cx| Poll::Ready(invoking.as_mut().poll(cx))).await;
    let answer = match first {
        Poll::Ready(answer) => answer,
        Poll::Pending => match timeout_at(deadline, invoking).await {
            Ok(answer) => answer,
            Err(_) => return Attempt::Overdue(job.patience),
        },
    };
    match answer {
        Ok(answer) => Attempt::Answered(answer),
        Err(error) => Attempt::Failed(error),
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

/// Drops a client whose destructor may be as broken as the rest of it.
fn discard(client: Option<Box<dyn Client>>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(client))) {
        tracing::warn!(panic = message(&*panic), "a client panicked while it was dropped");
    }
}

/// What a panic said.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".into())
}
