//! Workers: one task per slot, one attempt per operation, a deadline on everything.
//!
//! A worker stamps the request immediately before the client is called and the reply immediately
//! after it returns. What an attempt means is decided in `outcome.rs`.

use std::any::Any;
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
    backoff: Nanos,
    last_received: Nanos,
}

impl Worker {
    /// Serves the slot until the load is over.
    pub(super) async fn run(self) {
        let mut memory =
            Memory { client: None, owner: None, backoff: BACKOFF_MIN, last_received: Nanos(0) };
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
        let deadline = Instant::from_std(self.clock.instant(taken) + job.patience);
        if memory.owner != Some(job.process) {
            // The old process is retired; its connection must not carry another's requests.
            discard(memory.client.take());
            memory.owner = Some(job.process);
        }
        let mut cool_until = None;
        let mut sent = taken;
        let attempt = match self.ensure_client(memory, job.process, deadline).await {
            Ok(fresh) => {
                if fresh {
                    sent = self.clock.now();
                }
                self.attempt(memory, &job, deadline).await
            }
            Err(problem) => {
                let now = self.clock.now();
                cool_until = Some(now.saturating_add(memory.backoff));
                memory.backoff = Nanos((memory.backoff.0 * 2).min(BACKOFF_MAX.0));
                Attempt::NoClient(problem)
            }
        };
        let received = self.clock.now();
        memory.last_received = received;
        let decision = decide(&job.op, attempt);
        if !decision.keep_client {
            discard(memory.client.take());
        }
        self.done(job, decision, (taken, sent, received), cool_until)
    }

    fn done(
        &self,
        job: Job,
        decision: Decision,
        (taken, sent, received): (Nanos, Nanos, Nanos),
        cool_until: Option<Nanos>,
    ) -> Done {
        let Decision { outcome, error, answer, detail, raw, verdict_on_client, .. } = decision;
        let trouble = error.map(|error| {
            Box::new(Trouble { error, detail, raw, client: verdict_on_client, cool_until })
        });
        Done {
            slot: self.slot,
            process: job.process,
            op: answer.unwrap_or(job.op),
            outcome,
            dispatched: job.dispatched,
            taken,
            sent,
            received,
            trouble,
        }
    }

    /// Whether the connection is new; or why there is none.
    async fn ensure_client(
        &self,
        memory: &mut Memory,
        process: Process,
        deadline: Instant,
    ) -> Result<bool, String> {
        if memory.client.is_some() {
            return Ok(false);
        }
        let connecting = guarded(async { self.connect.connect(self.node, process).await });
        let client = match timeout_at(deadline, connecting).await {
            Err(_) => return Err(format!("connect to {}: no answer in time", self.node)),
            Ok(Err(panic)) => return Err(format!("connect to {}: panicked: {panic}", self.node)),
            Ok(Ok(Err(error))) => return Err(format!("connect to {}: {error}", self.node)),
            Ok(Ok(Ok(client))) => client,
        };
        memory.client = Some(client);
        memory.backoff = BACKOFF_MIN;
        Ok(true)
    }

    async fn attempt(&self, memory: &mut Memory, job: &Job, deadline: Instant) -> Attempt {
        let Some(client) = memory.client.as_mut() else {
            return Attempt::NoClient("no connection".into());
        };
        let mut invoking = pin!(guarded(async { client.invoke(&job.op).await }));
        // Most in-memory clients answer at once: those never touch the timer.
        let first = poll_fn(|cx| Poll::Ready(invoking.as_mut().poll(cx))).await;
        let outcome = match first {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => match timeout_at(deadline, invoking).await {
                Ok(outcome) => outcome,
                Err(_) => return Attempt::Overdue(job.patience),
            },
        };
        match outcome {
            Ok(Ok(answer)) => Attempt::Answered(answer),
            Ok(Err(error)) => Attempt::Failed(error),
            Err(panic) => Attempt::Panicked(panic),
        }
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
