//! A sequence that grows at its end and loses elements at either end: a list of cells with jump
//! pointers (Myers 1983), of which the last `len` count.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

/// An odd number without pattern, as the base of the rolling hash.
const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

type Link<T> = Option<Arc<Cell<T>>>;

/// A sequence. Adding at the end takes O(1), removing there O(1), at the front O(log n).
pub(crate) struct Sequence<T> {
    end: Link<T>,
    len: u32,
}

struct Cell<T> {
    element: T,
    /// Cells from the very first to this one.
    depth: u32,
    /// Of all elements up to this one.
    digest: u64,
    below: Link<T>,
    jump: Link<T>,
}

/// The same for equal things, on every machine.
pub(super) fn digest(thing: &impl Hash) -> u64 {
    // Fx leaves patterns in its bits; the finaliser of splitmix64 does not.
    let mut bits = FxBuildHasher.hash_one(thing);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl<T: Clone + Hash> Sequence<T> {
    /// Bytes that one more element takes.
    pub(crate) const ELEMENT_BYTES: u64 = size_of::<Cell<T>>() as u64 + 16;

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// This sequence with `element` at its end.
    pub(crate) fn with(&self, element: T) -> Sequence<T> {
        let below = self.end.clone();
        let jump = below.as_ref().map(|below| match &below.jump {
            Some(jump)
                if distance(below, jump) == jump.jump.as_ref().map_or(0, |j| distance(jump, j)) =>
            {
                jump.jump.clone().unwrap_or_else(|| below.clone())
            }
            Some(_) | None => below.clone(),
        });
        let before = below.as_ref().map_or((0, 0), |below| (below.depth, below.digest));
        let digest = before.1.wrapping_mul(BASE).wrapping_add(digest(&element));
        let cell = Cell { element, depth: before.0 + 1, digest, below, jump };
        Sequence { end: Some(Arc::new(cell)), len: self.len + 1 }
    }

    pub(crate) fn last(&self) -> Option<&T> {
        self.end.as_ref().map(|cell| &cell.element)
    }

    pub(crate) fn first(&self) -> Option<&T> {
        let end = self.end.as_ref()?;
        at(end, end.depth - self.len + 1).map(|cell| &cell.element)
    }

    pub(crate) fn without_last(&self) -> Sequence<T> {
        let below = self.end.as_ref().and_then(|end| end.below.clone());
        let len = self.len.saturating_sub(1);
        Sequence { end: below.filter(|_| len > 0), len }
    }

    pub(crate) fn without_first(&self) -> Sequence<T> {
        let len = self.len.saturating_sub(1);
        Sequence { end: self.end.clone().filter(|_| len > 0), len }
    }

    /// From the last to the first.
    pub(crate) fn backwards(&self) -> impl Iterator<Item = &T> {
        let mut link = &self.end;
        (0..self.len).map_while(move |_| {
            let cell = link.as_ref()?;
            link = &cell.below;
            Some(&cell.element)
        })
    }

    fn own_digest(&self) -> u64 {
        let Some(end) = &self.end else { return 0 };
        let before = at(end, end.depth - self.len).map_or(0, |cell| cell.digest);
        end.digest.wrapping_sub(before.wrapping_mul(BASE.wrapping_pow(self.len)))
    }
}

fn distance<T>(cell: &Cell<T>, below: &Cell<T>) -> u32 {
    cell.depth - below.depth
}

/// The cell of this depth at or below `end`.
fn at<T>(end: &Arc<Cell<T>>, depth: u32) -> Option<&Cell<T>> {
    let mut cell: &Cell<T> = end;
    while cell.depth > depth {
        let jump = cell.jump.as_deref().filter(|jump| jump.depth >= depth);
        cell = match jump {
            Some(jump) => jump,
            None => cell.below.as_deref()?,
        };
    }
    (cell.depth == depth).then_some(cell)
}

/// A long chain is taken apart cell by cell: the stack would not hold its destructors.
impl<T> Drop for Cell<T> {
    fn drop(&mut self) {
        let mut next = self.below.take();
        while let Some(mut cell) = next.and_then(Arc::into_inner) {
            next = cell.below.take();
        }
    }
}

impl<T> Default for Sequence<T> {
    fn default() -> Sequence<T> {
        Sequence { end: None, len: 0 }
    }
}

impl<T> Clone for Sequence<T> {
    fn clone(&self) -> Sequence<T> {
        Sequence { end: self.end.clone(), len: self.len }
    }
}

impl<T: Clone + Eq + Hash> PartialEq for Sequence<T> {
    fn eq(&self, other: &Sequence<T>) -> bool {
        if self.len != other.len || self.own_digest() != other.own_digest() {
            return false;
        }
        let (mut one, mut another) = (self.end.as_ref(), other.end.as_ref());
        for _ in 0..self.len {
            let (Some(here), Some(there)) = (one, another) else { return false };
            if Arc::ptr_eq(here, there) {
                return true;
            }
            if here.element != there.element {
                return false;
            }
            (one, another) = (here.below.as_ref(), there.below.as_ref());
        }
        true
    }
}

impl<T: Clone + Eq + Hash> Eq for Sequence<T> {}

impl<T: Clone + Hash> Hash for Sequence<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.len, self.own_digest()).hash(state);
    }
}

impl<T: fmt::Debug + Clone + Hash> fmt::Debug for Sequence<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut elements: Vec<&T> = self.backwards().collect();
        elements.reverse();
        f.debug_list().entries(elements).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::{Sequence, digest};

    proptest! {
        #[test]
        fn it_is_a_queue_and_a_stack(steps in prop::collection::vec((0u8..6, 0u8..5), 0..200)) {
            let (mut sequence, mut model) = (Sequence::default(), VecDeque::new());
            for (step, element) in steps {
                sequence = match step {
                    0 => {
                        model.pop_front();
                        sequence.without_first()
                    }
                    1 => {
                        model.pop_back();
                        sequence.without_last()
                    }
                    _ => {
                        model.push_back(element);
                        sequence.with(element)
                    }
                };
                prop_assert_eq!(sequence.len(), model.len());
                prop_assert!(sequence.backwards().eq(model.iter().rev()));
                prop_assert_eq!(sequence.first(), model.front());
                prop_assert_eq!(sequence.last(), model.back());
                let rebuilt = model.iter().fold(Sequence::default(), |all, one| all.with(*one));
                prop_assert!(rebuilt == sequence);
                prop_assert_eq!(digest(&rebuilt), digest(&sequence));
                prop_assert!(sequence != sequence.with(0));
            }
        }
    }

    #[test]
    fn a_long_one_is_dropped_without_a_deep_stack() {
        let mut sequence = Sequence::default();
        for element in 0..1_000_000_u32 {
            sequence = sequence.with(element);
        }
        for _ in 0..999_000 {
            sequence = sequence.without_first();
        }
        assert_eq!(sequence.first(), Some(&999_000));
        drop(sequence);
    }
}
