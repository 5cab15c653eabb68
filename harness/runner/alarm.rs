//! The dispatcher's timer: to some ten microseconds, where the runtime's own counts milliseconds.
//!
//! At 10 000 operations per second a timer of milliseconds hands out ten at a time, and all but
//! the first queue in the harness: it would make a concurrency that nobody asked for. So a thread
//! does the waiting and wakes the dispatcher. (A timerfd in the runtime would need no thread, but
//! registering one is an unsafe call.)

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Instant;

use tribunal_history::Nanos;

use crate::clock::Clock;

/// One timer, set anew only when it must ring earlier than it would.
#[derive(Debug)]
pub(super) struct Alarm {
    clock: Clock,
    shared: Arc<Shared>,
    armed: Option<Nanos>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    bell: Mutex<Bell>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Bell {
    at: Option<Instant>,
    rung: bool,
    waker: Option<Waker>,
    stop: bool,
}

impl Alarm {
    pub(super) fn new(clock: Clock) -> io::Result<Alarm> {
        let shared = Arc::new(Shared::default());
        let ringing = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("load-alarm".into());
        let thread = Some(thread.spawn(move || ringing.run())?);
        Ok(Alarm { clock, shared, armed: None, thread })
    }

    /// Rings at `at` or, set earlier before, too early: that costs one idle turn.
    #[inline]
    pub(super) fn set(&mut self, at: Nanos) {
        if self.armed.is_some_and(|armed| armed <= at) {
            return;
        }
        self.armed = Some(at);
        let mut bell = self.shared.lock();
        bell.at = Some(self.clock.instant(at));
        bell.rung = false;
        drop(bell);
        self.shared.changed.notify_one();
    }

    /// Ready when it rings, once.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut bell = self.shared.lock();
        if bell.rung {
            bell.rung = false;
            self.armed = None;
            return Poll::Ready(());
        }
        if !bell.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            bell.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the load's timer panicked");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Bell> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut bell = self.lock();
        while !bell.stop {
            let left = bell.at.map(|at| at.saturating_duration_since(Instant::now()));
            bell = match left {
                None => self.changed.wait(bell).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    bell.at = None;
                    bell.rung = true;
                    let waker = bell.waker.clone();
                    drop(bell);
                    waker.into_iter().for_each(Waker::wake);
                    self.lock()
                }
                Some(left) => {
                    let waited = self.changed.wait_timeout(bell, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_rings_in_time_and_the_earlier_time_wins() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock).unwrap();
        for _ in 0..20 {
            let start = clock.now();
            alarm.set(start.saturating_add(Nanos::from_millis(60_000)));
            alarm.set(start.saturating_add(Nanos(300_000)));
            alarm.set(start.saturating_add(Nanos::from_millis(30_000)));
            let ringing = poll_fn(|cx| alarm.poll(cx));
            tokio::time::timeout(Duration::from_secs(10), ringing).await.unwrap();
            assert!(clock.now() >= start.saturating_add(Nanos(300_000)));
        }
    }

    #[tokio::test]
    async fn a_time_in_the_past_rings_at_once() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock).unwrap();
        alarm.set(Nanos(0));
        let ringing = poll_fn(|cx| alarm.poll(cx));
        tokio::time::timeout(Duration::from_secs(10), ringing).await.unwrap();
    }
}
