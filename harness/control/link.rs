//! A handle to an agent, whatever carries the frames.
//!
//! A [`Link`] is a bounded queue into the lane that owns the transport. It can be used from any
//! thread and any runtime: the wait is a oneshot, and deadlines are kept by the lane, so no timer
//! of a particular runtime is needed.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use nix::sys::eventfd::EventFd;
use tokio::sync::oneshot;
use tribunal_agent::protocol::{Body, Failure, Reply, Request};

use super::bulk::Bulk;
use crate::cluster::AgentError;
use crate::daemon::{Daemon, Ports};

/// Most requests that may wait for a lane. A node is asked a handful of things at a time; more
/// means that somebody asks in a loop.
pub(crate) const QUEUE_LIMIT: usize = 256;

/// Where a link stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Requests are carried.
    Open,
    /// The agent's channel ended, with the reason. For good: the agent behind a new channel would
    /// be another process, and the faults of the old one heal by their lease.
    Lost(String),
}

/// Sends requests over one held channel. Cheap to clone.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    way: Way,
    epoch: AtomicU64,
    state: Arc<Mutex<LinkState>>,
    bulk: OnceLock<Bulk>,
    /// Daemons we were asked to start, so that a cluster that is closed leaves none.
    daemons: Mutex<BTreeSet<String>>,
    ports: Mutex<Ports>,
}

enum Way {
    Lane {
        queue: SyncSender<Outgoing>,
        wake: Arc<EventFd>,
    },
    Answers(Box<dyn Fn(Body) -> Result<Reply, Failure> + Send + Sync>),
    /// The last handle has gone.
    Gone,
}

/// A request on its way to the lane.
pub(crate) struct Outgoing {
    pub(crate) request: Request,
    pub(crate) deadline: Instant,
    pub(crate) answer: Answer,
}

/// Where the answer goes.
pub(crate) type Answer = oneshot::Sender<Result<Reply, Trouble>>;

/// Why there is no answer, before it is known whom to blame.
#[derive(Debug)]
pub(crate) enum Trouble {
    Lost(String),
    Deadline,
    Refused(Failure),
}

/// A request that was sent; await it or block on it.
pub(crate) struct Pending {
    node: String,
    what: &'static str,
    patience: Duration,
    answer: oneshot::Receiver<Result<Reply, Trouble>>,
    /// Knows why the lane ended, if it ends with this request unanswered.
    link: Weak<Shared>,
}

impl Link {
    /// A link into a lane.
    pub(crate) fn to_lane(
        queue: SyncSender<Outgoing>,
        wake: Arc<EventFd>,
        state: Arc<Mutex<LinkState>>,
    ) -> Link {
        Link::new(Way::Lane { queue, wake }, state)
    }

    /// A link whose answers come from a function: for tests of what stands above the links. It
    /// stands beside the tests with real agents, never instead of them.
    pub fn answering(
        answers: impl Fn(Body) -> Result<Reply, Failure> + Send + Sync + 'static,
    ) -> Link {
        Link::new(Way::Answers(Box::new(answers)), Arc::new(Mutex::new(LinkState::Open)))
    }

    fn new(way: Way, state: Arc<Mutex<LinkState>>) -> Link {
        Link(Arc::new(Shared {
            way,
            epoch: AtomicU64::new(0),
            state,
            bulk: OnceLock::new(),
            daemons: Mutex::new(BTreeSet::new()),
            ports: Mutex::default(),
        }))
    }

    /// Gives files a way of their own. Set once, before the link is shared.
    pub(crate) fn set_bulk(&self, bulk: Bulk) {
        // A second way would be a bug of ours and harmless: the first stays.
        let _ = self.0.bulk.set(bulk);
    }

    /// The way of files.
    pub(crate) fn bulk(&self) -> &Bulk {
        self.0.bulk.get().unwrap_or(&Bulk::Agent)
    }

