//! The reference search: Wing & Gong's, with the memo of Lowe, over a window.
//!
//! **Key.** Let the layer be the earliest return whose operation is not linearized. Every
//! operation that returned before it is linearized, and none that is called after it can be. So
//! (layer, one bit per operation pending there, state, crashed operations used) says all that a
//! bit set over the whole history would.
//!
//! **Purity.** A pending pure operation that is legal now is linearized now. Take a continuation
//! that succeeds and move the operation here: it is legal here, its absence later changes no
//! state, and whatever must precede it returned before its call.
//!
//! **Crashed classes.** Crashed operations with the same question are interchangeable: the k-th
//! use stands for the k-th call. They own no bit, only a counter, and counters are exact.
//!
//! **Dominance.** With the same layer, bits and state, whoever used no more of any crashed class
//! can do whatever the other can. The memo keeps only minimal counters.
//!
//! Two orders of the same search: depth first finds the order of a valid history at once, breadth
//! first (layer by layer) refutes an invalid one without wandering. `portfolio` alternates.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry as Slot;

use rustc_hash::FxHashMap;

use super::found::{Dead, Found, Progress, Took};
use super::mask::Mask;
use super::meter::Meter;
use super::plan::Plan;
use super::rules::{Bug, Rules};
use super::table::{Next, Table};
use super::{Model, Problem};
use crate::Spent;

/// Which configuration is taken next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Depth,
    Breadth,
}

#[derive(Clone)]
struct Config<K> {
    layer: u32,
    state: u32,
    mask: K,
    used: Box<[u32]>,
    /// Last step of the order that leads here.
    path: u32,
    /// Length of that order.
    length: u32,
}

struct Frame<K> {
    config: Config<K>,
    candidate: u32,
    branch: u32,
}

const ROOT: u32 = u32::MAX;

type Antichain = Vec<Box<[u32]>>;

/// A resumable search.
pub(super) struct Search<'p, 'l, 'b, M: Model, K: Mask> {
    plan: &'p Plan,
    table: Table<'p, M>,
    order: Order,
    rules: Rules,
    meter: Meter<'l, 'b>,
    memo: BTreeMap<u32, FxHashMap<(u32, K), Antichain>>,
    stack: Vec<Frame<K>>,
    /// Breadth only: configurations that wait for their layer.
    waiting: BTreeMap<u32, Vec<Config<K>>>,
    /// Steps of all orders: (step before, entry).
    steps: Vec<(u32, u32)>,
    deepest: (u32, u32, u32),
    started: bool,
    table_bytes: u64,
}

impl<'p, 'l, 'b, M: Model, K: Mask> Search<'p, 'l, 'b, M, K> {
    pub(super) fn new(
        model: &'p M,
        problem: &'p Problem<M::Op>,
        plan: &'p Plan,
        order: Order,
        meter: Meter<'l, 'b>,
        rules: Rules,
    ) -> Self {
        Search {
            plan,
            table: Table::new(model, &problem.ops),
            order,
            rules,
            meter,
            memo: BTreeMap::new(),
            stack: Vec::new(),
            waiting: BTreeMap::new(),
            steps: Vec::new(),
            deepest: (0, 0, ROOT),
            started: false,
            table_bytes: 0,
        }
    }

    /// Goes on for about `quota` configurations. `None`: not decided yet.
    pub(super) fn go_on(
        &mut self,
        model: &M,
        problem: &Problem<M::Op>,
        quota: u64,
    ) -> Option<Found> {
        let until = self.meter.configurations.saturating_add(quota);
        let found = match self.start() {
            Ok(None) => match self.order {
                Order::Depth => self.depth(until),
                Order::Breadth => self.breadth(until),
            },
            other => other,
        };
        if let Some((state, class)) = self.table.impure {
            let state = model.describe_state(self.table.state(state));
            return Some(Found::Impure(state, model.words(&problem.ops[class as usize]).past));
        }
        match found {
            Ok(found) => found,
            Err(spent) => Some(Found::Spent(spent, self.progress())),
        }
    }

