//! A set: add, remove, look up, read whole.

use tribunal_history::{Code, F, Observed, Op, OpIndex, Operation, SetOp as Recorded, Value};

use super::container::listed;
use super::effect::{change, look};
use super::whole::{Slips, suspects};
use crate::linearizable::containers::fast_set;
use crate::linearizable::meter::{value_bytes, values_bytes};
use crate::linearizable::persistent::Map;
use crate::linearizable::{
    Allowance, Dialect, Entry, Fast, FromHistory, Interpreted, Model, NilRead, Partition, Steps,
    Words,
};

/// A set, empty at first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Set {
    /// Whether elements can be removed; otherwise it only grows.
    pub shrinks: bool,
}

/// An operation with its answer, where the client was told.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum SetOp {
    /// Added an element; whether it was new.
    Add(Value, Option<bool>),
    /// Removed an element; whether it was there.
    Remove(Value, Option<bool>),
    /// Looked an element up; whether it was there.
    Contains(Value, bool),
    /// Saw exactly these: sorted, and one that was returned twice stands twice.
    Read(Box<[Value]>),
}

/// What a set holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Elements(Map<Value, ()>);

impl SetOp {
    /// Whether `element` must be there (or not) before the operation, as its answer says.
    fn requires(&self, element: &Value) -> Option<bool> {
        match self {
            SetOp::Add(own, added) if own == element => added.map(|added| !added),
            SetOp::Remove(own, removed) if own == element => *removed,
            SetOp::Contains(own, found) if own == element => Some(*found),
            SetOp::Read(seen) => Some(seen.binary_search(element).is_ok()),
            SetOp::Add(..) | SetOp::Remove(..) | SetOp::Contains(..) => None,
        }
    }

    /// The element, and whether it is there afterwards.
    fn changes(&self) -> Option<(&Value, bool)> {
        match self {
            SetOp::Add(element, _) => Some((element, true)),
            SetOp::Remove(element, _) => Some((element, false)),
            SetOp::Contains(..) | SetOp::Read(_) => None,
        }
    }

    fn is_legal(&self, state: &Elements) -> bool {
        match self {
            SetOp::Read(seen) => {
                seen.len() == state.0.len() && seen.iter().eq(state.0.iter().map(|(it, ())| it))
            }
            SetOp::Add(element, _) | SetOp::Remove(element, _) | SetOp::Contains(element, _) => {
                let there = state.0.get(element).is_some();
                self.requires(element).is_none_or(|required| required == there)
            }
        }
    }
}

impl Model for Set {
    type State = Elements;
    type Op = SetOp;

    fn initial(&self) -> Elements {
        Elements(Map::default())
    }

    fn step(&self, state: &Elements, op: &SetOp) -> Steps<Elements> {
        if !op.is_legal(state) {
            return Steps::None;
        }
        Steps::One(match op.changes() {
            Some((element, there)) if state.0.get(element).is_some() != there => {
                Elements(match there {
                    true => state.0.with(element.clone(), ()),
                    false => state.0.without(element),
                })
            }
            Some(_) | None => state.clone(),
        })
    }

    /// An addition whose client was not told is not pure, although it changes nothing where the
    /// element is there already.
    fn is_pure(&self, op: &SetOp) -> bool {
        match op {
            SetOp::Add(_, told) | SetOp::Remove(_, told) => *told == Some(false),
            SetOp::Contains(..) | SetOp::Read(_) => true,
        }
    }

    /// By projection to one element: what is required of it was brought about by the last change
    /// of it, and that one stays.
    fn observes(&self, observer: &SetOp, producer: &SetOp) -> bool {
        producer.changes().is_some_and(|(element, there)| observer.requires(element) == Some(there))
    }

    fn settles(&self, op: &SetOp) -> bool {
        matches!(op, SetOp::Read(_))
    }

    fn about(&self, op: &SetOp, elements: &[Value]) -> Option<SetOp> {
        match op {
            SetOp::Add(element, _) | SetOp::Remove(element, _) | SetOp::Contains(element, _) => {
                elements.contains(element).then(|| op.clone())
            }
            SetOp::Read(seen) => {
                let seen = seen.iter().filter(|element| elements.contains(element));
                Some(SetOp::Read(seen.cloned().collect()))
            }
        }
    }

    /// A read that shows an element twice.
    fn impossible(&self, op: &SetOp) -> Option<String> {
        let SetOp::Read(seen) = op else { return None };
        let twice = seen.windows(2).find(|pair| pair[0] == pair[1])?;
        Some(format!(" with {} twice", twice[0]))
    }

    fn suspects(&self, entries: &[Entry], ops: &[SetOp]) -> Option<Vec<Value>> {
        suspects(entries, ops, Slips::default())
    }

    fn heap_bytes(&self, state: &Elements) -> u64 {
        state.0.change_bytes()
    }

    fn op_heap_bytes(&self, op: &SetOp) -> u64 {
        match op {
            SetOp::Add(element, _) | SetOp::Remove(element, _) | SetOp::Contains(element, _) => {
                value_bytes(element)
            }
            SetOp::Read(seen) => values_bytes(seen),
        }
    }

