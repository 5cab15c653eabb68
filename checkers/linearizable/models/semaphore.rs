//! A semaphore: permits that anybody may give back.

use super::lock::{Grip, Lock, LockOp, Locking};

/// A number of permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permits {
    /// How many there are.
    pub total: u32,
}

/// A semaphore.
pub type Semaphore = Lock<Permits>;

impl Locking for Permits {
    /// Permits taken.
    type Hold = i64;
    const OWNED: bool = false;

    fn total(&self) -> Option<u32> {
        Some(self.total)
    }

    fn free(&self) -> i64 {
        0
    }

    fn grip(&self, grip: Grip) -> Grip {
        Grip { owner: None, permits: grip.permits, token: None }
    }

    fn acquire(&self, taken: &i64, grip: &Grip) -> Option<i64> {
        let next = taken.checked_add(grip.permits)?;
        (next <= i64::from(self.total)).then_some(next)
    }

    fn release(&self, taken: &i64, grip: &Grip) -> Option<i64> {
        (grip.permits <= *taken).then(|| taken - grip.permits)
    }

    fn settles(&self, _grip: &Grip) -> bool {
        false
    }

    const ONE: &'static str = "a permit";

    /// Of those who took permits all that matters is kept, and not of those who gave them back.
    fn clash(&self, taken: &i64, op: &LockOp) -> String {
        let (total, bound) = match op {
            LockOp::Acquire(_) if *taken < i64::from(self.total) => (self.total, "at least "),
            LockOp::Release(_) if *taken > 0 => (self.total, "at most "),
            LockOp::Acquire(_) | LockOp::Release(_) => (self.total, ""),
        };
        format!(" while {bound}{taken} of {total} were taken")
    }

    fn describe(&self, taken: &i64) -> String {
        format!("at {taken} of {} permits taken", self.total)
    }
}
