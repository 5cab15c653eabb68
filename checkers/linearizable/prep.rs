//! From operations of a history to the entries of one partition: what constrains an order, and
//! nothing else.

use rustc_hash::FxHashMap;
use tribunal_history::{History, OpIndex};

use super::partition::Component;
use super::{Dialect, FromHistory, Interpreted, Model};
use crate::CheckError;

/// The `ret` of an operation that nothing bounds from above.
pub const NEVER: u32 = u32::MAX;

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

    /// Number of entries that must take effect.
    pub fn completed(&self) -> usize {
        self.entries.iter().filter(|entry| entry.ret != NEVER).count()
    }
}

impl<O: Clone + Eq + std::hash::Hash> Problem<O> {
    /// From operations in any order: (origin, operation, call, ret).
    pub fn new<M: Model<Op = O>>(
        model: &M,
        operations: impl IntoIterator<Item = (OpIndex, O, u32, u32)>,
    ) -> Problem<O> {
        let mut classes = FxHashMap::default();
        let mut ops = Vec::new();
        let mut entries: Vec<Entry> = operations
            .into_iter()
            .map(|(origin, op, call, ret)| {
                let class = *classes.entry(op.clone()).or_insert_with(|| {
                    ops.push(op);
                    ops.len() as u32 - 1
                });
                Entry { origin, class, call, ret }
            })
            .collect();
        entries.sort_unstable_by_key(|entry| entry.call);
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
        let mut problem = Problem { entries: kept.collect(), ops: self.ops.clone() };
        problem.normalise(model);
        problem
    }
}

/// The entries of one component of `history`.
pub(super) fn prepare<M: FromHistory>(
    model: &M,
    name: &str,
    history: &History,
    component: &Component,
    dialect: Dialect,
) -> Result<Problem<M::Op>, CheckError> {
    let mut operations = Vec::with_capacity(component.operations.len());
    for index in &component.operations {
        let operation = history.operation(*index);
        let interpreted =
            model.interpret(&operation, dialect).map_err(|what| CheckError::Unsupported {
                checker: name.to_owned(),
                what,
                event: operation.call().to_string(),
            })?;
        let call = operation.call().0;
        match interpreted {
            Interpreted::Completed(op) => {
                let ret = operation.ret().map_or(NEVER, |ret| ret.0);
                operations.push((*index, op, call, ret));
            }
            Interpreted::Crashed(op) => operations.push((*index, op, call, NEVER)),
            Interpreted::Nothing => {}
        }
    }
    Ok(Problem::new(model, operations))
}