    fn describe_state(&self, state: &Elements) -> String {
        listed(state.0.iter().map(|(element, ())| element), state.0.len())
    }

    /// True whatever other elements are there.
    fn clash(&self, state: &Elements, op: &SetOp) -> Option<String> {
        let SetOp::Read(seen) = op else {
            let (SetOp::Add(element, _) | SetOp::Remove(element, _) | SetOp::Contains(element, _)) =
                op
            else {
                return None;
            };
            let not = if state.0.get(element).is_some() { "" } else { "not " };
            return Some(format!(" while it was {not}there"));
        };
        let twice = seen.windows(2).find(|pair| pair[0] == pair[1]);
        let extra = seen.iter().find(|element| state.0.get(element).is_none());
        let missing = state.0.iter().find(|(it, ())| seen.binary_search(it).is_err());
        match (twice, extra, missing) {
            (Some(pair), _, _) => Some(format!(" with {} twice", pair[0])),
            (_, Some(extra), _) => Some(format!(" with {extra}, which was not there")),
            (_, _, Some((missing, ()))) => Some(format!(" without {missing}, which was there")),
            (None, None, None) => None,
        }
    }

    fn words(&self, op: &SetOp) -> Words {
        let found = |there: &bool| if *there { "there" } else { "not there" };
        let same = |text: String| Words { past: text.clone(), perfect: text };
        match op {
            SetOp::Add(element, None) => same(format!("added {element}")),
            SetOp::Add(element, Some(true)) => same(format!("added {element} as new")),
            SetOp::Add(element, Some(false)) => same(format!("added {element}, already there")),
            SetOp::Remove(element, Some(false)) => {
                same(format!("removed {element}, which was not there"))
            }
            SetOp::Remove(element, Some(true)) => {
                same(format!("removed {element}, which was there"))
            }
            SetOp::Remove(element, None) => same(format!("removed {element}")),
            SetOp::Contains(element, there) => same(format!("found {element} {}", found(there))),
            SetOp::Read(seen) if seen.is_empty() => same("read nothing".into()),
            SetOp::Read(seen) => same(format!("read {}", listed(seen.iter(), seen.len()))),
        }
    }

    fn refusal(&self, state: &Elements, op: &SetOp) -> String {
        match op {
            SetOp::Read(seen) => {
                let twice = seen.windows(2).find(|pair| pair[0] == pair[1]);
                let extra = seen.iter().find(|element| state.0.get(element).is_none());
                let missing = state.0.iter().find(|(it, ())| seen.binary_search(it).is_err());
                match (twice, extra, missing) {
                    (Some(pair), _, _) => format!("the read shows {} twice", pair[0]),
                    (_, Some(extra), _) => format!("the read shows {extra}, which is not there"),
                    (_, _, Some((missing, ()))) => {
                        format!("the read lacks {missing}, which is there")
                    }
                    (None, None, None) => unreachable!("asked only where it is illegal"),
                }
            }
            SetOp::Add(element, _) | SetOp::Remove(element, _) | SetOp::Contains(element, _) => {
                let there = state.0.get(element).is_some();
                format!("{element} is {}there", if there { "" } else { "not " })
            }
        }
    }
}

impl FromHistory for Set {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<SetOp>, String> {
        let op = match operation.op() {
            Op::Set(op) => op,
            other => return Err(other.to_string()),
        };
        match op {
            Recorded::Add { element, added, .. } => {
                let told = || SetOp::Add(element.clone(), added.present().copied());
                Ok(change(operation, told, || SetOp::Add(element.clone(), None)))
            }
            Recorded::Remove { .. } if !self.shrinks => {
                Err(format!("{op}, which a set that only grows does not have"))
            }
            Recorded::Remove { element, removed, .. } => {
                let told = || SetOp::Remove(element.clone(), removed.present().copied());
                Ok(change(operation, told, || SetOp::Remove(element.clone(), None)))
            }
            Recorded::Contains { element, found, .. } => {
                let found = found.present().copied();
                Ok(look(operation, found.map(|found| SetOp::Contains(element, found))))
            }
            Recorded::Read { elements, .. } => {
                let seen = match (elements, dialect.nil_read) {
                    (Observed::Present(elements), _) => Some(elements),
                    (Observed::Absent, NilRead::Asserts) => Some(Vec::new()),
                    (Observed::Absent, NilRead::Unknown) | (Observed::Pending, _) => None,
                };
                Ok(look(
                    operation,
                    seen.map(|mut seen| {
                        seen.sort();
                        SetOp::Read(seen.into())
                    }),
                ))
            }
        }
    }

    fn fast(&self, partition: &Partition<'_>, allowance: Allowance<'_>) -> Fast {
        let removes = |index: &OpIndex| partition.history.operation(*index).f() == F::SetRemove;
        if !self.shrinks && partition.operations.iter().any(removes) {
            return Fast::HandOver("an operation that a set that only grows does not have");
        }
        fast_set(partition, allowance)
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        keys.push(operation.key());
    }

    fn part(&self, operation: &Operation<'_>) -> Option<Code> {
        let one = matches!(operation.f(), F::SetAdd | F::SetRemove | F::SetContains);
        one.then(|| operation.a())
    }
}
