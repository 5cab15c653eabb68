//! A set.

use std::collections::BTreeSet;

use tribunal_history::{Observed, Op, SetOp, Value};

use super::super::generate::Random;
use super::{World, int};
use crate::linearizable::Set;

pub(super) struct Elements {
    pub(super) shrinks: bool,
    /// Whether it is read whole.
    pub(super) whole: bool,
}

impl World for Elements {
    type Object = BTreeSet<Value>;
    type Model = Set;

    fn model(&self) -> Set {
        Set { shrinks: self.shrinks }
    }

    fn object(&self) -> BTreeSet<Value> {
        BTreeSet::new()
    }

    fn ask(&self, random: &mut Random, _process: u32, _object: &BTreeSet<Value>) -> Op {
        let (key, element) = (Value::Nil, Value::Int(random.below(3) as i64));
        Op::Set(match random.below(6) {
            0 | 1 => SetOp::Add { key, element, added: Observed::Pending },
            2 | 3 if self.shrinks => SetOp::Remove { key, element, removed: Observed::Pending },
            2 | 4 if self.whole => SetOp::Read { key, elements: Observed::Pending },
            _ => SetOp::Contains { key, element, found: Observed::Pending },
        })
    }

    fn outcomes(
        &self,
        object: &BTreeSet<Value>,
        _process: u32,
        question: &Op,
    ) -> Vec<(Op, BTreeSet<Value>)> {
        let mut next = object.clone();
        let Op::Set(op) = question.clone() else { panic!("{question}") };
        let answer = match op {
            SetOp::Add { key, element, .. } => {
                let added = Observed::Present(next.insert(element.clone()));
                SetOp::Add { key, element, added }
            }
            SetOp::Remove { key, element, .. } => {
                let removed = Observed::Present(next.remove(&element));
                SetOp::Remove { key, element, removed }
            }
            SetOp::Contains { key, element, .. } => {
                let found = Observed::Present(object.contains(&element));
                SetOp::Contains { key, element, found }
            }
            SetOp::Read { key, .. } => {
                let elements = Observed::Present(object.iter().cloned().collect());
                SetOp::Read { key, elements }
            }
        };
        vec![(Op::Set(answer), next)]
    }

    /// The order in which a read shows the elements means nothing.
    fn effects(&self, object: &BTreeSet<Value>, process: u32, told: &Op) -> Vec<BTreeSet<Value>> {
        let mut told = told.clone();
        if let Op::Set(SetOp::Read { elements: Observed::Present(elements), .. }) = &mut told {
            elements.sort();
        }
        let question = told.pending();
        let outcomes = self.outcomes(object, process, &question).into_iter();
        outcomes
            .filter(|(answer, _)| told == question || told == *answer)
            .map(|(_, object)| object)
            .collect()
    }

    fn renamed(&self, op: &Op) -> Op {
        let other = |value: &Value| Value::Int(100 - int(value));
        let Op::Set(op) = op.clone() else { panic!("{op}") };
        Op::Set(match op {
            SetOp::Add { key, element, added } => {
                SetOp::Add { key, element: other(&element), added }
            }
            SetOp::Remove { key, element, removed } => {
                SetOp::Remove { key, element: other(&element), removed }
            }
            SetOp::Contains { key, element, found } => {
                SetOp::Contains { key, element: other(&element), found }
            }
            SetOp::Read { key, elements } => SetOp::Read {
                key,
                elements: elements.map(|elements| elements.iter().map(other).collect()),
            },
        })
    }
}
