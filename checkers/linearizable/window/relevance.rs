//! Crashed operations that can make no difference any more.
//!
//! State `s` *simulates* `t` from a layer on iff every operation still to come that is legal in
//! `t` is legal in `s`, and leads to a state that simulates again. Whatever succeeds from `t`
//! succeeds from `s`: a crashed operation from `s` to `t` is dominated by not using it; states that
//! simulate each other are one; and the counter of a crashed class that is nowhere of use means
//! nothing. *Still to come* are completed operations that have not returned, pending ones with
//! them, and every crashed one. A failed compare-and-set is one of them: it tells the values it
//! did not expect from the one it did, so a crashed write that only it has seen is of use.
//!
//! The greatest simulation of a finite system (Milner 1971), computed from the last layer
//! backwards: every operation more only takes pairs away.

use super::super::rules::{Bug, Rules};
use super::plan::Plan;
use super::table::{Grid, Next};
use super::word::{Layout, Word};

/// Most states: a row of the relation is one word.
const STATES: usize = 64;
/// Most cells of the transitions.
const CELLS: usize = 1 << 14;

/// What is so from one layer on, up to where the next span begins.
#[derive(Clone, Debug)]
pub(crate) struct Span<W> {
    from: u32,
    /// By state: which states simulate it.
    simulators: Vec<u64>,
    /// By state: the first of those that simulate it and that it simulates.
    pub(crate) same_as: Vec<u32>,
    /// Everything but counters of classes that are of no use.
    pub(crate) live: W,
}

/// Spans in order.
pub(crate) struct Relevance<W> {
    spans: Vec<Span<W>>,
}

impl<W> Span<W> {
    /// Whether `one` can do whatever `other` can.
    pub(crate) fn simulates(&self, one: u32, other: u32) -> bool {
        self.simulators[other as usize] >> one & 1 == 1
    }
}

impl<W: Word> Relevance<W> {
    /// `None` where there are many states, or several next ones, or when told to stop.
    pub(crate) fn new(
        grid: &mut Grid<'_>,
        plan: &Plan<'_>,
        layout: &Layout<W>,
        rules: Rules,
        most_bytes: u64,
        stop: &dyn Fn() -> bool,
    ) -> Option<Relevance<W>> {
        let crashed: Vec<u32> = plan.crashed.iter().map(|crashed| crashed.class).collect();
        if crashed.is_empty() {
            return None;
        }
        // The last layer at which each class is still to come, latest first.
        let mut last: Vec<(u32, u32)> = Vec::new();
        let mut seen = vec![false; grid.source.classes()];
        for layer in (0..plan.layers()).rev() {
            let class = plan.returning(layer).class;
            if !std::mem::replace(&mut seen[class as usize], true) {
                last.push((layer, class));
            }
        }
        let mut classes = crashed.clone();
        classes.extend(last.iter().map(|(_, class)| *class));
        if classes.len() > CELLS || !grid.complete(&classes, STATES, most_bytes, stop) {
            return None;
        }
        let states = grid.source.len();
        if states * classes.len() > CELLS {
            return None;
        }
        let mut usable = crashed.clone();
        let mut simulators = vec![u64::MAX >> (64 - states); states];
        let mut spans: Vec<Span<W>> = Vec::new();
        let mut last = last.into_iter().peekable();
        loop {
            let early = u32::from(rules.has(Bug::RelevanceEndsEarly));
            let from = last.peek().map_or(0, |(layer, _)| (layer + 1).saturating_sub(early));
            refine(grid, &usable, &mut simulators);
            let span = span(grid, from, &crashed, &simulators, layout, rules);
            spans.push(span);
            let Some((layer, class)) = last.next() else { break };
            let asked = |pure: bool| !rules.has(Bug::RelevanceForgetsObservers) || !pure;
            usable.extend(Some(class).filter(|class| asked(grid.is_pure(*class))));
            while let Some((_, class)) = last.next_if(|(next, _)| *next == layer) {
                usable.push(class);
            }
        }
        spans.reverse();
        spans.dedup_by(|later, earlier| later.simulators == earlier.simulators);
        Some(Relevance { spans })
    }

    /// The span of `layer`, with its number.
    pub(crate) fn at(&self, layer: u32) -> (u32, &Span<W>) {
        let at = self.spans.partition_point(|span| span.from <= layer) - 1;
        (at as u32, &self.spans[at])
    }
}

/// Takes away pairs until none is wrong.
fn refine(grid: &mut Grid<'_>, usable: &[u32], simulators: &mut [u64]) {
    let mut next = Vec::with_capacity(simulators.len());
    loop {
        let mut changed = false;
        for class in usable {
            next.clear();
            next.extend((0..simulators.len() as u32).map(|state| grid.branch(state, *class, 0)));
            for (state, next_of_state) in next.iter().enumerate() {
                let Some(next_of_state) = *next_of_state else { continue };
                let mut kept = simulators[state];
                for (other, next_of_other) in next.iter().enumerate() {
                    let able = next_of_other
                        .is_some_and(|next| simulators[next_of_state as usize] >> next & 1 == 1);
                    if !able {
                        kept &= !(1 << other);
                    }
                }
                changed |= kept != simulators[state];
                simulators[state] = kept;
            }
        }
        if !changed {
            return;
        }
    }
}

fn span<W: Word>(
    grid: &mut Grid<'_>,
    from: u32,
    crashed: &[u32],
    simulators: &[u64],
    layout: &Layout<W>,
    rules: Rules,
) -> Span<W> {
    let simulates = |one: usize, other: usize| simulators[other] >> one & 1 == 1;
    let states = 0..simulators.len();
    let first_same = |state| {
        let mut same = states.clone();
        same.find(|other| simulates(state, *other) && simulates(*other, state))
            .expect("a state simulates itself") as u32
    };
    let same_as = states.clone().map(first_same).collect();
    let live: Vec<bool> = crashed
        .iter()
        .map(|class| {
            states.clone().any(|state| match grid.step(state as u32, *class) {
                Next::One(next) => !simulates(state, next as usize),
                Next::Illegal | Next::Several(_) => false,
            })
        })
        .collect();
    let dropped = rules.has(Bug::LanesDropped);
    let live = layout.keeping(|lane| live[lane] && !dropped);
    Span { from, simulators: simulators.to_vec(), same_as, live }
}
