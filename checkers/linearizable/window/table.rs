//! States by number, and where each operation leads from each, found out once.
//!
//! Three parts: [`States`] knows the data type, [`Table`] only numbers, and a search sees both as
//! a [`Grid`]. So searches are compiled once for all data types, and a table outlives a search.

use std::cell::Cell;

use rustc_hash::FxHashMap;

use super::super::aside::aside;
use super::super::meter::{chunk_bytes, map_bytes, vec_bytes};
use super::super::{Merge, Model, Steps};

/// Above this many cells transitions are computed each time instead of remembered.
const CELLS: usize = 1 << 22;

const UNSEEN: u32 = u32::MAX;
const ILLEGAL: u32 = u32::MAX - 1;
/// A cell with this bit names a list of several next states.
const SEVERAL: u32 = 1 << 31;

/// States that are found by comparing.
const FEW: usize = 8;

/// A list that only the next reader reads.
const SCRATCH: u32 = 0;

/// Number of the initial state.
pub(crate) const INITIAL: u32 = 0;

/// Numbers of the next states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    Illegal,
    One(u32),
    /// Read them with [`Grid::several`].
    Several(u32),
}

/// Where an operation leads, computed.
pub(crate) trait Source {
    /// Numbers of the states that `class` leads to from `state`: all of them new or known.
    fn compute(&mut self, state: u32, class: u32, next: &mut Vec<u32>);

    /// How many states have a number.
    fn len(&self) -> usize;

    /// Whether `class` claims to change nothing.
    fn is_pure(&self, class: u32) -> bool;

    /// Whether `class`, illegal in `state`, stays so.
    fn is_lost(&self, state: u32, class: u32) -> bool;

    /// How many classes there are.
    fn classes(&self) -> usize;

    /// Bytes of the states.
    fn bytes(&self) -> u64;
}

/// The states of a data type, numbered as they are met.
pub(crate) struct States<'m, M: Model, O = &'m [<M as Model>::Op]> {
    model: &'m M,
    pub(crate) ops: O,
    states: Vec<M::State>,
    numbers: FxHashMap<M::State, u32>,
    heap_bytes: u64,
    merge: Option<Merge<'m, M::State>>,
    /// Whether a state that is lost is gone on with, to see every one that there is.
    goes_on: bool,
    /// Whether one was lost.
    lost: Cell<bool>,
}

impl<'m, M: Model> States<'m, M> {
    /// The states of a search that meets no operations but `ops`: what they cannot tell apart is
    /// one state.
    pub(crate) fn merging(model: &'m M, ops: &'m [M::Op]) -> States<'m, M> {
        let merge = model.merged(ops);
        let (states, numbers) = (Vec::with_capacity(FEW), FxHashMap::default());
        let (goes_on, lost) = (false, Cell::new(false));
        let mut states =
            States { model, ops, states, numbers, heap_bytes: 0, merge, goes_on, lost };
        states.number(model.initial());
        states
    }
}

impl<'m, M: Model, O> States<'m, M, O> {
    pub(crate) fn new(model: &'m M, ops: O) -> States<'m, M, O> {
        let (all, numbers) = (Vec::new(), FxHashMap::default());
        let (goes_on, lost) = (false, Cell::new(false));
        let mut states =
            States { model, ops, states: all, numbers, heap_bytes: 0, merge: None, goes_on, lost };
        states.number(model.initial());
        states
    }

    /// Of a search that goes on where it is lost.
    pub(crate) fn every(model: &'m M, ops: O) -> States<'m, M, O> {
        States { goes_on: true, ..States::new(model, ops) }
    }

    /// Whether some search turned back, so that it may not have met every state.
    pub(crate) fn has_turned_back(&self) -> bool {
        self.lost.get()
    }

    /// Frees the states without making anybody wait.
    pub(crate) fn free_aside(self) {
        aside((self.states, self.numbers));
    }

    pub(crate) fn get(&self, number: u32) -> &M::State {
        &self.states[number as usize]
    }

    pub(crate) fn number(&mut self, state: M::State) -> u32 {
        match self.known(state) {
            Ok(number) => number,
            Err(state) => {
                let bytes = self.model.heap_bytes(&state);
                self.add(state, bytes)
            }
        }
    }

    /// The number of a state that has one, or else the state as this search knows it.
    fn known(&self, state: M::State) -> Result<u32, M::State> {
        let state = match &self.merge {
            Some(merge) => merge(state),
            None => state,
        };
        // Nearly every data type has few states at hand, and comparing a few is faster.
        if self.states.len() <= FEW {
            let known = self.states.iter().position(|known| *known == state);
            known.map(|known| known as u32).ok_or(state)
        } else {
            self.numbers.get(&state).copied().ok_or(state)
        }
    }

    /// A new state that holds so many bytes of its own.
    fn add(&mut self, state: M::State, bytes: u64) -> u32 {
        let number = self.states.len() as u32;
        assert!(number < SEVERAL - 2, "2^31 states");
        self.heap_bytes += bytes;
        self.states.push(state);
        match self.states.len() {
            ..=FEW => {}
            len if len == FEW + 1 => {
                let all = self.states.iter().cloned().zip(0..);
                self.numbers.extend(all);
            }
            _ => {
                self.numbers.insert(self.states[number as usize].clone(), number);
            }
        }
        number
    }
}

impl<M: Model, O: AsRef<[M::Op]>> States<'_, M, O> {
    /// Of a state to which `class` led.
    fn number_after(&mut self, state: M::State, class: u32) -> u32 {
        match self.known(state) {
            Ok(number) => number,
            Err(state) => {
                let bytes = self.model.made_bytes(&state, &self.ops.as_ref()[class as usize]);
                self.add(state, bytes)
            }
        }
    }
}

impl<M: Model, O: AsRef<[M::Op]>> Source for States<'_, M, O> {
    fn compute(&mut self, state: u32, class: u32, next: &mut Vec<u32>) {
        let op = &self.ops.as_ref()[class as usize];
        match self.model.step(&self.states[state as usize], op) {
            Steps::None => {}
            Steps::One(one) => next.push(self.number_after(one, class)),
            Steps::Many(all) => {
                for one in all {
                    let number = self.number_after(one, class);
                    if !next.contains(&number) {
                        next.push(number);
                    }
                }
            }
        }
    }