    pub(super) fn took(&self) -> Took {
        Took {
            configurations: self.meter.configurations,
            peak_bytes: self.meter.peak_bytes,
            engine: match self.order {
                Order::Depth => "wgl-depth",
                Order::Breadth => "wgl-breadth",
            },
        }
    }

    /// The model's state behind a number of [`Dead::states`].
    pub(super) fn state(&self, number: u32) -> &M::State {
        self.table.state(number)
    }

    fn start(&mut self) -> Result<Option<Found>, Spent> {
        if self.started {
            return Ok(None);
        }
        self.started = true;
        self.meter.take(self.plan.bytes());
        let config = Config {
            layer: 0,
            state: Table::<M>::INITIAL,
            mask: K::empty(self.plan.slots),
            used: vec![0; self.plan.crashed.len()].into(),
            path: ROOT,
            length: 0,
        };
        self.arrive(config, true)
    }

    fn depth(&mut self, until: u64) -> Result<Option<Found>, Spent> {
        while self.meter.configurations < until {
            let Some(mut frame) = self.stack.pop() else {
                return Ok(Some(Found::Dead(self.dead())));
            };
            if let Some(next) = self.successor(&mut frame) {
                self.stack.push(frame);
                if let Some(found) = self.arrive(next, false)? {
                    return Ok(Some(found));
                }
            } else {
                self.meter.give_back(frame_bytes(&frame.config));
            }
        }
        Ok(None)
    }

