//! Registers that transactions read and write together (Knossos' multi-register).

use rustc_hash::{FxHashMap, FxHashSet};
use tribunal_history::{Code, F, Mop, Op, Operation, Outcome, Value};

use super::effect::seen_there;
use super::unwritten::{Slips, suspects};
use crate::linearizable::meter::{chunk_bytes, value_bytes};
use crate::linearizable::persistent::Map;
use crate::linearizable::{Dialect, Entry, FromHistory, Interpreted, Model, Steps, Words};

/// Steps of two transactions, multiplied, up to which they are compared one by one.
const FEW: usize = 256;

/// Registers by key, each `initial` until it is first written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MultiRegister {
    /// What every register holds before its first write.
    pub initial: Value,
}

/// A transaction: its steps in program order. Reads without an answer are left out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MultiRegisterOp(pub Box<[MultiRegisterStep]>);

/// One step of a transaction.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MultiRegisterStep {
    /// Found this value under this key.
    Read(Value, Value),
    /// Wrote this value under this key.
    Write(Value, Value),
}

/// The registers that do not hold the initial value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Registers(Map<Value, Value>);

impl MultiRegister {
    fn get<'a>(&'a self, registers: &'a Registers, key: &Value) -> &'a Value {
        registers.0.get(key).unwrap_or(&self.initial)
    }

    fn set(&self, registers: &Registers, key: &Value, value: &Value) -> Registers {
        Registers(match *value == self.initial {
            true => registers.0.without(key),
            false => registers.0.with(key.clone(), value.clone()),
        })
    }

    /// The registers after `op`, or the step that is illegal and what its register held.
    fn run<'a>(
        &self,
        registers: &Registers,
        op: &'a MultiRegisterOp,
    ) -> Result<Registers, (&'a Value, &'a Value, Value)> {
        let mut registers = registers.clone();
        for step in &op.0 {
            match step {
                MultiRegisterStep::Write(key, value) => {
                    registers = self.set(&registers, key, value);
                }
                MultiRegisterStep::Read(key, value) => {
                    let held = self.get(&registers, key);
                    if held != value {
                        return Err((key, value, held.clone()));
                    }
                }
            }
        }
        Ok(registers)
    }
}

impl MultiRegisterOp {
    /// Reads that show the state before the transaction. O(steps).
    pub(super) fn reads(&self) -> impl Iterator<Item = (&Value, &Value)> {
        let mut written = FxHashSet::default();
        self.0.iter().filter_map(move |step| match step {
            MultiRegisterStep::Read(key, value) if !written.contains(key) => Some((key, value)),
            MultiRegisterStep::Read(..) => None,
            MultiRegisterStep::Write(key, _) => {
                written.insert(key);
                None
            }
        })
    }

    /// What it leaves in each register that it writes. O(steps).
    pub(super) fn left(&self) -> FxHashMap<&Value, &Value> {
        let writes = self.0.iter().filter_map(|step| match step {
            MultiRegisterStep::Write(key, value) => Some((key, value)),
            MultiRegisterStep::Read(..) => None,
        });
        writes.collect()
    }

    /// What it leaves in one register. O(steps).
    fn left_in(&self, key: &Value) -> Option<&Value> {
        self.0.iter().rev().find_map(|step| match step {
            MultiRegisterStep::Write(written, value) if written == key => Some(value),
            MultiRegisterStep::Write(..) | MultiRegisterStep::Read(..) => None,
        })
    }

    /// Its steps on one register.
    pub(super) fn of(&self, key: &Value) -> MultiRegisterOp {
        let own = |step: &&MultiRegisterStep| match step {
            MultiRegisterStep::Read(on, _) | MultiRegisterStep::Write(on, _) => on == key,
        };
        MultiRegisterOp(self.0.iter().filter(own).cloned().collect())
    }

    fn text(&self, read: &str, write: &str) -> String {
        if self.0.is_empty() {
            return "nothing".into();
        }
        let steps = self.0.iter().map(|step| match step {
            MultiRegisterStep::Read(key, value) => format!("{read} {key} = {value}"),
            MultiRegisterStep::Write(key, value) => format!("{write} {key} := {value}"),
        });
        steps.collect::<Vec<_>>().join(", ")
    }
}

impl Model for MultiRegister {
    type State = Registers;
    type Op = MultiRegisterOp;

    fn initial(&self) -> Registers {
        Registers(Map::default())
    }

    fn step(&self, state: &Registers, op: &MultiRegisterOp) -> Steps<Registers> {
        self.run(state, op).map_or(Steps::None, Steps::One)
    }

    /// Exact: after a read of `v` a write of `v` changes nothing, as with a cas from v to v.
    fn is_pure(&self, op: &MultiRegisterOp) -> bool {
        let found: FxHashMap<&Value, &Value> = op.reads().collect();
        op.left().iter().all(|(key, value)| found.get(key) == Some(value)) || contradicts_itself(op)
    }

    /// By projection to one key: what a read finds is the last write of its key, and that one
    /// stays.
    fn observes(&self, observer: &MultiRegisterOp, producer: &MultiRegisterOp) -> bool {
        let both = observer.0.len() * producer.0.len();
        if both <= FEW {
            return observer.reads().any(|(key, value)| producer.left_in(key) == Some(value));
        }
        let left = producer.left();
        observer.reads().any(|(key, value)| left.get(key) == Some(&value))
    }

