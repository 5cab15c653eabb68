//! Breadth first, layer by layer: refutes an invalid history without wandering, and needs no
//! memory but the configurations of one layer.
//!
//! At a return, configurations that have linearized its operation pass; the others are expanded
//! until they have (Lowe 2017, just-in-time linearization). Nothing can come back to a layer that
//! was left. If none passes, this is the earliest return that no order passes, and the
//! configurations of the layer are the reason.

use super::super::rules::Bug;
use super::memo::{Compare, Config, Memo, Remembered, VACANT};
use super::moves::Moves;
use super::plan::Window;
use super::portfolio::Context;
use super::table::INITIAL;
use super::trail::{CRASHED, Choice, ROOT, Trail};
use super::word::{Layout, Word};
use crate::Spent;

/// Configurations closed between two looks at the caller's flag.
const POLL: usize = 1 << 12;

/// What became of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Layer {
    /// There is more to do.
    Paused,
    /// Some configurations pass.
    Passed,
    /// None does.
    Dead,
}

/// The frontier, and how far its layer was worked through.
pub(crate) struct Breadth<W> {
    /// Configurations that passed the return before.
    front: Vec<Config<W>>,
    front_bytes: u64,
    /// Those of this layer, from `front` and further.
    here: Memo<W, false>,
    moves: Moves<W>,
    pub(crate) trail: Trail,
    entered: bool,
    /// All of `here` before this was expanded, but for `again`.
    next: usize,
    again: Vec<u32>,
    again_bytes: u64,
    /// Whether orders are of interest.
    orders: bool,
}

impl<W: Word> Breadth<W> {
    pub(crate) fn new(layout: &Layout<W>, orders: bool) -> Breadth<W> {
        Breadth {
            front: vec![Config { tag: ROOT, state: INITIAL, word: layout.empty() }],
            front_bytes: 0,
            here: Memo::new(),
            moves: Moves::new(),
            trail: Trail::default(),
            entered: false,
            next: 0,
            again: Vec::new(),
            again_bytes: 0,
            orders,
        }
    }

    /// The same frontier in another layout, between two layers.
    pub(crate) fn convert<V: Word>(&self, from: &Layout<W>, to: &Layout<V>) -> Breadth<V> {
        let front = self.front.iter().map(|config| Config {
            tag: config.tag,
            state: config.state,
            word: to.convert(from, &config.word),
        });
        let mut breadth = Breadth::new(to, self.orders);
        breadth.front = front.collect();
        breadth
    }

    /// Works on the layer before the next return of `window` until about `until` configurations
    /// were visited in all. After `Passed`, the window is to be moved.
    pub(crate) fn layer(
        &mut self,
        cx: &mut Context<'_, '_, '_, W>,
        window: &Window,
        layer: u32,
        until: u64,
    ) -> Result<Layer, Spent> {
        let own = window.next_return();
        if !self.entered {
            if self.orders {
                self.trail.cut_back(self.front.iter_mut().map(|c| &mut c.tag), &mut cx.meter)?;
            }
            self.close(cx, window, layer)?;
            if self.front.iter().all(|config| config.word.has(own.slot)) {
                cx.visit()?;
                self.front.iter_mut().for_each(|config| config.word.clear(own.slot));
                return Ok(Layer::Passed);
            }
            self.enter(cx)?;
        }
        loop {
            let at = match self.again.pop() {
                Some(at) => at,
                None if self.next < self.here.arena.len() => {
                    self.next += 1;
                    self.next as u32 - 1
                }
                None => break,
            };
            self.expand(cx, window, layer, at)?;
            if cx.meter.configurations >= until {
                return Ok(Layer::Paused);
            }
        }
        self.leave(cx, own.slot)
    }

    fn close(
        &mut self,
        cx: &mut Context<'_, '_, '_, W>,
        window: &Window,
        layer: u32,
    ) -> Result<(), Spent> {
        let span = cx.relevance.as_ref().map(|relevance| relevance.at(layer).1);
        for (at, config) in self.front.iter_mut().enumerate() {
            if at.is_multiple_of(POLL) {
                cx.meter.look()?;
            }
            if let Some(span) = span {
                config.state = span.same_as[config.state as usize];
                config.word.and(&span.live);
            }
            let (state, word) = (config.state, &mut config.word);
            self.moves.close(&mut cx.grid, window, cx.layout, cx.rules, state, word);
        }
        Ok(())
    }

    fn enter(&mut self, cx: &mut Context<'_, '_, '_, W>) -> Result<(), Spent> {
        self.here.clear(&mut cx.meter);
        self.next = 0;
        self.entered = true;
        for config in self.front.drain(..) {
            cx.visit()?;
            let covers = cx.covers.as_ref();
            let compare = Compare { layout: cx.layout, covers, rules: cx.rules };
            self.here.insert(config, compare, &mut cx.meter)?;
        }
        Ok(())
    }

