//! Time as a search sees it: returns in order, and what is pending before each.
//!
//! **Key.** Let the layer be the earliest return whose operation is not linearized. Every
//! operation that returned before it is linearized, and none that is called after it can be. So
//! (layer, one bit per operation pending there, state, crashed operations used) says all that a
//! bit set over the whole history would. A bit is a *slot*: taken at the call, free at the return.

use super::super::rules::{Bug, Rules};
use super::super::{Entry, NEVER};
use super::word::Word;

/// Crashed operations with the same question: interchangeable, so a configuration counts them.
#[derive(Clone, Debug)]
pub(crate) struct Crashed {
    pub(crate) class: u32,
    /// Entries by invocation; the k-th use stands for the k-th of them.
    pub(crate) entries: Vec<u32>,
}

/// The layers of one partition: 24 bytes an operation, its entry included.
#[derive(Clone, Debug)]
pub(crate) struct Plan<'p> {
    pub(crate) entries: &'p [Entry],
    /// Completed entries by return. A configuration at layer `i` has consumed every event before
    /// the `i`-th return.
    pub(crate) returns: Vec<u32>,
    /// Per entry: of a completed one its slot, of a crashed one its place in `crashed`.
    place: Vec<u32>,
    pub(crate) crashed: Vec<Crashed>,
    /// Most completed operations pending at once.
    pub(crate) slots: usize,
}

/// A completed operation that is pending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) ret: u32,
    pub(crate) entry: u32,
    pub(crate) class: u32,
    pub(crate) slot: u32,
}

/// What is pending before a return.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Latest return first: the operation that returns next is the last.
    pub(crate) open: Vec<Open>,
    /// Per crashed class, how many were invoked.
    pub(crate) available: Vec<u32>,
    /// Another number whenever `open` is another.
    pub(crate) version: u32,
}

/// A window that moves along a plan.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    pub(crate) window: Window,
    pub(crate) layer: u32,
    called: u32,
    /// Entries from here on were called since the return before; after a move forward.
    pub(crate) fresh: u32,
}

impl<'p> Plan<'p> {
    /// `entries` by call. O(operations * concurrency) at worst, and nearly linear.
    pub(crate) fn new(entries: &'p [Entry], classes: usize) -> Plan<'p> {
        let mut plan = Plan {
            entries,
            returns: Vec::with_capacity(entries.len()),
            place: Vec::with_capacity(entries.len()),
            crashed: Vec::new(),
            slots: 0,
        };
        let mut free: Vec<u32> = Vec::new();
        let mut window = Window::default();
        let mut lanes = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            if entry.ret == NEVER {
                lanes.resize(classes, u32::MAX);
                let lane = &mut lanes[entry.class as usize];
                if *lane == u32::MAX {
                    *lane = plan.crashed.len() as u32;
                    plan.crashed.push(Crashed { class: entry.class, entries: Vec::new() });
                }
                plan.crashed[*lane as usize].entries.push(at as u32);
                plan.place.push(*lane);
                continue;
            }
            while let Some(next) = window.open.pop_if(|next| next.ret < entry.call) {
                plan.returns.push(next.entry);
                free.push(next.slot);
            }
            let slot = free.pop().unwrap_or_else(|| {
                plan.slots += 1;
                plan.slots as u32 - 1
            });
            plan.place.push(slot);
            window.call(Open { ret: entry.ret, entry: at as u32, class: entry.class, slot });
        }
        plan.returns.extend(window.open.iter().rev().map(|open| open.entry));
        plan
    }

