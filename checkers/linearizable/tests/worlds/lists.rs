//! Two lists that grow at the end, of which transactions touch one or both.

use std::collections::BTreeMap;

use tribunal_history::{Mop, Observed, Op, TxnOp, Value};

use super::super::generate::Random;
use super::registers::agrees_in_part;
use super::{World, int};
use crate::linearizable::List;

pub(super) struct Lists {
    /// Whether a transaction is one append or one read.
    pub(super) single: bool,
}

impl World for Lists {
    type Object = BTreeMap<Value, Vec<Value>>;
    type Model = List;

    fn model(&self) -> List {
        List
    }

    fn object(&self) -> Self::Object {
        BTreeMap::new()
    }

    fn ask(&self, random: &mut Random, _process: u32, _object: &Self::Object) -> Op {
        let more = if self.single { 0 } else { random.below(3) };
        let mops = (0..=more).map(|_| {
            let key = Value::Int(random.below(2) as i64);
            match random.below(2) {
                0 => Mop::ReadList { key, elements: Observed::Pending },
                _ => Mop::Append { key, element: Value::Int(random.below(6) as i64) },
            }
        });
        Op::Txn(TxnOp { mops: mops.collect() })
    }

    fn outcomes(
        &self,
        object: &Self::Object,
        _process: u32,
        question: &Op,
    ) -> Vec<(Op, Self::Object)> {
        let Op::Txn(mut txn) = question.clone() else { panic!("{question}") };
        let mut object = object.clone();
        for mop in &mut txn.mops {
            match mop {
                Mop::ReadList { key, elements } => {
                    *elements = Observed::Present(object.get(key).cloned().unwrap_or_default());
                }
                Mop::Append { key, element } => {
                    object.entry(key.clone()).or_default().push(element.clone());
                }
                other => panic!("{other}"),
            }
        }
        vec![(Op::Txn(txn), object)]
    }

    /// The client may have been told some of its reads only.
    fn effects(&self, object: &Self::Object, process: u32, told: &Op) -> Vec<Self::Object> {
        let outcomes = self.outcomes(object, process, &told.pending()).into_iter();
        let agrees = outcomes.filter(|(answer, _)| agrees_in_part(answer, told));
        agrees.map(|(_, object)| object).collect()
    }

    fn renamed(&self, op: &Op) -> Op {
        let Op::Txn(mut txn) = op.clone() else { panic!("{op}") };
        let other = |value: &Value| Value::Int(int(value) * 17);
        for mop in &mut txn.mops {
            match mop {
                Mop::Append { element, .. } => *element = other(element),
                Mop::ReadList { elements: Observed::Present(elements), .. } => {
                    elements.iter_mut().for_each(|element| *element = other(element));
                }
                Mop::ReadList { .. } => {}
                other => panic!("{other}"),
            }
        }
        Op::Txn(txn)
    }

    fn moved(&self, op: &Op) -> Op {
        let Op::Txn(mut txn) = op.clone() else { panic!("{op}") };
        for mop in &mut txn.mops {
            match mop {
                Mop::ReadList { key, .. } | Mop::Append { key, .. } => {
                    *key = Value::Int(int(key) + 10);
                }
                other => panic!("{other}"),
            }
        }
        Op::Txn(txn)
    }

    fn is_keyed(&self) -> bool {
        false
    }

    fn most(&self) -> u64 {
        8
    }
}
