//! One monotonic clock for the whole run.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tribunal_history::Nanos;

/// Nanoseconds since the start of the run, on `CLOCK_MONOTONIC`. Jumps of the wall clock change
/// nothing. Copies share the origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    /// `CLOCK_BOOTTIME - CLOCK_MONOTONIC` at the start, if this kernel tells.
    asleep: Option<Duration>,
}

impl Clock {
    /// Starts at zero now.
    pub fn start() -> Clock {
        Clock { origin: Instant::now(), asleep: asleep() }
    }

    /// The time.
    #[inline]
    pub fn now(&self) -> Nanos {
        Nanos(self.origin.elapsed().as_nanos() as u64)
    }

    /// A time later than `than`: reads the clock until it has moved on. A process' next request
    /// must carry a later stamp than its last reply, or the two would count as concurrent.
    #[inline]
    pub fn after(&self, than: Nanos) -> Nanos {
        loop {
            let now = self.now();
            if now > than {
                return now;
            }
            std::hint::spin_loop();
        }
    }

    /// The instant at which this clock shows `time`.
    pub fn instant(&self, time: Nanos) -> Instant {
        self.origin + Duration::from_nanos(time.0)
    }

    /// How long the machine slept since the start: the growth of `CLOCK_BOOTTIME -
    /// CLOCK_MONOTONIC`. While it sleeps this clock stands still and servers elsewhere do not, so
    /// leases, deadlines and latencies of such a run mean nothing.
    pub fn suspended(&self) -> Duration {
        growth(self.asleep, asleep())
    }
}

/// The two clocks are not read at one instant, so a preemption between the reads looks like a
/// short sleep; callers ignore growth below a second.
fn growth(before: Option<Duration>, now: Option<Duration>) -> Duration {
    match (before, now) {
        (Some(before), Some(now)) => now.saturating_sub(before),
        (None, _) | (_, None) => Duration::ZERO,
    }
}

fn asleep() -> Option<Duration> {
    let monotonic = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?);
    let boot = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?);
    Some(boot.saturating_sub(monotonic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_is_later() {
        let clock = Clock::start();
        let mut last = clock.now();
        for _ in 0..10_000 {
            let next = clock.after(last);
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn sleep_is_growth_and_never_negative() {
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(growth(seconds(3), seconds(10)), Duration::from_secs(7));
        assert_eq!(growth(seconds(3), seconds(2)), Duration::ZERO);
        assert_eq!(growth(None, seconds(2)), Duration::ZERO);
        assert!(Clock::start().suspended() < Duration::from_secs(1));
    }
}
