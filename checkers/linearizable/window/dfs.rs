//! Depth first: finds the order of a valid history at once.
//!
//! It is enough to linearize operations where a return waits for its own (Lowe 2017), and of the
//! pending ones the own first, then the others by return, crashed ones last: valid histories then
//! need hardly any backtracking. The stack is data, so no history is too deep for it.
//!
//! The memo may forget: it only prunes. Where memory ends, it forgets the older half of the layers
//! but for the configurations on the stack.

use super::super::found::Dead;
use super::memo::{Compare, Config, LARGE, Memo, Remembered};
use super::moves::Moves;
use super::plan::Cursor;
use super::portfolio::Context;
use super::table::INITIAL;
use super::trail::{CRASHED, Choice, replay};
use super::word::Word;
use crate::Spent;

/// A configuration on the stack, and which of its successors were tried.
#[derive(Clone, Copy, Debug)]
struct Frame {
    at: u32,
    candidate: u32,
    branch: u32,
    /// What was chosen last.
    choice: Choice,
}

/// A resumable search.
pub(crate) struct Depth<W> {
    memo: Memo<W, true>,
    moves: Moves<W>,
    stack: Vec<Frame>,
    cursor: Cursor,
    started: bool,
    /// Layer and number of choices of the longest order that was stuck.
    deepest: (u32, usize),
    /// Its choices, as far as they are not on the stack any more.
    saved: Vec<Choice>,
    /// How many of `saved` are also those of the stack.
    common: usize,
    is_saved: bool,
}

/// Where a configuration arrived.
enum Arrived {
    /// All returned.
    Passed,
    Pushed,
    Known,
}

impl<W: Word> Depth<W> {
    pub(crate) fn new(context: &Context<'_, '_, '_, W>) -> Depth<W> {
        Depth {
            memo: Memo::new(),
            moves: Moves::new(),
            stack: Vec::new(),
            cursor: context.plan.cursor(),
            started: false,
            deepest: (0, 0),
            saved: Vec::new(),
            common: 0,
            is_saved: false,
        }
    }

    /// Goes on for about `quota` configurations: the order, `Err(None)` if there is none.
    pub(crate) fn go_on(
        &mut self,
        cx: &mut Context<'_, '_, '_, W>,
        until: u64,
    ) -> Result<Option<Result<Vec<u32>, Dead>>, Spent> {
        if !self.started {
            self.started = true;
            let word = cx.layout.empty();
            if let Arrived::Passed = self.arrive(cx, INITIAL, word, true)? {
                return Ok(Some(Ok(self.order(cx))));
            }
        }
        while cx.meter.configurations < until {
            let Some(frame) = self.stack.last().copied() else {
                return Ok(Some(Err(self.dead(cx))));
            };
            let layer = self.memo.arena[frame.at as usize].tag;
            self.cursor.back_to(cx.plan, layer);
            match self.successor(cx, frame) {
                Some((state, word)) => {
                    let changed = state != self.memo.arena[frame.at as usize].state;
                    if let Arrived::Passed = self.arrive(cx, state, word, changed)? {
                        return Ok(Some(Ok(self.order(cx))));
                    }
                }
                None => self.pop(layer),
            }
        }
        Ok(None)
    }

    /// The next configuration one operation further; says in the frame which.
    fn successor(&mut self, cx: &mut Context<'_, '_, '_, W>, mut frame: Frame) -> Option<(u32, W)> {
        let top = self.stack.len() - 1;
        let Config { state, word, tag: layer } = self.memo.arena[frame.at as usize].clone();
        let open = self.cursor.window.open.len();
        let own = self.cursor.window.next_return().class;
        if (frame.candidate, frame.branch) == (0, 0) && cx.is_lost(state, own) {
            return None;
        }
        while (frame.candidate as usize) < open {
            let place = open - 1 - frame.candidate as usize;
            let (window, branch) = (&self.cursor.window, frame.branch);
            let pending = window.open[place];
            let next = match word.has(pending.slot) {
                true => None,
                false => cx.grid.branch(state, pending.class, branch),
            };
            let next = next.filter(|_| !window.yields(place, &word, cx.rules));
            let Some(next) = next else {
                (frame.candidate, frame.branch) = (frame.candidate + 1, 0);
                continue;
            };
            let choice = (pending.entry, branch);
            self.stack[top] = Frame { branch: branch + 1, choice, ..frame };
            let mut word = word;
            word.set(pending.slot);
            return Some((next, word));
        }
        if cx.plan.crashed.is_empty() {
            return None;
        }
        let span = cx.relevance.as_ref().map(|relevance| relevance.at(layer));
        let uses = self.moves.uses(&mut cx.grid, &cx.plan.crashed, span, cx.rules, state);
        while let Some(used) = uses.get(frame.candidate as usize - open) {
            frame.candidate += 1;
            let lane = cx.layout.shape.lanes[used.lane as usize];
            let available = cx.available(&self.cursor.window, used.lane);
            if word.get(lane) >= available || !cx.helps(used.next, own) {
                continue;
            }
            let class = cx.plan.crashed[used.lane as usize].class;
            if self.cursor.window.has_twin(class, &word, cx.rules) {
                continue;
            }
            let choice = (CRASHED | used.lane, used.branch);
            self.stack[top] = Frame { branch: 0, choice, ..frame };
            let mut word = word;
            word.count(lane);
            return Some((used.next, word));
        }
        self.stack[top] = frame;
        None
    }