    /// Daemons that were started through this link.
    pub fn daemons(&self) -> BTreeSet<String> {
        self.0.daemons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where daemons that were started through this link serve.
    pub fn ports(&self) -> Ports {
        self.0.ports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A daemon is about to be started.
    pub(crate) fn serves(&self, daemon: &Daemon) {
        let mut ports = self.0.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.clients.insert(daemon.ready_port);
        ports.peers.extend(&daemon.peer_ports);
    }

    /// See [`crate::cluster::Node::call`].
    ///
    /// # Errors
    /// See [`AgentError`].
    pub async fn call(
        &self,
        node: &str,
        body: Body,
        patience: Duration,
    ) -> Result<Reply, AgentError> {
        self.submit(node, body, patience).wait().await
    }

    /// Sends without waiting. Not from within a lane.
    pub(crate) fn submit(&self, node: &str, body: Body, patience: Duration) -> Pending {
        let what = name(&body);
        if let Body::Start(spec) = &body {
            let mut daemons = self.0.daemons.lock().unwrap_or_else(PoisonError::into_inner);
            daemons.insert(spec.name.clone());
        }
        let (sender, answer) = oneshot::channel();
        self.dispatch(body, patience, sender);
        Pending { node: node.into(), what, patience, answer, link: Arc::downgrade(&self.0) }
    }

    /// The claim that later requests belong to.
    pub(crate) fn set_epoch(&self, epoch: u64) {
        self.0.epoch.store(epoch, Ordering::Relaxed);
    }

    /// Whether the agent has given us the node.
    pub(crate) fn is_claimed(&self) -> bool {
        self.0.epoch.load(Ordering::Relaxed) > 0
    }

    /// Where it stands.
    pub fn state(&self) -> LinkState {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn dispatch(&self, body: Body, patience: Duration, answer: Answer) {
        let (queue, wake) = match &self.0.way {
            Way::Lane { queue, wake } => (queue, wake),
            Way::Answers(answers) => {
                // The receiver is alive: it is in the hands of our caller.
                let _ = answer.send(answers(body).map_err(Trouble::Refused));
                return;
            }
            // Nobody can ask through a link whose last handle has gone.
            Way::Gone => return,
        };
        let request = Request {
            id: next_id(),
            epoch: self.0.epoch.load(Ordering::Relaxed),
            deadline_ms: patience.as_millis() as u64,
            body,
        };
        let outgoing = Outgoing { request, deadline: Instant::now() + patience, answer };
        let (rejected, why) = match queue.try_send(outgoing) {
            Ok(()) => {
                // A full counter means that the lane has been woken already.
                let _ = wake.write(1);
                return;
            }
            Err(TrySendError::Full(it)) => {
                (it, format!("not sent: {QUEUE_LIMIT} requests are waiting already"))
            }
            Err(TrySendError::Disconnected(it)) => match self.state() {
                LinkState::Lost(why) => (it, why),
                LinkState::Open => (it, "the lane has ended".into()),
            },
        };
        let _ = rejected.answer.send(Err(Trouble::Lost(why)));
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.state()).finish()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The queue must be closed before the lane is woken: woken first, it may look, find the
        // queue empty but open, and sleep on for a whole tick.
        if let Way::Lane { queue, wake } = std::mem::replace(&mut self.way, Way::Gone) {
            drop(queue);
            let _ = wake.write(1);
        }
    }
}

impl Pending {
    pub(crate) async fn wait(self) -> Result<Reply, AgentError> {
        let Pending { node, what, patience, answer, link } = self;
        settle(node, what, patience, &link, answer.await)
    }

    /// For threads that are not part of a runtime.
    pub(crate) fn block(self) -> Result<Reply, AgentError> {
        let Pending { node, what, patience, answer, link } = self;
        settle(node, what, patience, &link, answer.blocking_recv())
    }
}

fn settle(
    node: String,
    what: &'static str,
    patience: Duration,
    link: &Weak<Shared>,
    answer: Result<Result<Reply, Trouble>, oneshot::error::RecvError>,
) -> Result<Reply, AgentError> {
    let what = what.to_owned();
    let problem = match answer {
        Ok(Ok(reply)) => return Ok(reply),
        Ok(Err(Trouble::Refused(failure))) => {
            return Err(AgentError::refused(&node, &what, failure));
        }
        Ok(Err(Trouble::Deadline)) => return Err(AgentError::Deadline { node, what, patience }),
        Ok(Err(Trouble::Lost(problem))) => problem,
        // It was queued after the lane had taken its last look: the lane has said why it ended.
        Err(_gone) => match link.upgrade().map(|shared| Link(shared).state()) {
            Some(LinkState::Lost(why)) => why,
            Some(LinkState::Open) | None => "the lane has ended".into(),
        },
    };
    Err(AgentError::Lost { node, what, problem })
}

/// Ids are unique among all controllers, not only within one: an agent may remember replies from
/// before this controller came. Nanoseconds since 1970 at the first request, then counting.
fn next_id() -> u64 {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    let next = NEXT.get_or_init(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        AtomicU64::new(since.as_nanos() as u64)
    });
    next.fetch_add(1, Ordering::Relaxed)
}

/// What is asked, without its arguments: those may be half a megabyte.
pub(crate) fn name(body: &Body) -> &'static str {
    match body {
        Body::Hello => "hello",
        Body::Probe => "probe",
        Body::Sshd => "read the limits of sshd",
        Body::Claim { .. } => "claim",
        Body::Renew { .. } => "renew the lease",
        Body::Start(_) => "start a daemon",
        Body::Stop { .. } => "stop a daemon",
        Body::Status { .. } => "look at a daemon",
        Body::Inject(_) => "inject a fault",
        Body::Verify { .. } => "verify a fault",
        Body::Heal { .. } => "heal a fault",
        Body::HealAll => "heal everything",
        Body::Reach { .. } => "reach others",
        Body::Hold { .. } => "connect to others",
        Body::Look { .. } => "look at others",
        Body::Install { .. } => "run a program",
        Body::Sealed => "end the set-up",
        Body::Reset { .. } => "empty a directory",
        Body::Put { .. } => "write a file",
        Body::Get { .. } => "read a file",
        Body::Digest { .. } => "digest a file",
        Body::Clock => "read the clocks",
        Body::Bye => "say bye",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_can_answer() {
        let link = Link::answering(|body| match body {
            Body::Hello => Ok(Reply::Done),
            _other => Err(Failure { code: "refused".into(), message: "only hello".into() }),
        });
        let patience = Duration::from_secs(1);
        assert_eq!(link.submit("n1", Body::Hello, patience).block().unwrap(), Reply::Done);
        let error = link.submit("n1", Body::Clock, patience).block().unwrap_err();
        assert_eq!(error.to_string(), "n1: read the clocks: only hello (refused)");
    }

    #[test]
    fn ids_are_never_used_twice() {
        let (a, b) = (next_id(), next_id());
        assert!(a < b);
    }
}
