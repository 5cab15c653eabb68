//! From operations of a history to the entries of one partition: what constrains an order, and
//! nothing else.

use std::hash::{BuildHasher, Hash};

use rustc_hash::{FxBuildHasher, FxHashMap};
use tribunal_history::{History, OpIndex, Operation, Value, brief};

use super::codes::NONE;
use super::meter::{Ledger, POLL_BYTES, map_bytes, vec_bytes};
use super::partition::Component;
use super::{Dialect, FromHistory, Interpreted, Model};
use crate::{CheckError, Spent};

/// The `ret` of an operation that nothing bounds from above.
pub const NEVER: u32 = u32::MAX;

/// Operations laid out between two looks at the budget.
const POLL: usize = 256;

/// One operation that constrains, or may explain, the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Which operation of the history.
    pub origin: OpIndex,
    /// Index into [`Problem::ops`].
    pub class: u32,
    /// Rank of its invocation.
    pub call: u32,
    /// Rank of its completion. [`NEVER`]: it is *crashed*, so it may take effect at any later
    /// instant or never. It is not given a return at the end: that would make it mandatory.
    pub ret: u32,
}

/// One partition, ready to be decided: entries by invocation, with their operations interned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem<O> {
    /// By `call`; ranks are unique.
    pub entries: Vec<Entry>,
    /// Distinct operations with their answers.
    pub ops: Vec<O>,
}

impl<O> Problem<O> {
    /// The operation of an entry.
    pub fn op(&self, entry: &Entry) -> &O {
        &self.ops[entry.class as usize]
    }

    /// Bytes of the operations, with what these hold. Searches account for the entries.
    pub(super) fn ops_bytes<M: Model<Op = O>>(&self, model: &M) -> u64 {
        let held = self.ops.iter().map(|op| model.op_heap_bytes(op)).sum::<u64>();
        vec_bytes(&self.ops, 0) + held
    }

    /// Number of entries that must take effect.
    pub fn completed(&self) -> usize {
        self.entries.iter().filter(|entry| entry.ret != NEVER).count()
    }
}

impl<O: Clone + Eq + Hash> Problem<O> {
    /// From operations in any order: (origin, operation, call, ret).
    pub fn new<M: Model<Op = O>>(
        model: &M,
        operations: impl IntoIterator<Item = (OpIndex, O, u32, u32)>,
    ) -> Problem<O> {
        let mut classes = Classes::default();
        let operations = operations.into_iter();
        let entries = operations.map(|(origin, op, call, ret)| {
            let class = classes.number(model, op);
            Entry { origin, class, call, ret }
        });
        let entries = entries.collect();
        Problem::of_entries(model, entries, classes.ops)
    }

    fn of_entries<M: Model<Op = O>>(model: &M, mut entries: Vec<Entry>, ops: Vec<O>) -> Problem<O> {
        if !entries.is_sorted_by_key(|entry| entry.call) {
            entries.sort_unstable_by_key(|entry| entry.call);
        }
        let mut problem = Problem { entries, ops };
        problem.normalise(model);
        problem
    }

    /// Drops crashed operations that cannot matter: those that change nothing (they are optional,
    /// and illegal or without effect wherever they stand), and those invoked after the last
    /// return (nothing completed is left to need them).
    fn normalise<M: Model<Op = O>>(&mut self, model: &M) {
        let completed = self.entries.iter().filter(|entry| entry.ret != NEVER);
        let last = completed.map(|entry| entry.ret).max().unwrap_or(0);
        let ops = &self.ops;
        self.entries.retain(|entry| {
            entry.ret != NEVER || (entry.call < last && !model.is_pure(&ops[entry.class as usize]))
        });
    }

    /// What these entries say of `elements` alone, by [`Model::about`]; `None` when told to stop.
    pub(super) fn about<M: Model<Op = O>>(
        &self,
        model: &M,
        elements: &[Value],
        stop: &dyn Fn() -> bool,
    ) -> Option<Problem<O>> {
        let mut classes = Classes::default();
        let mut numbers = Vec::with_capacity(self.ops.len());
        for op in &self.ops {
            // An element may be a text of megabytes, and be looked through for each of them.
            if stop() {
                return None;
            }
            let said = model.about(op, elements);
            numbers.push(said.map(|op| classes.number(model, op)));
        }
        let entries = self.entries.iter().filter_map(|entry| {
            let class = numbers[entry.class as usize]?;
            Some(Entry { class, ..*entry })
        });
        let entries = entries.collect();
        Some(Problem::of_entries(model, entries, classes.ops))
    }

    /// The history of these entries up to the event of rank `end`: what completes later is open
    /// there. A prefix of a linearizable history is linearizable, so an illegal prefix is proof.
    pub(crate) fn prefix<M: Model<Op = O>>(
        &self,
        model: &M,
        keep: impl Fn(usize) -> bool,
        end: u32,
    ) -> Problem<O> {
        let entries = self.entries.iter().enumerate();
        let kept = entries.filter(|(at, entry)| entry.call < end && keep(*at)).map(|(_, entry)| {
            Entry { ret: if entry.ret <= end { entry.ret } else { NEVER }, ..*entry }
        });
        let mut entries: Vec<Entry> = kept.collect();
        // Not those of the whole: they may be many, and long.
        let (mut ops, mut numbers) = (Vec::new(), vec![NONE; self.ops.len()]);
        for entry in &mut entries {
            let number = &mut numbers[entry.class as usize];
            if *number == NONE {
                *number = ops.len() as u32;
                ops.push(self.op(entry).clone());
            }
            entry.class = *number;
        }
        let mut problem = Problem { entries, ops };
        problem.normalise(model);
        problem
    }
}

