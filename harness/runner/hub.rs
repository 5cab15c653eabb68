//! Where dispatcher and workers meet: one place per slot for the next job, one list of results,
//! one of late replies.
//!
//! Everything lives on one thread. A slot holds at most one job and owes at most one result, and
//! overdue replies are waited for only so many at a time: all is bounded by the number of slots
//! without a channel.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tribunal_history::{ErrorClass, Nanos, NodeId, Op, Outcome, Process};

use super::outcome::ClientCode;

/// Overdue replies waited for at a time, per slot. With one deadline and a grace of two a slot has
/// never more, so none is turned away.
const OVERDUE_PER_SLOT: u32 = 2;

/// One operation for one worker.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) process: Process,
    pub(crate) node: NodeId,
    pub(crate) op: Op,
    pub(crate) dispatched: Nanos,
    pub(crate) patience: Duration,
}

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) slot: u32,
    pub(crate) process: Process,
    /// The answer if `ok`, else the invocation.
    pub(crate) op: Op,
    pub(crate) outcome: Outcome,
    pub(crate) dispatched: Nanos,
    pub(crate) taken: Nanos,
    pub(crate) sent: Nanos,
    pub(crate) received: Nanos,
    pub(crate) trouble: Option<Box<Trouble>>,
}

/// The part of a result that is there only when something went wrong.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) error: ErrorClass,
    pub(crate) detail: String,
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) client_code: ClientCode,
}

#[derive(Debug, Default)]
struct Inbox {
    job: RefCell<Option<Job>>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug)]
pub(crate) struct Hub {
    inboxes: Vec<Inbox>,
    done: RefCell<Vec<Done>>,
    late: RefCell<Vec<Done>>,
    /// Overdue replies that are waited for, and operations for whose replies there was no room.
    overdue: Cell<u32>,
    turned_away: Cell<u64>,
    dispatcher: RefCell<Option<Waker>>,
    closed: Cell<bool>,
}

impl Hub {
    pub(crate) fn new(slots: u32) -> Hub {
        Hub {
            inboxes: (0..slots).map(|_| Inbox::default()).collect(),
            done: RefCell::new(Vec::with_capacity(slots as usize)),
            late: RefCell::new(Vec::new()),
            overdue: Cell::new(0),
            turned_away: Cell::new(0),
            dispatcher: RefCell::new(None),
            closed: Cell::new(false),
        }
    }

    /// Lays a job down; its worker does not look before [`Hub::wake`] or until this task yields.
    #[inline]
    pub(crate) fn place(&self, slot: u32, job: Job) {
        self.inboxes[slot as usize].job.replace(Some(job));
    }

    /// Takes back a job nobody may start.
    pub(crate) fn withdraw(&self, slot: u32) {
        self.inboxes[slot as usize].job.replace(None);
    }

    #[inline]
    pub(crate) fn wake(&self, slot: u32) {
        if let Some(waker) = &*self.inboxes[slot as usize].waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The next job of `slot`; `None` when the load is over.
    pub(crate) async fn job(&self, slot: u32) -> Option<Job> {
        let inbox = &self.inboxes[slot as usize];
        poll_fn(|cx| {
            if let Some(job) = inbox.job.borrow_mut().take() {
                return Poll::Ready(Some(job));
            }
            if self.closed.get() {
                return Poll::Ready(None);
            }
            remember(&inbox.waker, cx);
            Poll::Pending
        })
        .await
    }

    #[inline]
    pub(crate) fn finish(&self, done: Done) {
        let mut list = self.done.borrow_mut();
        list.push(done);
        if list.len() == 1 {
            self.wake_dispatcher();
        }
    }

    #[inline]
    fn wake_dispatcher(&self) {
        if let Some(waker) = &*self.dispatcher.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Whether there is room to wait for one more overdue reply. If so, [`Hub::late`] is owed what
    /// came of it.
    pub(crate) fn wait_on(&self) -> bool {
        let (overdue, room) = (self.overdue.get(), self.inboxes.len() as u32 * OVERDUE_PER_SLOT);
        if overdue >= room || self.closed.get() {
            self.turned_away.set(self.turned_away.get() + 1);
            return false;
        }
        self.overdue.set(overdue + 1);
        true
    }

    /// What came of an operation whose result was handed in when it was overdue: `info` if nothing
    /// came, or nothing that says whether it happened.
    pub(crate) fn late(&self, done: Done) {
        self.overdue.set(self.overdue.get() - 1);
        self.late.borrow_mut().push(done);
        self.wake_dispatcher();
    }

    /// The late replies since the last call. Their operations' results were drained before.
    pub(crate) fn take_late(&self) -> Vec<Done> {
        self.late.take()
    }

    /// Whether some overdue reply is still waited for.
    pub(crate) fn expects_late(&self) -> bool {
        self.overdue.get() > 0
    }

    /// Overdue operations for whose replies nobody waited, because as many as there is room for
    /// were waited for.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.get()
    }

    /// Exchanges the list of results for an empty one.
    pub(crate) fn drain(&self, into: &mut Vec<Done>) {
        std::mem::swap(&mut *self.done.borrow_mut(), into);
    }

    /// Ready when there is a result or a late reply. The dispatcher's task is woken when one comes.
    #[inline]
    pub(crate) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.done.borrow().is_empty() || !self.late.borrow().is_empty() {
            return Poll::Ready(());
        }
        remember(&self.dispatcher, cx);
        Poll::Pending
    }

    /// No more jobs: workers close their clients and end.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        (0..self.inboxes.len() as u32).for_each(|slot| self.wake(slot));
    }
}

fn remember(place: &RefCell<Option<Waker>>, cx: &Context<'_>) {
    let mut place = place.borrow_mut();
    if !place.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}
