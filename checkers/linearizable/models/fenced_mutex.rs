//! A mutex with owners that hands out fencing tokens, each greater than the ones before.

use tribunal_history::Process;

use super::lock::{Grip, Lock, LockOp, Locking, held_by_another};

/// Held by one process at most, each time with a greater token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fenced;

/// A fenced mutex.
pub type FencedMutex = Lock<Fenced>;

/// Who holds it, and the tokens handed out.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fence {
    holder: Option<Process>,
    /// The token of the holder, where it is known.
    token: Option<i64>,
    /// The least value the greatest token handed out can have. A token that nobody was told is
    /// at least one more than the one before it.
    greatest: Option<i64>,
}

impl Locking for Fenced {
    type Hold = Fence;
    const OWNED: bool = true;

    fn free(&self) -> Fence {
        Fence { holder: None, token: None, greatest: None }
    }

    fn grip(&self, grip: Grip) -> Grip {
        Grip { permits: 1, ..grip }
    }

    fn acquire(&self, fence: &Fence, grip: &Grip) -> Option<Fence> {
        let greatest = match (fence.greatest, grip.token) {
            (None, None) => i64::MIN,
            (None, Some(token)) => token,
            (Some(greatest), None) => greatest.checked_add(1)?,
            (Some(greatest), Some(token)) => (token > greatest).then_some(token)?,
        };
        let next = Fence { holder: grip.owner, token: grip.token, greatest: Some(greatest) };
        fence.holder.is_none().then_some(next)
    }

    fn release(&self, fence: &Fence, grip: &Grip) -> Option<Fence> {
        if fence.holder.is_none() || fence.holder != grip.owner {
            return None;
        }
        let greatest = match (fence.token, grip.token) {
            (_, None) => fence.greatest,
            (Some(own), Some(token)) => (own == token).then_some(fence.greatest)?,
            // Now it is known which token it was.
            (None, Some(token)) => (Some(token) >= fence.greatest).then_some(Some(token))?,
        };
        Some(Fence { holder: None, token: None, greatest })
    }

    /// A token that is known is the greatest from then on.
    fn settles(&self, grip: &Grip) -> bool {
        grip.token.is_some()
    }

    fn clash(&self, fence: &Fence, op: &LockOp) -> String {
        match (op, fence) {
            (LockOp::Acquire(_), Fence { holder: None, greatest: Some(greatest), .. }) => {
                format!(" after a token of {greatest} or more had been given")
            }
            (_, Fence { holder, token: Some(token), .. }) => {
                format!("{} with token {token}", held_by_another(*holder))
            }
            (_, Fence { holder, .. }) => held_by_another(*holder),
        }
    }

    fn describe(&self, fence: &Fence) -> String {
        let token = match (fence.holder, fence.token, fence.greatest) {
            (_, _, None) => String::new(),
            (Some(_), Some(token), _) => format!(" with token {token}"),
            (Some(_), None, Some(_)) => " with an unknown token".into(),
            (None, _, Some(greatest)) => format!(", after tokens up to {greatest}"),
        };
        let held = fence.holder.map_or("free".into(), |holder| format!("held by {holder}"));
        held + &token
    }
}
