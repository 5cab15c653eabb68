//! One monotonic clock for the whole run.

use std::time::{Duration, Instant};

use tribunal_history::Nanos;

/// Nanoseconds since the start of the run, on `CLOCK_MONOTONIC`. Jumps of the wall clock change
/// nothing. Copies share the origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts at zero now.
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Nanos {
        Nanos(self.origin.elapsed().as_nanos() as u64)
    }

    /// The instant at which this clock shows `time`.
    pub fn instant(&self, time: Nanos) -> Instant {
        self.origin + Duration::from_nanos(time.0)
    }
}