    fn len(&self) -> usize {
        self.states.len()
    }

    fn is_pure(&self, class: u32) -> bool {
        self.model.is_pure(&self.ops.as_ref()[class as usize])
    }

    fn is_lost(&self, state: u32, class: u32) -> bool {
        let (state, op) = (&self.states[state as usize], &self.ops.as_ref()[class as usize]);
        let lost = !self.goes_on && self.model.is_lost(state, op);
        self.lost.set(self.lost.get() || lost);
        lost
    }

    fn classes(&self) -> usize {
        self.ops.as_ref().len()
    }

    fn bytes(&self) -> u64 {
        // Every class may lead to new ones before anybody asks again.
        let more = 2 * self.classes() + 1;
        vec_bytes(&self.states, more) + map_bytes(&self.numbers, more) + self.heap_bytes
    }
}

/// What is known of the transitions.
#[derive(Default)]
pub(crate) struct Table {
    classes: usize,
    pure: Vec<bool>,
    cells: Vec<u32>,
    /// Rows that `cells` has room for.
    rows: usize,
    most_cells: usize,
    lists: Vec<Box<[u32]>>,
    scratch: Vec<u32>,
    /// Whether it or the states take more memory than when this was last unset.
    pub(crate) grew: bool,
    /// Bytes of both that are on somebody's account.
    pub(crate) accounted: u64,
    /// Bytes of the lists, and of what a search knows of states beside this.
    beside: u64,
    /// A declared-pure operation that changed a state: a defect of the model.
    pub(crate) impure: Option<(u32, u32)>,
}

impl Table {
    /// Of at most `most_bytes`, beyond which transitions are computed each time.
    pub(crate) fn new(source: &dyn Source, most_bytes: u64) -> Table {
        let classes = source.classes();
        let pure = (0..classes as u32).map(|class| source.is_pure(class)).collect();
        let most_cells = CELLS.min(usize::try_from(most_bytes / 4).unwrap_or(CELLS));
        let lists = vec![Box::default()];
        Table { classes, pure, most_cells, lists, grew: true, ..Table::default() }
    }

    /// Classes were added.
    pub(crate) fn grow(&mut self, source: &dyn Source) {
        let known = self.pure.len() as u32;
        self.pure.extend((known..source.classes() as u32).map(|class| source.is_pure(class)));
        if self.pure.len() > self.classes {
            // Rows are laid out anew, and what is known is forgotten.
            self.classes = 2 * self.pure.len();
            self.cells.clear();
            self.rows = 0;
        }
    }

    pub(crate) fn is_pure(&self, class: u32) -> bool {
        self.pure[class as usize]
    }

    /// Bytes of the cells, with those they grow into where `states` states do not fit.
    fn cells_bytes(&self, states: usize) -> u64 {
        let (held, most) = (self.cells.capacity(), self.most_cells);
        let full = states + 2 * self.classes >= self.rows && states * self.classes <= most;
        let grown = (2 * self.rows).max(states + 2 * self.classes).saturating_mul(self.classes);
        4 * (held + if full { grown.min(most) } else { 0 }) as u64
    }