    /// Takes a configuration to the first return it cannot pass, and remembers it. `changed`: its
    /// state is another, so that other pure operations may be legal.
    fn arrive(
        &mut self,
        cx: &mut Context<'_, '_, '_, W>,
        mut state: u32,
        mut word: W,
        changed: bool,
    ) -> Result<Arrived, Spent> {
        let begun = self.cursor.layer;
        loop {
            if self.cursor.layer == cx.plan.layers() {
                return Ok(if cx.may_end(&word) { Arrived::Passed } else { Arrived::Known });
            }
            if let Some(relevance) = &cx.relevance {
                let (_, span) = relevance.at(self.cursor.layer);
                state = span.same_as[state as usize];
                word.and(&span.live);
            }
            let window = &self.cursor.window;
            if self.cursor.layer > begun {
                let fresh = self.cursor.fresh;
                Moves::close_fresh(&mut cx.grid, window, fresh, cx.rules, state, &mut word);
            } else if changed {
                self.moves.close(&mut cx.grid, window, cx.layout, cx.rules, state, &mut word);
            }
            let own = window.next_return();
            if !word.has(own.slot) {
                break;
            }
            word.clear(own.slot);
            self.cursor.forward(cx.plan);
        }
        cx.visit()?;
        let layer = self.cursor.layer;
        let compare = Compare { layout: cx.layout, covers: cx.covers.as_ref(), rules: cx.rules };
        let config = Config { tag: layer, state, word };
        let remembered = match self.memo.insert(config.clone(), compare, &mut cx.meter) {
            Err(Spent::Memory) if self.forget(cx)? => {
                let covers = cx.covers.as_ref();
                let compare = Compare { layout: cx.layout, covers, rules: cx.rules };
                self.memo.insert(config, compare, &mut cx.meter)?
            }
            other => other?,
        };
        let Remembered::At(at) = remembered else { return Ok(Arrived::Known) };
        let depth = self.stack.len();
        if (layer, depth) > self.deepest {
            self.deepest = (layer, depth);
            self.is_saved = false;
        }
        if depth == self.stack.capacity() {
            let more = if depth < LARGE { (depth / 2).max(64) } else { depth / 16 };
            // With room for its choice among those saved, and for its place where it is looked up.
            let each = size_of::<Frame>() + size_of::<Choice>() + size_of::<(u32, usize)>();
            cx.meter.reserve((more * each) as u64)?;
            self.stack.reserve_exact(more);
        }
        self.stack.push(Frame { at, candidate: 0, branch: 0, choice: (0, 0) });
        Ok(Arrived::Pushed)
    }

    /// Each choice is saved at most once after it was made.
    fn pop(&mut self, layer: u32) {
        self.stack.pop();
        if !self.is_saved && (layer, self.stack.len()) == self.deepest {
            self.is_saved = true;
            self.saved.truncate(self.common);
            self.saved.extend(self.stack[self.common..].iter().map(|frame| frame.choice));
            self.common = self.saved.len();
        }
        // The frame on top will choose anew.
        self.common = self.common.min(self.stack.len().saturating_sub(1));
    }

    /// Frees the older half of the layers. Whether that was much.
    fn forget(&mut self, cx: &mut Context<'_, '_, '_, W>) -> Result<bool, Spent> {
        let held = self.memo.arena.len();
        let middle = self.cursor.layer / 2;
        let mut places: Vec<(u32, usize)> =
            self.stack.iter().enumerate().map(|(depth, frame)| (frame.at, depth)).collect();
        places.sort_unstable();
        let stacked = |at: u32| places.binary_search_by_key(&at, |(place, _)| *place);
        let compare = Compare { layout: cx.layout, covers: cx.covers.as_ref(), rules: cx.rules };
        let stack = &mut self.stack;
        self.memo.retain(
            compare,
            &mut cx.meter,
            |at, config| config.tag >= middle || stacked(at).is_ok(),
            |from, to| {
                if let Ok(found) = stacked(from) {
                    stack[places[found].1].at = to;
                }
            },
        )?;
        Ok(self.memo.arena.len() < held - held / 8)
    }

    /// The search is over: what it remembered goes before the order is made.
    fn order(&mut self, cx: &mut Context<'_, '_, '_, W>) -> Vec<u32> {
        self.memo = Memo::new();
        let stack = std::mem::take(&mut self.stack).into_iter();
        let choices: Vec<Choice> = stack.map(|frame| frame.choice).collect();
        replay(cx.plan, &mut cx.grid, cx.layout, &choices, cx.rules)
    }

    fn dead(&mut self, cx: &mut Context<'_, '_, '_, W>) -> Dead {
        let layer = self.deepest.0;
        let entry = cx.plan.returns[layer as usize];
        let prefix = replay(cx.plan, &mut cx.grid, cx.layout, &self.saved, cx.rules);
        let mut states: Vec<u32> = self.frontier().map(|config| config.state).collect();
        states.sort_unstable();
        states.dedup();
        Dead { entry, rank: cx.plan.returning(layer).ret, prefix, states }
    }

    pub(crate) fn deepest(&self) -> u32 {
        self.deepest.0
    }

    /// What is remembered of the deepest layer.
    pub(crate) fn frontier(&self) -> impl Iterator<Item = &Config<W>> {
        self.memo.live().filter(|config| config.tag == self.deepest.0)
    }
}