    /// Of a register and a value that it does not hold at first: who found it there, and who left
    /// it there. Of a legal order, whoever found it comes after somebody who left it there, and
    /// without what is left out nobody overwrites it. What contradicts itself is in no order, so
    /// all that it does to the register may be said of it.
    fn about(&self, op: &MultiRegisterOp, elements: &[Value]) -> Option<MultiRegisterOp> {
        let [key, value] = elements else { return None };
        let own = op.of(key);
        if contradicts_itself(&own) {
            return Some(own);
        }
        if *value == self.initial {
            return None;
        }
        let found = op.reads().find(|read| *read == (key, value));
        let found = found.map(|_| MultiRegisterStep::Read(key.clone(), value.clone()));
        let left = op.left_in(key).filter(|left| *left == value);
        let left = left.map(|_| MultiRegisterStep::Write(key.clone(), value.clone()));
        let steps: Vec<MultiRegisterStep> = found.into_iter().chain(left).collect();
        (!steps.is_empty()).then(|| MultiRegisterOp(steps.into()))
    }

    fn impossible(&self, op: &MultiRegisterOp) -> Option<String> {
        contradicts_itself(op).then(|| ", which no state of its registers allows".into())
    }

    /// A register, and a value of it.
    fn describe_elements(&self, elements: &[Value]) -> String {
        match elements {
            [key, value] => format!("{value} in {key}"),
            _ => String::new(),
        }
    }

    fn suspects(&self, entries: &[Entry], ops: &[MultiRegisterOp]) -> Option<Vec<Value>> {
        suspects(entries, ops, &self.initial, Slips::default())
    }

    fn heap_bytes(&self, state: &Registers) -> u64 {
        state.0.change_bytes()
    }

    /// Each write makes a path anew; together they make no more than all.
    fn made_bytes(&self, state: &Registers, op: &MultiRegisterOp) -> u64 {
        let writes = op.0.iter().filter(|step| matches!(step, MultiRegisterStep::Write(..)));
        let changes = state.0.change_bytes().saturating_mul(writes.count() as u64);
        changes.min(state.0.all_bytes())
    }

    fn op_heap_bytes(&self, op: &MultiRegisterOp) -> u64 {
        let steps = op.0.iter().map(|step| match step {
            MultiRegisterStep::Read(key, value) | MultiRegisterStep::Write(key, value) => {
                value_bytes(key) + value_bytes(value)
            }
        });
        chunk_bytes(size_of_val(&*op.0)) + steps.sum::<u64>()
    }

    fn describe_state(&self, state: &Registers) -> String {
        let held = state.0.iter().map(|(key, value)| format!("{key}: {value}"));
        format!("{{{}}}", held.collect::<Vec<_>>().join(", "))
    }

    fn words(&self, op: &MultiRegisterOp) -> Words {
        Words { past: op.text("read", "wrote"), perfect: op.text("read", "written") }
    }

    fn refusal(&self, state: &Registers, op: &MultiRegisterOp) -> String {
        match self.run(state, op) {
            Err((key, value, held)) => {
                format!("a read of {value} is illegal where register {key} holds {held}")
            }
            Ok(_) => unreachable!("asked only where it is illegal"),
        }
    }
}

/// Whether no state satisfies its reads: it is legal nowhere. O(steps).
pub(super) fn contradicts_itself(op: &MultiRegisterOp) -> bool {
    // What a register must hold by then, whatever it held before.
    let mut held: FxHashMap<&Value, &Value> = FxHashMap::default();
    op.0.iter().any(|step| match step {
        MultiRegisterStep::Read(key, value) => *held.entry(key).or_insert(value) != value,
        MultiRegisterStep::Write(key, value) => {
            held.insert(key, value);
            false
        }
    })
}

impl FromHistory for MultiRegister {
    fn interpret(
        &self,
        operation: &Operation<'_>,
        dialect: Dialect,
    ) -> Result<Interpreted<MultiRegisterOp>, String> {
        let op = operation.op();
        let Op::Txn(txn) = &op else { return Err(op.to_string()) };
        let answered = operation.outcome() == Outcome::Ok;
        let mut steps = Vec::with_capacity(txn.mops.len());
        for mop in &txn.mops {
            match mop {
                Mop::Write { key, value } => {
                    steps.push(MultiRegisterStep::Write(key.clone(), value.clone()));
                }
                Mop::Read { key, value } => match seen_there(value.clone(), dialect) {
                    Some(value) if answered => {
                        let value = value.unwrap_or(Value::Nil);
                        steps.push(MultiRegisterStep::Read(key.clone(), value));
                    }
                    Some(_) | None => {}
                },
                Mop::Append { .. }
                | Mop::ReadList { .. }
                | Mop::Add { .. }
                | Mop::ReadPredicate { .. } => {
                    return Err(op.to_string());
                }
            }
        }
        let op = MultiRegisterOp(steps.into());
        Ok(match operation.outcome() {
            Outcome::Ok if op.0.is_empty() => Interpreted::Nothing,
            Outcome::Ok => Interpreted::Completed(op),
            Outcome::Info | Outcome::Open => Interpreted::Crashed(op),
            Outcome::Fail => Interpreted::Nothing,
        })
    }

    fn keys(&self, operation: &Operation<'_>, keys: &mut Vec<Code>) {
        if operation.f() != F::Txn {
            keys.push(operation.key());
            return;
        }
        keys.extend(operation.mop_keys());
    }
}