/// Operations by number, each held once: they may be long.
struct Classes<O> {
    ops: Vec<O>,
    /// By hash, the last operation that has it.
    numbers: FxHashMap<u64, u32>,
    /// By operation, the one before it that has the same hash.
    others: Vec<u32>,
    /// Bytes that operations hold beyond their size.
    held: u64,
}

impl<O> Default for Classes<O> {
    fn default() -> Classes<O> {
        let numbers = FxHashMap::with_capacity_and_hasher(24, FxBuildHasher);
        let (ops, others) = (Vec::with_capacity(24), Vec::with_capacity(24));
        Classes { ops, numbers, others, held: 0 }
    }
}

impl<O: Clone + Eq + Hash> Classes<O> {
    /// With room for those that come before the next look.
    fn bytes(&self) -> u64 {
        let numbers = map_bytes(&self.numbers, POLL) + vec_bytes(&self.others, POLL);
        vec_bytes(&self.ops, POLL) + numbers + self.held
    }

    fn number<M: Model<Op = O>>(&mut self, model: &M, op: O) -> u32 {
        let next = self.ops.len() as u32;
        let last = self.numbers.entry(FxBuildHasher.hash_one(&op)).or_insert(NONE);
        let mut known = *last;
        while known != NONE {
            if self.ops[known as usize] == op {
                return known;
            }
            known = self.others[known as usize];
        }
        self.held += model.op_heap_bytes(&op);
        self.others.push(std::mem::replace(last, next));
        self.ops.push(op);
        next
    }
}

/// What an operation asserts, with its class.
#[derive(Clone, Copy)]
enum Asserts {
    Completed(u32),
    Crashed(u32),
    Nothing,
}

/// What operations assert that were met last, by likeness: where another one has its place it is
/// forgotten, and interpreted again.
struct Known {
    /// As many as a power of two.
    places: Vec<Option<([u32; 3], Asserts)>>,
}

impl Known {
    /// Most operations that are remembered.
    const MOST: usize = 1 << 12;

    fn new(operations: usize) -> Known {
        let places = (2 * operations).next_power_of_two().min(Known::MOST);
        Known { places: vec![None; places] }
    }

    fn place(&self, [kind, a, b]: [u32; 3]) -> usize {
        FxBuildHasher.hash_one((kind, a, b)) as usize & (self.places.len() - 1)
    }

    fn get(&self, likeness: [u32; 3]) -> Option<Asserts> {
        let known = self.places[self.place(likeness)];
        known.filter(|(other, _)| *other == likeness).map(|(_, asserts)| asserts)
    }

    fn insert(&mut self, likeness: [u32; 3], asserts: Asserts) {
        let place = self.place(likeness);
        self.places[place] = Some((likeness, asserts));
    }
}

/// Why there is no problem to decide.
#[derive(Debug)]
pub(super) enum Unready {
    /// An operation that the data type does not have.
    Unsupported(CheckError),
    /// A limit was hit when so many operations were laid out, in so many bytes.
    Spent(Spent, usize, u64),
}

/// What an operation says of the data type; refused if the type does not have it.
pub(super) fn interpret<M: FromHistory>(
    model: &M,
    operation: &Operation<'_>,
    dialect: Dialect,
) -> Result<Interpreted<M::Op>, CheckError> {
    model.interpret(operation, dialect).map_err(|what| CheckError::Unsupported {
        checker: "linearizable".to_owned(),
        what: brief(&what),
        event: operation.call().to_string(),
    })
}

/// The entries of one component of `history`, within what `ledger` allows. Operations that are
/// alike are interpreted once.
pub(super) fn prepare<M: FromHistory>(
    model: &M,
    history: &History,
    component: &Component,
    dialect: Dialect,
    ledger: &Ledger<'_>,
) -> Result<Problem<M::Op>, Unready> {
    let mut entries = Vec::with_capacity(component.operations.len());
    let mut classes = Classes::default();
    let mut known = Known::new(component.operations.len());
    let mut looked = 0;
    for (at, index) in component.operations.iter().enumerate() {
        if at % POLL == 0 || classes.held > looked + POLL_BYTES {
            looked = classes.held;
            let bytes = vec_bytes(&entries, 0) + classes.bytes() + vec_bytes(&known.places, 0);
            ledger.allows(bytes).map_err(|spent| Unready::Spent(spent, at, bytes))?;
        }
        let operation = history.operation(*index);
        let likeness = model.likeness(&operation, dialect);
        let asserts = match likeness.and_then(|likeness| known.get(likeness)) {
            Some(asserts) => asserts,
            None => {
                let interpreted = interpret(model, &operation, dialect);
                let interpreted = interpreted.map_err(Unready::Unsupported)?;
                let asserts = match interpreted {
                    Interpreted::Completed(op) => Asserts::Completed(classes.number(model, op)),
                    Interpreted::Crashed(op) => Asserts::Crashed(classes.number(model, op)),
                    Interpreted::Nothing => Asserts::Nothing,
                };
                if let Some(likeness) = likeness {
                    known.insert(likeness, asserts);
                }
                asserts
            }
        };
        let (class, ret) = match asserts {
            Asserts::Completed(class) => (class, operation.ret().map_or(NEVER, |ret| ret.0)),
            Asserts::Crashed(class) => (class, NEVER),
            Asserts::Nothing => continue,
        };
        entries.push(Entry { origin: *index, class, call: operation.call().0, ret });
    }
    Ok(Problem::of_entries(model, entries, classes.ops))
}
