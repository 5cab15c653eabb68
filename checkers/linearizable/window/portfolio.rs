//! Depth first and breadth first by turns: alone, the first loses two orders of magnitude on
//! invalid histories with crashed operations, the second three on valid ones.
//!
//! The switch counts configurations, not time: the same history always has the same winner.

use super::super::aside::aside;
use super::super::found::{Dead, Found, Progress, Took};
use super::super::meter::{Ledger, Meter};
use super::super::rules::{Bug, Rules};
use super::super::{Entry, Model, Problem, unseen};
use super::bfs::{Breadth, Layer};
use super::covers::Covers;
use super::dfs::Depth;
use super::memo::Config;
use super::plan::{Cursor, Plan, Window};
use super::relevance::Relevance;
use super::table::{Grid, States, Table};
use super::trail::replay;
use super::word::{Layout, Shape, Word};
use crate::Spent;

/// Which configuration is taken next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Depth,
    Breadth,
}

/// A decision, the states it names, and what it took.
pub(crate) struct Decision<S> {
    pub(crate) found: Found,
    /// The states behind [`Dead::states`].
    pub(crate) states: Vec<S>,
    /// Whether these are all that are possible there.
    pub(crate) complete: bool,
    pub(crate) took: Took,
}

/// What the orders of a search share.
pub(crate) struct Context<'p, 'g, 'l, W> {
    pub(crate) plan: &'p Plan<'p>,
    pub(crate) layout: &'p Layout<W>,
    pub(crate) grid: Grid<'g>,
    pub(crate) relevance: Option<Relevance<W>>,
    pub(crate) covers: Option<Covers<W>>,
    pub(crate) rules: Rules,
    pub(crate) meter: Meter<'l, 'l>,
}

/// Decides one partition within `limit` configurations of its own.
pub(crate) fn decide<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    ledger: &Ledger<'_>,
    limit: u64,
    rules: Rules,
) -> Decision<M::State> {
    decide_by(model, problem, ledger, limit, rules, None)
}

/// The same, by one order only.
pub(crate) fn decide_by<M: Model>(
    model: &M,
    problem: &Problem<M::Op>,
    ledger: &Ledger<'_>,
    limit: u64,
    rules: Rules,
    only: Option<Order>,
) -> Decision<M::State> {
    let mut states = States::merging(model, &problem.ops);
    let mut table = Table::new(&states, ledger.most_bytes() / 16);
    let grid = Grid { table: &mut table, source: &mut states };
    let (found, took) = match unseen::seen(model, problem, rules, &|| ledger.is_cancelled()) {
        None => search(grid, &problem.entries, ledger, limit, rules, only),
        Some(kept) => {
            let few: Vec<Entry> = kept.iter().map(|at| problem.entries[*at as usize]).collect();
            let _held = ledger.hold((few.len() * (size_of::<Entry>() + 4)) as u64);
            let (found, took) = search(grid, &few, ledger, limit, rules, only);
            (found.at(&kept), took)
        }
    };
    let impure = table.impure;
    let found = match impure {
        Some((state, class)) => {
            let words = model.words(&problem.ops[class as usize]);
            Found::Impure(model.describe_state(states.get(state)), words.past)
        }
        None => found,
    };
    let told = match &found {
        Found::Dead(dead) => dead.states.iter().map(|at| states.get(*at).clone()).collect(),
        Found::Linearization(_) | Found::Spent(..) | Found::Impure(..) => Vec::new(),
    };
    let complete = !states.has_turned_back();
    if matches!(found, Found::Spent(Spent::Time, _)) {
        states.free_aside();
    }
    Decision { found, states: told, complete, took }
}

/// Decides `entries`, by call, of which `grid` knows the transitions.
pub(crate) fn search(
    grid: Grid<'_>,
    entries: &[Entry],
    ledger: &Ledger<'_>,
    limit: u64,
    rules: Rules,
    only: Option<Order>,
) -> (Found, Took) {
    let unordered;
    let entries = if rules.has(Bug::RealTimeIgnored) {
        unordered = without_real_time(entries);
        &unordered
    } else {
        entries
    };
    let plan = Plan::new(entries, grid.source.classes());
    let most = plan.crashed.iter().map(|crashed| crashed.entries.len() as u32);
    let shape = Shape::new(plan.slots, most);
    match shape.words {
        1 => alternate::<[u64; 1]>(grid, &plan, shape, ledger, limit, rules, only),
        2 => alternate::<[u64; 2]>(grid, &plan, shape, ledger, limit, rules, only),
        3 => alternate::<[u64; 3]>(grid, &plan, shape, ledger, limit, rules, only),
        _ => alternate::<Box<[u64]>>(grid, &plan, shape, ledger, limit, rules, only),
    }
}

