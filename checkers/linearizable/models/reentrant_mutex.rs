//! A mutex that its owner may take several times, and gives back as often.

use tribunal_history::Process;

use super::lock::{Grip, Lock, LockOp, Locking, held_by_another};

/// Held by one process at most, any number of times.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reentrant;

/// A reentrant mutex.
pub type ReentrantMutex = Lock<Reentrant>;

/// Who holds it, and how often.
type Hold = Option<(Process, u32)>;

impl Locking for Reentrant {
    type Hold = Hold;
    const OWNED: bool = true;

    fn free(&self) -> Hold {
        None
    }

    fn grip(&self, grip: Grip) -> Grip {
        Grip { owner: grip.owner, permits: 1, token: None }
    }

    fn acquire(&self, hold: &Hold, grip: &Grip) -> Option<Hold> {
        let owner = grip.owner?;
        match hold {
            None => Some(Some((owner, 1))),
            Some((holder, times)) => (*holder == owner).then_some(Some((owner, times + 1))),
        }
    }

    fn release(&self, hold: &Hold, grip: &Grip) -> Option<Hold> {
        let (holder, times) = (*hold)?;
        let left = (times > 1).then_some((holder, times - 1));
        (Some(holder) == grip.owner).then_some(left)
    }

    fn settles(&self, _grip: &Grip) -> bool {
        false
    }

    fn clash(&self, hold: &Hold, _op: &LockOp) -> String {
        held_by_another(hold.map(|(holder, _)| holder))
    }

    fn describe(&self, hold: &Hold) -> String {
        match hold {
            None => "free".into(),
            Some((holder, 1)) => format!("held by {holder}"),
            Some((holder, times)) => format!("held {times} times by {holder}"),
        }
    }
}
