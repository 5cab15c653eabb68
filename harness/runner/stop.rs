//! Ends a load from outside: an interrupt, a finished fault schedule, an anomaly found early.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

/// Why a load was asked to end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StopReason {
    /// SIGINT or SIGTERM.
    Interrupt,
    /// The fault schedule is over and the suite says `until = "faults"`.
    FaultsDone,
    /// A streaming check found an anomaly, or something else made going on pointless; in words.
    Early(String),
}

/// Shared between the load and whoever may end it. The first reason stays.
#[derive(Clone, Default, Debug)]
pub struct StopSignal {
    shared: Arc<Shared>,
}

#[derive(Default, Debug)]
struct Shared {
    reason: OnceLock<StopReason>,
    changed: Notify,
}

impl StopSignal {
    /// Not stopped.
    pub fn new() -> StopSignal {
        StopSignal::default()
    }

    /// Generation ends; operations under way keep their deadlines.
    pub fn stop(&self, reason: StopReason) {
        if self.shared.reason.set(reason).is_ok() {
            self.shared.changed.notify_waiters();
        }
    }

    /// Why, once stopped.
    #[inline]
    pub fn reason(&self) -> Option<&StopReason> {
        self.shared.reason.get()
    }

    /// Waits for [`StopSignal::stop`]. For a signal that never comes the caller has its own
    /// deadline.
    pub async fn stopped(&self) {
        let changed = self.shared.changed.notified();
        // A stop between the creation of `changed` and this line wakes it; one before is seen here.
        if self.reason().is_none() {
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays_and_wakes_everyone() {
        let signal = StopSignal::new();
        let other = signal.clone();
        let waiting = tokio::spawn(async move { other.stopped().await });
        tokio::task::yield_now().await;
        assert_eq!(signal.reason(), None);
        signal.stop(StopReason::Interrupt);
        signal.stop(StopReason::FaultsDone);
        assert_eq!(signal.reason(), Some(&StopReason::Interrupt));
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
        tokio::time::timeout(Duration::from_secs(5), signal.stopped()).await.unwrap();
    }
}