    /// Nothing is on anybody's account, and no search knows anything of states.
    pub(crate) fn unaccounted(&mut self) {
        let lists = self.lists.iter().map(|list| chunk_bytes(size_of_val(&list[..])));
        self.beside = lists.sum::<u64>() + vec_bytes(&self.lists, 0);
        self.accounted = 0;
        self.grew = true;
    }
}

/// A table with what fills it.
pub(crate) struct Grid<'g> {
    pub(crate) table: &'g mut Table,
    pub(crate) source: &'g mut dyn Source,
}

impl Grid<'_> {
    pub(crate) fn is_pure(&self, class: u32) -> bool {
        self.table.is_pure(class)
    }

    pub(crate) fn several(&self, list: u32) -> &[u32] {
        &self.table.lists[list as usize]
    }

    #[inline]
    pub(crate) fn step(&mut self, state: u32, class: u32) -> Next {
        if (state as usize) < self.table.rows {
            let cell = self.table.cells[state as usize * self.table.classes + class as usize];
            if cell != UNSEEN {
                return decode(cell);
            }
        }
        self.look_up(state, class)
    }

    /// The state after `branch` of the ways `class` has from `state`.
    #[inline]
    pub(crate) fn branch(&mut self, state: u32, class: u32, branch: u32) -> Option<u32> {
        match self.step(state, class) {
            Next::Illegal => None,
            Next::One(next) => (branch == 0).then_some(next),
            Next::Several(list) => self.several(list).get(branch as usize).copied(),
        }
    }

    /// Whether `class` is illegal in `state` and in whatever that leads to.
    pub(crate) fn is_lost(&mut self, state: u32, class: u32) -> bool {
        self.step(state, class) == Next::Illegal && self.source.is_lost(state, class)
    }

    #[cold]
    fn look_up(&mut self, state: u32, class: u32) -> Next {
        let mut next = std::mem::take(&mut self.table.scratch);
        next.clear();
        self.source.compute(state, class, &mut next);
        let states = self.source.len();
        let table = &mut *self.table;
        table.grew = true;
        if (state as usize) >= table.rows && states * table.classes <= table.most_cells {
            // Doubling, so that a new state costs a row once.
            let most = table.most_cells / table.classes.max(1);
            let rows = (2 * table.rows).max(8).clamp(states, most.max(states));
            table.cells.resize(rows * table.classes, UNSEEN);
            table.rows = rows;
        }
        let kept = (state as usize) < table.rows;
        let all = next;
        let next = match all[..] {
            [] => Next::Illegal,
            [one] => Next::One(one),
            // What is not kept is read at once.
            _ if !kept => {
                table.lists[SCRATCH as usize] = all.as_slice().into();
                Next::Several(SCRATCH)
            }
            _ => {
                table.lists.push(all.as_slice().into());
                table.beside += size_of::<Box<[u32]>>() as u64 + chunk_bytes(size_of_val(&all[..]));
                Next::Several(table.lists.len() as u32 - 1)
            }
        };
        table.scratch = all;
        if table.pure[class as usize] && next != Next::Illegal && next != Next::One(state) {
            table.impure.get_or_insert((state, class));
        }
        if kept {
            table.cells[state as usize * table.classes + class as usize] = match next {
                Next::Illegal => ILLEGAL,
                Next::One(state) => state,
                Next::Several(list) => SEVERAL | list,
            };
        }
        next
    }

    /// Whether all states that `classes` lead to are known now, and at most `most`, with one
    /// next state each; not when told to stop, nor where they hold more than `most_bytes`.
    pub(crate) fn complete(
        &mut self,
        classes: &[u32],
        most: usize,
        most_bytes: u64,
        stop: &dyn Fn() -> bool,
    ) -> bool {
        let mut state = 0;
        while state < self.source.len() {
            if state >= most {
                return false;
            }
            for class in classes {
                // A step of a transaction takes as long as that has steps.
                if stop() || self.bytes() > most_bytes {
                    return false;
                }
                if matches!(self.step(state as u32, *class), Next::Several(_)) {
                    return false;
                }
            }
            state += 1;
        }
        state <= most
    }

    /// A search took so many bytes for what it knows of states.
    pub(crate) fn take(&mut self, bytes: u64) {
        self.table.beside += bytes;
        self.table.grew |= bytes > 0;
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.table.cells_bytes(self.source.len()) + self.table.beside + self.source.bytes()
    }
}

fn decode(cell: u32) -> Next {
    match cell {
        ILLEGAL => Next::Illegal,
        cell if cell & SEVERAL != 0 => Next::Several(cell & !SEVERAL),
        state => Next::One(state),
    }
}
