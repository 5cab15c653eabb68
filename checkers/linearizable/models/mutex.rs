//! A mutex that anybody may give back (Knossos' mutex).

use super::lock::{Grip, Lock, LockOp, Locking};

/// Held or not, whoever does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exclusive;

/// A mutex without owners.
pub type Mutex = Lock<Exclusive>;

impl Locking for Exclusive {
    type Hold = bool;
    const OWNED: bool = false;

    fn total(&self) -> Option<u32> {
        Some(1)
    }

    fn free(&self) -> bool {
        false
    }

    fn grip(&self, _grip: Grip) -> Grip {
        Grip { owner: None, permits: 1, token: None }
    }

    fn acquire(&self, held: &bool, _grip: &Grip) -> Option<bool> {
        (!held).then_some(true)
    }

    fn release(&self, held: &bool, _grip: &Grip) -> Option<bool> {
        held.then_some(false)
    }

    fn settles(&self, _grip: &Grip) -> bool {
        true
    }

    fn clash(&self, held: &bool, _op: &LockOp) -> String {
        if *held { " while it was held".into() } else { " while nobody held it".into() }
    }

    fn describe(&self, held: &bool) -> String {
        if *held { "held".into() } else { "free".into() }
    }
}