    fn breadth(&mut self, until: u64) -> Result<Option<Found>, Spent> {
        while self.meter.configurations < until {
            let Some(mut frame) = self.stack.pop() else {
                let Some((layer, configs)) = self.waiting.pop_first() else {
                    return Ok(Some(Found::Dead(self.dead())));
                };
                self.close_layers_before(layer);
                for config in configs {
                    self.stack.push(Frame { config, candidate: 0, branch: 0 });
                }
                continue;
            };
            self.meter.give_back(frame_bytes(&frame.config));
            if self.is_dominated_now(&frame.config) {
                continue;
            }
            while let Some(next) = self.successor(&mut frame) {
                if let Some(found) = self.arrive(next, false)? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Nothing can come back to a closed layer: successors never go up.
    fn close_layers_before(&mut self, layer: u32) {
        let open = self.memo.split_off(&layer);
        for memo in std::mem::replace(&mut self.memo, open).into_values() {
            for ((_, mask), antichain) in memo {
                let vectors = antichain.len() as u64;
                self.meter.give_back(key_bytes(&mask) + vectors * self.vector_bytes());
            }
        }
    }

    fn is_dominated_now(&self, config: &Config<K>) -> bool {
        let key = (config.state, self.memo_mask(&config.mask));
        let antichain = self.memo.get(&config.layer).and_then(|memo| memo.get(&key));
        antichain.is_none_or(|antichain| !antichain.contains(&config.used))
    }

    /// Takes a configuration to the first return it cannot pass, and remembers it.
    fn arrive(&mut self, mut config: Config<K>, fresh: bool) -> Result<Option<Found>, Spent> {
        if fresh && !self.plan.layers.is_empty() {
            self.take_pure(&mut config, true);
        }
        loop {
            let Some(layer) = self.plan.layers.get(config.layer as usize) else {
                return Ok(self.finish(&config));
            };
            if !config.mask.has(layer.slot) {
                break;
            }
            config.mask.remove(layer.slot);
            config.layer += 1;
            if (config.layer as usize) < self.plan.layers.len() {
                self.take_pure(&mut config, true);
            }
        }
        self.meter.visit()?;
        let (deepest, length, _) = self.deepest;
        if (config.layer, config.length) > (deepest, length) || config.path == ROOT {
            self.deepest = (config.layer, config.length, config.path);
        }
        if self.remember(&config) {
            self.meter.take(frame_bytes(&config));
            match self.order {
                Order::Breadth
                    if self.stack.last().is_none_or(|f| f.config.layer != config.layer) =>
                {
                    self.waiting.entry(config.layer).or_default().push(config);
                }
                Order::Depth | Order::Breadth => {
                    self.stack.push(Frame { config, candidate: 0, branch: 0 });
                }
            }
        }
        Ok(None)
    }

    fn finish(&self, config: &Config<K>) -> Option<Found> {
        if self.rules.broken_by(Bug::CrashedMustHappen) {
            let all = self.plan.crashed.iter().map(|class| class.entries.len() as u32);
            if !all.eq(config.used.iter().copied()) {
                return None;
            }
        }
        Some(Found::Linearization(self.order_of(config.path)))
    }

    /// Linearizes pending pure operations that are legal now: the ones just called, or all.
    fn take_pure(&mut self, config: &mut Config<K>, fresh: bool) {
        let plan = self.plan;
        let pending = if fresh { plan.fresh(config.layer) } else { plan.pending(config.layer) };
        for pending in pending {
            let free =
                self.table.is_pure(pending.class) || self.rules.broken_by(Bug::WriteOfSameIsPure);
            if free
                && !config.mask.has(pending.slot)
                && self.table.step(config.state, pending.class) == Next::One(config.state)
            {
                config.mask.add(pending.slot);
                self.step_to(config, pending.entry);
            }
        }
    }

    /// The next configuration one operation further. Own return first, then the other pending
    /// ones by return, crashed ones last: valid histories then need hardly any backtracking.
    fn successor(&mut self, frame: &mut Frame<K>) -> Option<Config<K>> {
        let plan = self.plan;
        let pending = plan.pending(frame.config.layer);
        let candidates = pending.len() + plan.crashed.len();
        while (frame.candidate as usize) < candidates {
            let at = frame.candidate as usize;
            let next = match pending.get(at) {
                Some(pending) if frame.config.mask.has(pending.slot) => None,
                Some(pending) => self.next_state(frame, pending.class),
                None => self.next_crashed(frame, at - pending.len()),
            };
            let Some(state) = next else {
                frame.candidate += 1;
                frame.branch = 0;
                continue;
            };
            frame.branch += 1;
            let mut config = frame.config.clone();
            match pending.get(at) {
                Some(pending) => {
                    config.mask.add(pending.slot);
                    self.step_to(&mut config, pending.entry);
                }
                None => {
                    let class = at - pending.len();
                    let entry = plan.crashed[class].entries[config.used[class] as usize];
                    config.used[class] += 1;
                    self.step_to(&mut config, entry);
                }
            }
            if state != config.state {
                config.state = state;
                self.take_pure(&mut config, false);
            }
            return Some(config);
        }
        None
    }

    /// A crashed operation is tried only where it changes the state: elsewhere not using it
    /// dominates using it.
    fn next_crashed(&mut self, frame: &mut Frame<K>, class: usize) -> Option<u32> {
        let mut available = self.plan.available(class, frame.config.layer);
        if self.rules.broken_by(Bug::CountersSaturate) {
            available = available.min(1);
        }
        if frame.config.used[class] >= available {
            return None;
        }
        let must_happen = self.rules.broken_by(Bug::CrashedMustHappen);
        while let Some(state) = self.next_state(frame, self.plan.crashed[class].class) {
            if state != frame.config.state || must_happen {
                return Some(state);
            }
            frame.branch += 1;
        }
        None
    }

    fn next_state(&mut self, frame: &Frame<K>, class: u32) -> Option<u32> {
        match self.table.step(frame.config.state, class) {
            Next::Illegal => None,
            Next::One(state) => (frame.branch == 0).then_some(state),
            Next::Several(list) => self.table.several(list).get(frame.branch as usize).copied(),
        }
    }

    fn step_to(&mut self, config: &mut Config<K>, entry: u32) {
        assert!(self.steps.len() < ROOT as usize, "2^32 steps: 32 GiB of orders");
        self.steps.push((config.path, entry));
        config.path = self.steps.len() as u32 - 1;
        config.length += 1;
        self.meter.take(8);
    }

    /// Adds a configuration to the memo unless one that can do as much is there.
    fn remember(&mut self, config: &Config<K>) -> bool {
        let reversed = self.rules.broken_by(Bug::DominanceReversed);
        let vector_bytes = self.vector_bytes();
        let key = (config.state, self.memo_mask(&config.mask));
        let layer = self.memo.entry(config.layer).or_default();
        let antichain = match layer.entry(key) {
            Slot::Vacant(vacant) => {
                self.meter.take(key_bytes(&config.mask) + vector_bytes);
                vacant.insert(vec![config.used.clone()]);
                self.account_table();
                return true;
            }
            Slot::Occupied(occupied) => occupied.into_mut(),
        };
        let dominates = |one: &[u32], other: &[u32]| {
            let (one, other) = if reversed { (other, one) } else { (one, other) };
            one.iter().zip(other).all(|(one, other)| one <= other)
        };
        if antichain.iter().any(|known| dominates(known, &config.used)) {
            return false;
        }
        let before = antichain.len() as u64;
        antichain.retain(|known| !dominates(&config.used, known));
        antichain.push(config.used.clone());
        let after = antichain.len() as u64;
        self.meter.take(after * vector_bytes);
        self.meter.give_back(before * vector_bytes);
        true
    }

    fn account_table(&mut self) {
        let bytes = self.table.bytes();
        self.meter.take(bytes.saturating_sub(self.table_bytes));
        self.table_bytes = bytes;
    }

    fn memo_mask(&self, mask: &K) -> K {
        if self.rules.broken_by(Bug::MaskForgotten) {
            return K::empty(self.plan.slots);
        }
        mask.clone()
    }

    fn vector_bytes(&self) -> u64 {
        16 + 4 * self.plan.crashed.len() as u64
    }

    fn order_of(&self, mut path: u32) -> Vec<u32> {
        let mut order = Vec::new();
        while path != ROOT {
            let (before, entry) = self.steps[path as usize];
            order.push(entry);
            path = before;
        }
        order.reverse();
        order
    }

    fn dead(&self) -> Dead {
        let (layer, _, path) = self.deepest;
        let at = &self.plan.layers[layer as usize];
        let mut states: Vec<u32> = self
            .memo
            .get(&layer)
            .map(|memo| memo.keys().map(|(state, _)| *state).collect())
            .unwrap_or_default();
        states.sort_unstable();
        states.dedup();
        Dead { entry: at.entry, rank: at.rank, prefix: self.order_of(path), states }
    }

    fn progress(&self) -> Progress {
        let (layer, _, _) = self.deepest;
        let memo = self.memo.get(&layer);
        let vectors = || memo.iter().flat_map(|memo| memo.values()).flatten();
        let used = |class: usize| vectors().map(|used| used[class]).max().unwrap_or(0);
        let crashed = self.plan.crashed.iter().enumerate();
        Progress {
            layer,
            layers: self.plan.layers.len() as u32,
            frontier: vectors().count() as u64,
            crashed: crashed.map(|(at, class)| (class.entries[0], used(at))).collect(),
        }
    }
}

fn key_bytes<K: Mask>(mask: &K) -> u64 {
    // A key, its antichain's header and the map's own byte, at the map's mean load.
    (size_of::<(u32, K)>() + 24 + 16) as u64 + mask.heap_bytes()
}

fn frame_bytes<K: Mask>(config: &Config<K>) -> u64 {
    size_of::<Frame<K>>() as u64 + config.mask.heap_bytes() + 4 * config.used.len() as u64
}
