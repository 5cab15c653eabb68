//! A mutex that only its owner, a process, may give back.

use tribunal_history::Process;

use super::lock::{Grip, Lock, LockOp, Locking, held_by_another};

/// Held by one process at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owned;

/// A mutex with owners.
pub type OwnerMutex = Lock<Owned>;

impl Locking for Owned {
    type Hold = Option<Process>;
    const OWNED: bool = true;

    fn free(&self) -> Option<Process> {
        None
    }

    fn grip(&self, grip: Grip) -> Grip {
        Grip { owner: grip.owner, permits: 1, token: None }
    }

    fn acquire(&self, holder: &Option<Process>, grip: &Grip) -> Option<Option<Process>> {
        holder.is_none().then_some(grip.owner)
    }

    fn release(&self, holder: &Option<Process>, grip: &Grip) -> Option<Option<Process>> {
        (holder.is_some() && *holder == grip.owner).then_some(None)
    }

    fn settles(&self, _grip: &Grip) -> bool {
        true
    }

    fn clash(&self, holder: &Option<Process>, _op: &LockOp) -> String {
        held_by_another(*holder)
    }

    fn describe(&self, holder: &Option<Process>) -> String {
        holder.map_or("free".into(), |holder| format!("held by {holder}"))
    }
}
