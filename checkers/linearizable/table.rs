//! States by number, and where each operation leads from each, found out once.

use rustc_hash::FxHashMap;

use super::{Model, Steps};

/// Above this many cells transitions are computed each time instead of remembered.
const CELLS: usize = 1 << 22;

const UNSEEN: u32 = u32::MAX;
const ILLEGAL: u32 = u32::MAX - 1;
/// A cell with this bit names a list of several next states.
const SEVERAL: u32 = 1 << 31;

/// Numbers of the next states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    Illegal,
    One(u32),
    /// Read them with [`Table::several`].
    Several(u32),
}

pub(super) struct Table<'m, M: Model> {
    model: &'m M,
    ops: &'m [M::Op],
    pure: Vec<bool>,
    states: Vec<M::State>,
    numbers: FxHashMap<M::State, u32>,
    cells: Vec<Option<Box<[u32]>>>,
    lists: Vec<Box<[u32]>>,
    rows: usize,
    /// A declared-pure operation that changed a state: a defect of the model.
    pub(super) impure: Option<(u32, u32)>,
}

impl<'m, M: Model> Table<'m, M> {
    pub(super) fn new(model: &'m M, ops: &'m [M::Op]) -> Table<'m, M> {
        let pure = ops.iter().map(|op| model.is_pure(op)).collect();
        let mut table = Table {
            model,
            ops,
            pure,
            states: Vec::new(),
            numbers: FxHashMap::default(),
            cells: Vec::new(),
            lists: Vec::new(),
            rows: 0,
            impure: None,
        };
        table.number(model.initial());
        table
    }

    /// The number of the initial state.
    pub(super) const INITIAL: u32 = 0;

    pub(super) fn state(&self, number: u32) -> &M::State {
        &self.states[number as usize]
    }

    pub(super) fn is_pure(&self, class: u32) -> bool {
        self.pure[class as usize]
    }

    pub(super) fn several(&self, list: u32) -> &[u32] {
        &self.lists[list as usize]
    }

    /// Bytes of the states and the rows.
    pub(super) fn bytes(&self) -> u64 {
        (self.rows * self.ops.len() * 4 + self.states.len() * (2 * size_of::<M::State>() + 32))
            as u64
    }

    pub(super) fn step(&mut self, state: u32, class: u32) -> Next {
        if let Some(row) = &self.cells[state as usize] {
            let cell = row[class as usize];
            if cell != UNSEEN {
                return decode(cell);
            }
        }
        let next = self.compute(state, class);
        let cell = match next {
            Next::Illegal => ILLEGAL,
            Next::One(state) => state,
            Next::Several(list) => SEVERAL | list,
        };
        if let Some(row) = &mut self.cells[state as usize] {
            row[class as usize] = cell;
        }
        next
    }

    fn compute(&mut self, state: u32, class: u32) -> Next {
        let steps = self.model.step(&self.states[state as usize], &self.ops[class as usize]);
        let next = match steps {
            Steps::None => Next::Illegal,
            Steps::One(next) => Next::One(self.number(next)),
            Steps::Many(mut all) => match all.len() {
                0 => Next::Illegal,
                1 => Next::One(self.number(all.remove(0))),
                _ => {
                    let numbers = all.into_iter().map(|next| self.number(next)).collect();
                    self.lists.push(numbers);
                    Next::Several(self.lists.len() as u32 - 1)
                }
            },
        };
        let stays = next == Next::Illegal || next == Next::One(state);
        if self.pure[class as usize] && !stays {
            self.impure.get_or_insert((state, class));
        }
        next
    }

    fn number(&mut self, state: M::State) -> u32 {
        if let Some(number) = self.numbers.get(&state) {
            return *number;
        }
        let number = self.states.len() as u32;
        assert!(number < SEVERAL, "2^31 states");
        self.states.push(state.clone());
        self.numbers.insert(state, number);
        let room = self.states.len() * self.ops.len() <= CELLS;
        self.rows += usize::from(room);
        self.cells.push(room.then(|| vec![UNSEEN; self.ops.len()].into()));
        number
    }
}

fn decode(cell: u32) -> Next {
    match cell {
        ILLEGAL => Next::Illegal,
        cell if cell & SEVERAL != 0 => Next::Several(cell & !SEVERAL),
        state => Next::One(state),
    }
}
