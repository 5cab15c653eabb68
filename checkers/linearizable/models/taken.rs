//! Values that were taken out of a container more often than they can have been put in.
//!
//! Whatever is next: of one value there are inside at any instant those that were put in before
//! and not taken out yet. So of each value two necessary conditions, where "may have been put" is
//! said of every put that was invoked before the event in question, answered or not:
//!
//! 1. When so many takes of it had returned, at least as many may have been put.
//! 2. When a peek that saw it returned, more may have been put than takes of it had returned before
//!    it was invoked.
//!
//! Takes of which nobody knows what they took cannot help: they make it less. Knows no search: what
//! is suspected here is decided by others.

use rustc_hash::FxHashMap;
use tribunal_history::Value;

use super::ContainerOp;
use crate::linearizable::{Entry, NEVER};
use crate::planted::Planted;

/// A mistake planted by a test. None makes a verdict wrong, for a suspect is decided; each has one
/// named that is not guilty, or one missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bug {
    /// Puts that are pending are not in yet.
    PutAtReturn,
    /// Puts that crashed did not happen.
    CrashedForgotten,
    /// A peek takes what it sees.
    PeekTakes,
    /// What is taken while a peek looks was taken before.
    OverlapIsEarlier,
    /// A value that may have been put once may be taken for ever.
    OnceIsEnough,
    /// Nobody asks what a peek saw.
    PeeksIgnored,
}

/// Which of them, if any.
pub(crate) type Slips = Planted<Bug>;

/// What was done with one value.
#[derive(Default)]
struct Seen {
    /// From when on each may be inside.
    puts: Vec<u32>,
    /// Call and return.
    takes: Vec<(u32, u32)>,
    peeks: Vec<(u32, u32)>,
}

/// The value that a completed operation found although it cannot have been inside: of the one that
/// returned first. O(n log n).
pub(crate) fn suspects(entries: &[Entry], ops: &[ContainerOp], slips: Slips) -> Option<Vec<Value>> {
    let mut values: FxHashMap<&Value, Seen> = FxHashMap::default();
    for entry in entries {
        let op = &ops[entry.class as usize];
        let (ContainerOp::Put(value)
        | ContainerOp::Take(Some(value))
        | ContainerOp::Peek(Some(value))) = op
        else {
            continue;
        };
        let seen = values.entry(value).or_default();
        let span = (entry.call, entry.ret);
        match op {
            ContainerOp::Put(_) if entry.ret == NEVER && slips.has(Bug::CrashedForgotten) => {}
            ContainerOp::Put(_) if slips.has(Bug::PutAtReturn) => seen.puts.push(entry.ret),
            ContainerOp::Put(_) => seen.puts.push(entry.call),
            // Without its answer it would not be known which value it is about.
            _ if entry.ret == NEVER => {}
            ContainerOp::Peek(_) if slips.has(Bug::PeekTakes) => seen.takes.push(span),
            ContainerOp::Peek(_) => seen.peeks.push(span),
            _ => seen.takes.push(span),
        }
    }
    let refuted =
        values.into_iter().filter_map(|(value, seen)| Some((seen.refuted(slips)?, value)));
    refuted.min().map(|(_, value)| vec![value.clone()])
}

impl Seen {
    /// The first return by which it was found too often.
    fn refuted(mut self, slips: Slips) -> Option<u32> {
        self.puts.sort_unstable();
        self.takes.sort_unstable_by_key(|(_, ret)| *ret);
        let may_be_in = |ret: u32| match self.puts.partition_point(|call| *call < ret) {
            0 => 0,
            _ if slips.has(Bug::OnceIsEnough) => usize::MAX,
            puts => puts,
        };
        let mut takes = (1..).zip(&self.takes).map(|(taken, (_, ret))| (taken, *ret));
        let take = takes.find(|(taken, ret)| *taken > may_be_in(*ret));
        let peeks = self.peeks.iter().filter(|_| !slips.has(Bug::PeeksIgnored));
        let peek = peeks.filter_map(|(call, ret)| {
            let before = if slips.has(Bug::OverlapIsEarlier) { *ret } else { *call };
            let gone = self.takes.partition_point(|(_, taken)| *taken < before);
            (gone >= may_be_in(*ret)).then_some(*ret)
        });
        take.map(|(_, ret)| ret).into_iter().chain(peek).min()
    }
}