    /// Of a history that is not known beforehand.
    pub(crate) fn open() -> Plan<'static> {
        let (returns, place, crashed) = (Vec::new(), Vec::new(), Vec::new());
        Plan { entries: &[], returns, place, crashed, slots: 0 }
    }

    pub(crate) fn layers(&self) -> u32 {
        self.returns.len() as u32
    }

    /// The entry that returns at `layer`.
    pub(crate) fn returning(&self, layer: u32) -> &'p Entry {
        &self.entries[self.returns[layer as usize] as usize]
    }

    pub(crate) fn bytes(&self) -> u64 {
        let crashed: usize = self.crashed.iter().map(|class| 4 * class.entries.capacity()).sum();
        let each = size_of_val(self.entries) + 4 * self.returns.capacity();
        (each + 4 * self.place.capacity() + crashed) as u64
    }

    /// Before the first return.
    pub(crate) fn cursor(&self) -> Cursor {
        let available = vec![0; self.crashed.len()];
        let window = Window { open: Vec::with_capacity(self.slots), available, version: 1 };
        let mut cursor = Cursor { window, layer: 0, called: 0, fresh: 0 };
        cursor.take_calls(self);
        cursor
    }
}

impl Window {
    /// An operation is called.
    pub(crate) fn call(&mut self, open: Open) {
        let later = self.open.iter().take_while(|other| other.ret > open.ret).count();
        self.open.insert(later, open);
        self.version = self.version.wrapping_add(1);
    }

    /// Whether the pending operation at `at` leaves the turn to a twin, one with the same question
    /// and answer that returns earlier and is not linearized in `word`.
    ///
    /// Take an order that goes on with the one that returns later. With the two exchanged it is an
    /// order as long: both are pending here, each step leads where it led, and the one that comes
    /// later now returns after the place that it takes.
    pub(crate) fn yields<W: Word>(&self, at: usize, word: &W, rules: Rules) -> bool {
        let own = self.open[at];
        let (later, earlier) = (&self.open[..at], &self.open[at + 1..]);
        let others = if rules.has(Bug::LaterTwinFirst) { later } else { earlier };
        others.iter().any(|twin| twin.class == own.class && !word.has(twin.slot))
    }

    /// Whether a crashed operation of `class` leaves the turn to a twin that completed: exchanged,
    /// the crashed one is there as well where it is needed later.
    pub(crate) fn has_twin<W: Word>(&self, class: u32, word: &W, rules: Rules) -> bool {
        let done = |slot| word.has(slot) && !rules.has(Bug::DoneTwinInTheWay);
        self.open.iter().any(|twin| twin.class == class && !done(twin.slot))
    }

    /// The operation that returns next.
    pub(crate) fn next_return(&self) -> Open {
        *self.open.last().expect("a layer is a return")
    }

    /// That operation has returned.
    pub(crate) fn ret(&mut self) {
        self.open.pop();
        self.version = self.version.wrapping_add(1);
    }
}

impl Cursor {
    /// To the next return.
    pub(crate) fn forward(&mut self, plan: &Plan<'_>) {
        self.window.ret();
        self.layer += 1;
        self.fresh = self.called;
        self.take_calls(plan);
    }

    fn take_calls(&mut self, plan: &Plan<'_>) {
        if self.layer == plan.layers() {
            return;
        }
        let rank = plan.returning(self.layer).ret;
        let rest = &plan.entries[self.called as usize..];
        for entry in rest.iter().take_while(|entry| entry.call < rank) {
            let place = plan.place[self.called as usize];
            if entry.ret == NEVER {
                self.window.available[place as usize] += 1;
            } else {
                let (ret, class) = (entry.ret, entry.class);
                self.window.call(Open { ret, entry: self.called, class, slot: place });
            }
            self.called += 1;
        }
    }

    /// Back to the return of `layer`, which was passed.
    pub(crate) fn back_to(&mut self, plan: &Plan<'_>, layer: u32) {
        while self.layer > layer {
            self.layer -= 1;
            let rank = plan.returning(self.layer).ret;
            while let Some(called) = self.called.checked_sub(1)
                && plan.entries[called as usize].call > rank
            {
                self.called = called;
                if plan.entries[called as usize].ret == NEVER {
                    self.window.available[plan.place[called as usize] as usize] -= 1;
                } else {
                    self.window.open.retain(|open| open.entry != called);
                }
            }
            let entry = plan.returns[self.layer as usize];
            let (class, slot) = (plan.returning(self.layer).class, plan.place[entry as usize]);
            self.window.open.push(Open { ret: rank, entry, class, slot });
            self.window.version = self.window.version.wrapping_add(1);
        }
    }
}