    /// Adds what is one operation further, unless the operation that returns was linearized.
    fn expand(
        &mut self,
        cx: &mut Context<'_, '_, '_, W>,
        window: &Window,
        layer: u32,
        at: u32,
    ) -> Result<(), Spent> {
        let own = window.next_return();
        let config = self.here.arena[at as usize].clone();
        if config.state == VACANT || config.word.has(own.slot) {
            return Ok(());
        }
        if cx.is_lost(config.state, own.class) {
            return Ok(());
        }
        for (place, open) in window.open.iter().enumerate().rev() {
            if config.word.has(open.slot) || window.yields(place, &config.word, cx.rules) {
                continue;
            }
            let mut branch = 0;
            while let Some(next) = cx.grid.branch(config.state, open.class, branch) {
                let mut word = config.word.clone();
                word.set(open.slot);
                self.add(cx, window, layer, (next, word), (config.tag, (open.entry, branch)))?;
                branch += 1;
            }
        }
        let span = cx.relevance.as_ref().map(|relevance| relevance.at(layer));
        let crashed = &cx.plan.crashed;
        let state = config.state;
        let uses = self.moves.uses(&mut cx.grid, crashed, span, cx.rules, state).len();
        for number in 0..uses {
            // By number, because adding may move what was found out.
            let span = cx.relevance.as_ref().map(|relevance| relevance.at(layer));
            let used = self.moves.uses(&mut cx.grid, crashed, span, cx.rules, state)[number];
            let lane = cx.layout.shape.lanes[used.lane as usize];
            let available = cx.available(window, used.lane);
            let class = crashed[used.lane as usize].class;
            if window.has_twin(class, &config.word, cx.rules) {
                continue;
            }
            if config.word.get(lane) < available && cx.helps(used.next, own.class) {
                let mut word = config.word.clone();
                word.count(lane);
                let choice = (CRASHED | used.lane, used.branch);
                self.add(cx, window, layer, (used.next, word), (config.tag, choice))?;
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        cx: &mut Context<'_, '_, '_, W>,
        window: &Window,
        layer: u32,
        (mut state, mut word): (u32, W),
        (before, choice): (u32, Choice),
    ) -> Result<(), Spent> {
        cx.visit()?;
        if let Some(relevance) = &cx.relevance {
            state = relevance.at(layer).1.same_as[state as usize];
        }
        self.moves.close(&mut cx.grid, window, cx.layout, cx.rules, state, &mut word);
        let compare = Compare { layout: cx.layout, covers: cx.covers.as_ref(), rules: cx.rules };
        let config = Config { tag: ROOT, state, word };
        if let Remembered::At(at) = self.here.insert(config, compare, &mut cx.meter)? {
            if (at as usize) < self.next && !cx.rules.has(Bug::ReplacedNotExpanded) {
                self.again.push(at);
                let bytes = 4 * self.again.capacity() as u64;
                cx.meter.reserve(bytes.saturating_sub(self.again_bytes))?;
                self.again_bytes = self.again_bytes.max(bytes);
            }
            if self.orders {
                let node = self.trail.push(before, choice, &mut cx.meter)?;
                self.here.arena[at as usize].tag = node;
            }
        }
        Ok(())
    }

    fn leave(&mut self, cx: &mut Context<'_, '_, '_, W>, slot: u32) -> Result<Layer, Spent> {
        let passed = self.here.live().filter(|config| config.word.has(slot)).count();
        if passed == 0 {
            return Ok(Layer::Dead);
        }
        if self.front.capacity() > 64 + 4 * passed {
            self.front = Vec::new();
        }
        let room = self.front.capacity().max(passed) * size_of::<Config<W>>();
        let bytes = room as u64 + passed as u64 * cx.layout.empty().heap_bytes();
        cx.meter.reserve(bytes.saturating_sub(self.front_bytes))?;
        cx.meter.give_back(self.front_bytes.saturating_sub(bytes));
        self.front_bytes = bytes;
        self.front.reserve_exact(passed);
        for config in self.here.live().filter(|config| config.word.has(slot)) {
            let mut config = config.clone();
            config.word.clear(slot);
            self.front.push(config);
        }
        self.here.clear(&mut cx.meter);
        self.entered = false;
        Ok(Layer::Passed)
    }

    /// Configurations of this layer, or if it was not begun those that came to it.
    pub(crate) fn frontier(&self) -> impl Iterator<Item = &Config<W>> {
        self.here.live().chain(self.front.iter())
    }

    /// States got other numbers, between two layers.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        self.front.iter_mut().for_each(|config| config.state = number(config.state));
        self.moves = Moves::new();
    }

    /// A configuration of this layer that came furthest, by its trail.
    pub(crate) fn furthest(&self) -> u32 {
        let tags = self.frontier().map(|config| config.tag);
        tags.max_by_key(|tag| if *tag == ROOT { 0 } else { tag + 1 }).unwrap_or(ROOT)
    }
}