/// For [`Bug::RealTimeIgnored`]: every operation is invoked before any returns.
fn without_real_time(entries: &[Entry]) -> Vec<Entry> {
    let calls = entries.len() as u32;
    let entries = (0..).zip(entries);
    entries.map(|(at, e)| Entry { call: at, ret: e.ret.saturating_add(calls), ..*e }).collect()
}

fn alternate<W: Word>(
    grid: Grid<'_>,
    plan: &Plan<'_>,
    shape: Shape,
    ledger: &Ledger<'_>,
    limit: u64,
    rules: Rules,
    only: Option<Order>,
) -> (Found, Took) {
    let layout = Layout::<W>::new(shape);
    let meter = ledger.meter(limit);
    let (relevance, covers) = (None, None);
    let mut cx = Context { plan, layout: &layout, grid, relevance, covers, rules, meter };
    // A table outlives a search, and accounts end with them.
    cx.grid.table.unaccounted();
    let mut search = Portfolio { depth: Depth::new(&cx), breadth: None, only };
    let (found, engine) = match cx.meter.reserve(plan.bytes()) {
        Ok(()) => search.run(&mut cx),
        Err(spent) => (Err(spent), "none"),
    };
    let found = found.unwrap_or_else(|spent| Found::Spent(spent, search.progress(&cx)));
    if matches!(found, Found::Spent(Spent::Time, _)) {
        aside((search.depth, search.breadth));
    }
    let (configurations, peak_bytes) = (cx.meter.configurations, cx.meter.peak_bytes);
    (found, Took { configurations, peak_bytes, engine })
}

struct Portfolio<W> {
    depth: Depth<W>,
    /// Begun when the other has had its turn.
    breadth: Option<(Breadth<W>, Cursor)>,
    only: Option<Order>,
}

impl<W: Word> Portfolio<W> {
    fn run(&mut self, cx: &mut Context<'_, '_, '_, W>) -> (Result<Found, Spent>, &'static str) {
        let mut quota = 64 * (1 + u64::from(cx.plan.layers()));
        loop {
            if self.only != Some(Order::Breadth) {
                let until = cx.meter.configurations.saturating_add(quota);
                match self.depth.go_on(cx, until) {
                    Ok(None) => {}
                    Ok(Some(Ok(order))) => return (Ok(Found::Linearization(order)), "wgl-depth"),
                    Ok(Some(Err(dead))) => return (Ok(Found::Dead(dead)), "wgl-depth"),
                    Err(spent) => return (Err(spent), "wgl-depth"),
                }
            }
            if self.only != Some(Order::Depth) {
                let until = cx.meter.configurations.saturating_add(quota);
                match self.widen(cx, until) {
                    Ok(None) => {}
                    Ok(Some(found)) => return (Ok(found), "wgl-breadth"),
                    Err(spent) => return (Err(spent), "wgl-breadth"),
                }
            }
            quota = quota.saturating_mul(2);
        }
    }

    fn widen(
        &mut self,
        cx: &mut Context<'_, '_, '_, W>,
        until: u64,
    ) -> Result<Option<Found>, Spent> {
        let (breadth, cursor) = self.breadth.get_or_insert_with(|| {
            cx.relevance = {
                let (grid, meter) = (&mut cx.grid, &cx.meter);
                let (bytes, stop) = (meter.spare(), || meter.look().is_err());
                let bytes = grid.table.accounted.saturating_add(bytes);
                Relevance::new(grid, cx.plan, cx.layout, cx.rules, bytes, &stop)
            };
            if cx.relevance.is_some() {
                let crashed = &cx.plan.crashed;
                cx.covers = Covers::new(&mut cx.grid, crashed, cx.layout, cx.rules);
            }
            (Breadth::new(cx.layout, true), cx.plan.cursor())
        });
        while cx.meter.configurations < until {
            if cursor.layer == cx.plan.layers() {
                let ended = breadth.frontier().find(|config| cx.may_end(&config.word));
                return Ok(Some(match ended {
                    Some(config) => {
                        let choices = breadth.trail.to(config.tag);
                        Found::Linearization(replay(
                            cx.plan,
                            &mut cx.grid,
                            cx.layout,
                            &choices,
                            cx.rules,
                        ))
                    }
                    None => Found::Dead(dead(cx, breadth, cursor.layer - 1)),
                }));
            }
            match breadth.layer(cx, &cursor.window, cursor.layer, until)? {
                Layer::Paused => break,
                Layer::Passed => cursor.forward(cx.plan),
                Layer::Dead => return Ok(Some(Found::Dead(dead(cx, breadth, cursor.layer)))),
            }
        }
        Ok(None)
    }

