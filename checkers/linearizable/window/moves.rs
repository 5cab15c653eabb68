//! What can be done from a state in a window, remembered while the window stands.
//!
//! **Purity.** A pending pure operation that is legal now is linearized now. Take a continuation
//! that succeeds and move the operation here: it is legal here, its absence later changes no
//! state, and whatever must precede it returned before its call.

use super::super::rules::{Bug, Rules};
use super::plan::{Crashed, Window};
use super::relevance::Span;
use super::table::{Grid, Next};
use super::word::{Layout, Word};

/// One way to use a crashed class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Use {
    pub(crate) lane: u32,
    pub(crate) branch: u32,
    pub(crate) next: u32,
}

/// What was found out per state.
pub(crate) struct Moves<W> {
    /// By state: for which window, and the slots of pending pure operations legal there.
    pure: Vec<(u32, W)>,
    /// By state: for which span, and the uses of crashed classes that are worth a try.
    uses: Vec<(u32, Vec<Use>)>,
}

impl<W: Word> Moves<W> {
    pub(crate) fn new() -> Moves<W> {
        Moves { pure: Vec::with_capacity(8), uses: Vec::new() }
    }

    /// Linearizes in `word` the pending pure operations that are legal in `state`.
    pub(crate) fn close(
        &mut self,
        grid: &mut Grid<'_>,
        window: &Window,
        layout: &Layout<W>,
        rules: Rules,
        state: u32,
        word: &mut W,
    ) {
        while self.pure.len() <= state as usize {
            self.pure.push((0, layout.empty()));
        }
        let (version, legal) = &mut self.pure[state as usize];
        if *version != window.version {
            *version = window.version;
            legal.as_mut().fill(0);
            for open in &window.open {
                let free = grid.is_pure(open.class) || rules.has(Bug::WriteOfSameIsPure);
                if free && grid.step(state, open.class) == Next::One(state) {
                    legal.set(open.slot);
                }
            }
        }
        word.or(legal);
    }

    /// The same where only operations from entry `fresh` on were called since `word` was closed.
    pub(crate) fn close_fresh(
        grid: &mut Grid<'_>,
        window: &Window,
        fresh: u32,
        rules: Rules,
        state: u32,
        word: &mut W,
    ) {
        for open in window.open.iter().filter(|open| open.entry >= fresh) {
            let free = grid.is_pure(open.class) || rules.has(Bug::WriteOfSameIsPure);
            if free && grid.step(state, open.class) == Next::One(state) {
                word.set(open.slot);
            }
        }
    }

    /// The uses of crashed classes that are worth a try in `state`: where the state changes, and
    /// to one that the state before cannot stand in for. Elsewhere not using it dominates.
    pub(crate) fn uses(
        &mut self,
        grid: &mut Grid<'_>,
        crashed: &[Crashed],
        span: Option<(u32, &Span<W>)>,
        rules: Rules,
        state: u32,
    ) -> &[Use] {
        if self.uses.len() <= state as usize {
            self.uses.resize(state as usize + 1, (0, Vec::new()));
        }
        let stamp = span.map_or(1, |(number, _)| number + 2);
        let (known, uses) = &mut self.uses[state as usize];
        if *known == stamp {
            return uses;
        }
        *known = stamp;
        uses.clear();
        let always = rules.has(Bug::CrashedMustHappen);
        for (lane, crashed) in (0..).zip(crashed) {
            for branch in 0.. {
                let Some(next) = grid.branch(state, crashed.class, branch) else { break };
                let worth = always
                    || next != state && span.is_none_or(|(_, span)| !span.simulates(state, next));
                if worth {
                    uses.push(Use { lane, branch, next });
                }
            }
        }
        uses
    }
}
