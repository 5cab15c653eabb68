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

/// Most states of which the pure operations are remembered: a power of two.
const PURE: usize = 1 << 14;
/// Most uses that are remembered, of as many states as that makes, and of how many states at most
/// and at least: powers of two.
const USES: usize = 1 << 17;
const MOST_USES_OF: usize = 1 << 12;
const LEAST_USES_OF: usize = 1 << 4;

/// The slots of pending pure operations that are legal in a state.
struct Pure<W> {
    state: u32,
    /// The window for which that is so.
    version: u32,
    legal: W,
}

/// The uses of crashed classes that are worth a try in a state.
#[derive(Clone, Default)]
struct Uses {
    state: u32,
    /// The span for which that is so; 0: nothing is known.
    stamp: u32,
    all: Vec<Use>,
}

/// What was found out, of the states that were asked about last: where another one has its place
/// it is forgotten. So it takes no more memory where there are many states.
pub(crate) struct Moves<W> {
    /// By state, from its last bits.
    pure: Vec<Pure<W>>,
    uses: Vec<Uses>,
}

impl<W: Word> Moves<W> {
    pub(crate) fn new() -> Moves<W> {
        Moves { pure: Vec::new(), uses: Vec::new() }
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
        let place = state as usize & (PURE - 1);
        if self.pure.len() <= place {
            let room = self.pure.capacity();
            let new = place + 1 - self.pure.len();
            let nothing = || Pure { state: 0, version: 0, legal: layout.empty() };
            self.pure.resize_with(place + 1, nothing);
            let more = (self.pure.capacity() - room) * size_of::<Pure<W>>();
            grid.take(more as u64 + new as u64 * layout.empty().heap_bytes());
        }
        let known = &mut self.pure[place];
        if (known.state, known.version) != (state, window.version) {
            (known.state, known.version) = (state, window.version);
            known.legal.as_mut().fill(0);
            for open in &window.open {
                let free = grid.is_pure(open.class) || rules.has(Bug::WriteOfSameIsPure);
                if free && grid.step(state, open.class) == Next::One(state) {
                    known.legal.set(open.slot);
                }
            }
        }
        word.or(&known.legal);
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
        let places = (USES / crashed.len().next_power_of_two()).clamp(LEAST_USES_OF, MOST_USES_OF);
        let place = state as usize & (places - 1);
        if self.uses.len() <= place {
            let room = self.uses.capacity();
            self.uses.resize(place + 1, Uses::default());
            grid.take(((self.uses.capacity() - room) * size_of::<Uses>()) as u64);
        }
        let stamp = span.map_or(1, |(number, _)| number + 2);
        let known = &mut self.uses[place];
        if (known.state, known.stamp) == (state, stamp) {
            return &self.uses[place].all;
        }
        let room = known.all.capacity();
        (known.state, known.stamp) = (state, stamp);
        known.all.clear();
        let always = rules.has(Bug::CrashedMustHappen);
        for (lane, crashed) in (0..).zip(crashed) {
            for branch in 0.. {
                let Some(next) = grid.branch(state, crashed.class, branch) else { break };
                let worth = always
                    || next != state && span.is_none_or(|(_, span)| !span.simulates(state, next));
                if worth {
                    known.all.push(Use { lane, branch, next });
                }
            }
        }
        grid.take(((known.all.capacity() - room) * size_of::<Use>()) as u64);
        &self.uses[place].all
    }
}
