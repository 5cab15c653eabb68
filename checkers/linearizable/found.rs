//! What a search says, in numbers of its partition; `explain` says it to people.

use crate::Spent;

/// What a search found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Entries in an order that is legal and respects real time.
    Linearization(Vec<u32>),
    /// No order passes this layer.
    Dead(Dead),
    /// The budget ended.
    Spent(Spent, Progress),
    /// A declared-pure operation changed a state: (state, operation).
    Impure(String, String),
}

impl Found {
    /// The same, where the entries searched stand at `positions`.
    pub(super) fn at(mut self, positions: &[u32]) -> Found {
        let place = |at: &mut u32| *at = positions[*at as usize];
        match &mut self {
            Found::Linearization(order) => order.iter_mut().for_each(place),
            Found::Dead(dead) => {
                place(&mut dead.entry);
                dead.prefix.iter_mut().for_each(place);
            }
            Found::Spent(_, progress) => {
                progress.crashed.iter_mut().for_each(|(at, _)| place(at));
            }
            Found::Impure(..) => {}
        }
        self
    }
}

/// Where every order dies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Dead {
    /// The entry whose return no order passes.
    pub(super) entry: u32,
    /// Rank of that return.
    pub(super) rank: u32,
    /// The longest legal order that reaches it.
    pub(super) prefix: Vec<u32>,
    /// Numbers of the states possible just before, in order of discovery.
    pub(super) states: Vec<u32>,
}

/// How far a search got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Progress {
    pub(super) layer: u32,
    pub(super) layers: u32,
    /// Configurations remembered at the deepest layer.
    pub(super) frontier: u64,
    /// Most bytes held.
    pub(super) bytes: u64,
    /// Per crashed class: representative entry and how many were used there at most.
    pub(super) crashed: Vec<(u32, u32)>,
}

/// What it took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Took {
    pub(super) configurations: u64,
    pub(super) peak_bytes: u64,
    pub(super) engine: &'static str,
}

impl Took {
    /// Another search after this one; the last one gives its name.
    pub(super) fn add(&mut self, other: Took) {
        self.configurations += other.configurations;
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
        self.engine = other.engine;
    }
}