    /// Of the order that came further.
    fn progress(&self, cx: &Context<'_, '_, '_, W>) -> Progress {
        let layers = cx.plan.layers();
        let breadth = self.breadth.as_ref();
        let further = breadth.filter(|(_, cursor)| cursor.layer >= self.depth.deepest());
        let layer = further.map_or(self.depth.deepest(), |(_, cursor)| cursor.layer);
        // Once over what may be much, and no list of it.
        let lanes = &cx.layout.shape.lanes;
        let (mut frontier, mut most) = (0, vec![0; lanes.len()]);
        let mut count = |config: &Config<W>| {
            frontier += 1;
            for (most, lane) in most.iter_mut().zip(lanes) {
                *most = config.word.get(*lane).max(*most);
            }
        };
        match further {
            Some((breadth, _)) => breadth.frontier().for_each(&mut count),
            None => self.depth.frontier().for_each(&mut count),
        }
        let crashed = cx.plan.crashed.iter().zip(most);
        let crashed = crashed.map(|(crashed, used)| (crashed.entries[0], used)).collect();
        Progress { layer, layers, frontier, bytes: cx.meter.peak_bytes, crashed }
    }
}

fn dead<W: Word>(cx: &mut Context<'_, '_, '_, W>, breadth: &Breadth<W>, layer: u32) -> Dead {
    let choices = breadth.trail.to(breadth.furthest());
    let mut states: Vec<u32> = breadth.frontier().map(|config| config.state).collect();
    states.sort_unstable();
    states.dedup();
    Dead {
        entry: cx.plan.returns[layer as usize],
        rank: cx.plan.returning(layer).ret,
        prefix: replay(cx.plan, &mut cx.grid, cx.layout, &choices, cx.rules),
        states,
    }
}

impl<W: Word> Context<'_, '_, '_, W> {
    /// One more configuration.
    pub(crate) fn visit(&mut self) -> Result<(), Spent> {
        if std::mem::take(&mut self.grid.table.grew) {
            let bytes = self.grid.bytes();
            let more = bytes.saturating_sub(self.grid.table.accounted);
            self.grid.table.accounted += more;
            self.meter.reserve(more)?;
            // What was not known before was computed, which may have taken long.
            self.meter.look()?;
        }
        self.meter.visit()
    }

    /// How many of a crashed class may be used in `window`.
    pub(crate) fn available(&self, window: &Window, lane: u32) -> u32 {
        let available = window.available[lane as usize];
        if self.rules.has(Bug::CountersSaturate) { available.min(1) } else { available }
    }

    /// Whether `own`, which returns next, cannot be linearized any more. It is illegal here and
    /// stays so, and nothing passes its return without it.
    pub(crate) fn is_lost(&mut self, state: u32, own: u32) -> bool {
        match self.rules.has(Bug::IllegalIsLost) {
            true => self.grid.branch(state, own, 0).is_none(),
            false => self.grid.is_lost(state, own),
        }
    }

    /// Always, but for [`Bug::CrashedHelpsAtOnce`].
    pub(crate) fn helps(&mut self, next: u32, own: u32) -> bool {
        !self.rules.has(Bug::CrashedHelpsAtOnce) || self.grid.branch(next, own, 0).is_some()
    }

    /// Whether a configuration that passed every return is an end: always, but for
    /// [`Bug::CrashedMustHappen`].
    pub(crate) fn may_end(&self, word: &W) -> bool {
        let crashed = self.plan.crashed.iter().zip(&self.layout.shape.lanes);
        let mut used = crashed.map(|(crashed, lane)| (crashed.entries.len(), word.get(*lane)));
        !self.rules.has(Bug::CrashedMustHappen) || used.all(|(all, used)| all == used as usize)
    }
}
