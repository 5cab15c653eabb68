//! A copy of the event stream for whoever watches while a load runs.
//!
//! Bounded: the load is never slowed. What does not fit is lost, and the watcher is told so; it
//! must then conclude nothing from what follows. Intervals go from the dispatch of a request to the
//! receipt of its answer, in the order the dispatcher learned of both. They are never narrower than
//! the recorded ones, so what is illegal here is illegal in the history; the reverse does not hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tribunal_history::{ErrorClass, Kind, Op, Process};

/// One event, as it happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tapped {
    /// Who.
    pub process: Process,
    /// Asked, happened, did not happen, unknown.
    pub kind: Kind,
    /// What; a completion is its invocation filled in.
    pub op: Op,
    /// Why it did not end `ok`.
    pub error: Option<ErrorClass>,
}

/// The load's end.
#[derive(Debug)]
pub struct Tap {
    to: SyncSender<Vec<Tapped>>,
    lost: Arc<AtomicBool>,
    turn: Vec<Tapped>,
}

/// The watcher's end.
#[derive(Debug)]
pub struct Watch {
    from: Receiver<Vec<Tapped>>,
    lost: Arc<AtomicBool>,
}

/// What a watcher gets.
#[derive(Debug)]
pub enum Heard {
    /// The next events, in order.
    Events(Vec<Tapped>),
    /// Nothing yet.
    Silence,
    /// Some events did not fit: the stream is no history any more.
    Lost,
    /// The load is over.
    End,
}

/// Both ends, with room for the events of `turns` dispatcher turns.
pub fn tap(turns: usize) -> (Tap, Watch) {
    let (to, from) = sync_channel(turns);
    let lost = Arc::new(AtomicBool::new(false));
    (Tap { to, lost: Arc::clone(&lost), turn: Vec::new() }, Watch { from, lost })
}

impl Tap {
    pub(super) fn push(&mut self, event: Tapped) {
        self.turn.push(event);
    }

    /// The turn is on file: what it holds has happened.
    pub(super) fn pass_on(&mut self) {
        if self.turn.is_empty() || self.lost.load(Ordering::Relaxed) {
            self.turn.clear();
            return;
        }
        match self.to.try_send(std::mem::take(&mut self.turn)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lose(),
        }
    }

    /// The turn is not on file.
    pub(super) fn lose(&mut self) {
        self.turn.clear();
        self.lost.store(true, Ordering::Relaxed);
    }
}

impl Watch {
    /// Waits for the next events, at most for `patience`.
    pub fn next(&self, patience: Duration) -> Heard {
        match self.from.recv_timeout(patience) {
            // What came before the gap is still in order.
            Ok(events) => Heard::Events(events),
            Err(_) if self.lost.load(Ordering::Relaxed) => Heard::Lost,
            Err(RecvTimeoutError::Timeout) => Heard::Silence,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use tribunal_history::{RegisterOp, Value};

    use super::*;

    fn write(value: i64) -> Tapped {
        let op = Op::Register(RegisterOp::Write { key: Value::Int(0), value: Value::Int(value) });
        Tapped { process: Process(0), kind: Kind::Invoke, op, error: None }
    }

    #[test]
    fn what_does_not_fit_is_said_to_be_lost_after_what_came_before() {
        let (mut tap, watch) = tap(1);
        for value in 0..3 {
            tap.push(write(value));
            tap.pass_on();
        }
        assert!(matches!(watch.next(Duration::ZERO), Heard::Events(e) if e == [write(0)]));
        assert!(matches!(watch.next(Duration::ZERO), Heard::Lost));
        tap.push(write(3));
        tap.pass_on();
        assert!(matches!(watch.next(Duration::ZERO), Heard::Lost), "a gap stays a gap");
    }

    #[test]
    fn the_end_is_heard() {
        let (tap, watch) = tap(1);
        assert!(matches!(watch.next(Duration::ZERO), Heard::Silence));
        drop(tap);
        assert!(matches!(watch.next(Duration::ZERO), Heard::End));
    }
}
