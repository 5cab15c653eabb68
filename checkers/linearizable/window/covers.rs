//! Crashed classes that can stand in for others.
//!
//! A crashed `write 3` can do whatever a crashed `cas 1 3` can: it is legal wherever that is, and
//! leads to the same state. So of two configurations with the same layer, bits and state, one may
//! have used more of a *covered* class than the other, if it saved as many of the class that
//! covers: it *dominates* all the same. Take a continuation of the other. Where that uses the
//! covered class for the first time, and again until what is lacking is made up, use the covering
//! one; after that both have used the same number of the covered class. The covering class is
//! there when it is needed: whatever the other has used of it was invoked by then, and with all
//! that stands in the one has used no more.

use super::super::rules::{Bug, Rules};
use super::plan::Crashed;
use super::table::Grid;
use super::word::{Lane, Layout, Word};

/// Which lanes stand in for which.
pub(crate) struct Covers<W> {
    /// Guards of lanes for which none stands in.
    firm: W,
    /// By bit of a guard: its lane, and the number of the one that stands in for it.
    lanes: Vec<(Lane, u32)>,
}

impl<W: Word> Covers<W> {
    /// `None` if no class covers another. `grid` is complete.
    pub(crate) fn new(
        grid: &mut Grid<'_>,
        crashed: &[Crashed],
        layout: &Layout<W>,
        rules: Rules,
    ) -> Option<Covers<W>> {
        let states = grid.source.len() as u32;
        let rows: Vec<Vec<Option<u32>>> = crashed
            .iter()
            .map(|crashed| (0..states).map(|state| grid.branch(state, crashed.class, 0)).collect())
            .collect();
        let partly = rules.has(Bug::CoversSomewhere);
        let covers = |one: usize, other: usize| {
            let mut pairs = rows[one].iter().zip(&rows[other]);
            let agrees = |one: &Option<u32>, other: &Option<u32>| {
                other.is_none() || one == other || partly && one.is_none()
            };
            one != other && pairs.all(|(one, other)| agrees(one, other))
        };
        // Of classes that cover each other the first counts.
        let below = |lane: usize, other: usize| {
            covers(other, lane) && (other < lane || !covers(lane, other))
        };
        let all = 0..crashed.len();
        let roots: Vec<usize> =
            all.clone().filter(|lane| !all.clone().any(|other| below(*lane, other))).collect();
        let mut firm = layout.guards.clone();
        let mut lanes = vec![(Lane::default(), 0); 64 * layout.shape.words];
        for lane in all.filter(|lane| !roots.contains(lane)) {
            let Some(root) = roots.iter().find(|root| covers(**root, lane)) else { continue };
            let guard = layout.shape.lanes[lane].guard();
            firm.clear(guard);
            lanes[guard as usize] = (layout.shape.lanes[lane], *root as u32);
        }
        let some = !firm.same(&layout.guards, &layout.guards);
        some.then_some(Covers { firm, lanes })
    }

    /// Whether `one`, with the same bits as `other`, can do whatever that can.
    pub(crate) fn dominates(&self, layout: &Layout<W>, one: &W, other: &W) -> bool {
        let mut lacking = layout.empty();
        let words = lacking.as_mut().iter_mut().zip(one.as_ref()).zip(other.as_ref());
        for (at, ((lacking, one), other)) in words.enumerate() {
            let guards = layout.guards.as_ref()[at];
            *lacking = guards & !(other | guards).wrapping_sub(*one);
            if *lacking & self.firm.as_ref()[at] != 0 {
                return false;
            }
        }
        let mut several = 0;
        for at in 0..lacking.as_ref().len() {
            let mut left = lacking.as_ref()[at];
            while left != 0 {
                // Most often nothing was saved, and one look is enough.
                if self.lacks(layout, one, other, 64 * at as u32 + left.trailing_zeros()).is_none()
                {
                    return false;
                }
                several += 1;
                left &= left - 1;
            }
        }
        several < 2 || self.saved_enough(layout, one, other, &lacking)
    }

    /// What `one` lacks of the lane with this guard, if it saved that much of the covering one.
    fn lacks(&self, layout: &Layout<W>, one: &W, other: &W, guard: u32) -> Option<u32> {
        let (covered, root) = self.lanes[guard as usize];
        let lacks = one.get(covered) - other.get(covered);
        let root = layout.shape.lanes[root as usize];
        (one.get(root) + lacks <= other.get(root)).then_some(lacks)
    }

    /// Whether what was saved makes up for all that is lacking together.
    fn saved_enough(&self, layout: &Layout<W>, one: &W, other: &W, lacking: &W) -> bool {
        bits(lacking).all(|guard| {
            let (_, root) = self.lanes[guard as usize];
            let same = bits(lacking).filter(|guard| self.lanes[*guard as usize].1 == root);
            let lacks: u32 = same
                .map(|guard| self.lacks(layout, one, other, guard).unwrap_or(u32::MAX >> 8))
                .sum();
            let root = layout.shape.lanes[root as usize];
            one.get(root) + lacks <= other.get(root)
        })
    }
}

fn bits<W: Word>(word: &W) -> impl Iterator<Item = u32> {
    (0..).zip(word.as_ref()).flat_map(|(at, word)| {
        let mut left = *word;
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(64 * at + bit)
        })
    })
}
