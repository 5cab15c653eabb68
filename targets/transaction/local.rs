//! The steps of a transaction, carried out on what was read.

use std::collections::BTreeMap;

use tribunal_harness::client::ClientError;
use tribunal_history::{ErrorClass, Mop, Observed, Value};

use super::{Span, Stored, span};
use crate::register;

/// The keys as the transaction sees them.
pub(super) struct Local {
    values: BTreeMap<String, Option<Stored>>,
    written: Vec<String>,
}

impl Local {
    /// What was read, before the first step.
    pub(super) fn new(values: BTreeMap<String, Option<Stored>>) -> Local {
        Local { values, written: Vec::new() }
    }

    /// Does one step, and fills in what it saw.
    pub(super) fn step(&mut self, mop: &Mop) -> Result<Mop, ClientError> {
        if let Mop::ReadPredicate { predicate, .. } = mop {
            let matches = Observed::Present(self.within(&span(predicate)?));
            return Ok(Mop::ReadPredicate { predicate: predicate.clone(), matches });
        }
        let Some(key) = mop.key() else {
            return Err(register::unsupported(format!("{mop} is about no key")));
        };
        let name = register::key(key)?;
        let held = self.values.get(&name).cloned().flatten();
        Ok(match mop {
            Mop::Read { key, .. } => {
                let value = held.map_or(Observed::Absent, |held| Observed::Present(value(held)));
                Mop::Read { key: key.clone(), value }
            }
            Mop::ReadList { key, .. } => {
                let elements =
                    held.map_or(Observed::Absent, |held| Observed::Present(elements(held)));
                Mop::ReadList { key: key.clone(), elements }
            }
            Mop::Write { value, .. } => {
                self.set(name, Stored::Int(register::int(value)?));
                mop.clone()
            }
            Mop::Append { element, .. } => {
                let element = register::int(element)?;
                let mut list = match held {
                    None => Vec::new(),
                    Some(Stored::List(list)) => list,
                    Some(other @ (Stored::Int(_) | Stored::Foreign(_))) => {
                        let detail = format!("{name} holds {}, which is no list", value(other));
                        return Err(ClientError::definite(ErrorClass::new("no-list"), detail));
                    }
                };
                list.push(element);
                self.set(name, Stored::List(list));
                mop.clone()
            }
            Mop::Add { key, delta, .. } => {
                let after = Local::sum(&name, held, *delta)?;
                self.set(name, Stored::Int(after));
                Mop::Add { key: key.clone(), delta: *delta, value: Observed::Present(after) }
            }
            Mop::ReadPredicate { .. } => unreachable!("it is about no key"),
        })
    }

    /// What there is of a range, by key.
    fn within(&self, (from, to): &Span) -> Vec<(Value, Value)> {
        let within = self.values.iter().filter(|(name, _)| *name >= from && *name < to);
        let mut found: Vec<(Value, Value)> = within
            .filter_map(|(name, held)| {
                Some((Value::Int(register::number(name)?), value(held.clone()?)))
            })
            .collect();
        found.sort();
        found
    }

    /// The balance after an addition: nothing there is zero, and less than zero is refused.
    fn sum(name: &str, held: Option<Stored>, delta: i64) -> Result<i64, ClientError> {
        let held = match held {
            None => 0,
            Some(Stored::Int(int)) => int,
            Some(other @ (Stored::List(_) | Stored::Foreign(_))) => {
                let detail = format!("{name} holds {}, which is no number", value(other));
                return Err(ClientError::definite(ErrorClass::new("no-number"), detail));
            }
        };
        held.checked_add(delta).filter(|after| *after >= 0).ok_or_else(|| {
            let detail = format!("{name} holds {held}, to which {delta} cannot be added");
            ClientError::definite(ErrorClass::new("insufficient"), detail)
        })
    }

    fn set(&mut self, key: String, value: Stored) {
        if !self.written.contains(&key) {
            self.written.push(key.clone());
        }
        self.values.insert(key, Some(value));
    }

    /// The last value of every key that was written.
    pub(super) fn puts(&self) -> Vec<(String, Stored)> {
        let put = |key: &String| Some((key.clone(), self.values.get(key)?.clone()?));
        self.written.iter().filter_map(put).collect()
    }
}

/// What a read of a register saw.
fn value(held: Stored) -> Value {
    match held {
        Stored::Int(int) => Value::Int(int),
        other @ (Stored::List(_) | Stored::Foreign(_)) => Value::unparsed(&other.text()),
    }
}

/// What a read of a list saw: of what is no list, one element that nobody appended.
fn elements(held: Stored) -> Vec<Value> {
    match held {
        Stored::List(list) => list.into_iter().map(Value::Int).collect(),
        other @ (Stored::Int(_) | Stored::Foreign(_)) => vec![Value::unparsed(&other.text())],
    }
}
