//! Transactions of Jepsen: vectors of micro-operations.
//!
//! Whether `[:r k nil]` reads a list is not said by the event: the history decides at its end, see
//! [`crate::Builder`].

use super::jepsen_op::{Ops, Wording, is_pending};
use super::tape::{Bad, Data, Node};
use crate::{Code, Draft, Kind, Observed};

impl Ops {
    /// Fills a draft; false where the event has no micro-operations at all.
    pub(super) fn txn(
        &self,
        wording: Wording,
        kind: Kind,
        value: Option<Node<'_, '_>>,
        draft: &mut Draft<'_>,
    ) -> Result<bool, Bad> {
        match wording {
            Wording::Mops => {}
            Wording::Transfer => return self.transfer(kind, value, draft),
            Wording::Balances => return self.balances(kind, value, draft),
        }
        let Some(value) = value.filter(|value| !matches!(value.data(), Data::Nil)) else {
            return Ok(false);
        };
        if !value.is_sequence() {
            return Err(self.error(value, "a transaction must be a vector of micro-operations"));
        }
        for node in value.children() {
            self.mop(kind, node, draft)?;
        }
        Ok(true)
    }

    fn mop(&self, kind: Kind, node: Node<'_, '_>, draft: &mut Draft<'_>) -> Result<(), Bad> {
        let mut parts = node.children();
        let (Some(name), Some(key)) = (parts.next(), parts.next()) else {
            return Err(self.error(node, "a micro-operation must be a vector like [:r key value]"));
        };
        let argument = parts.next().filter(|_| node.is_sequence());
        let seen = argument.filter(|_| kind == Kind::Ok);
        let name = name.word().unwrap_or_default();
        match (name, argument) {
            ("append", Some(argument)) => {
                let (key, element) = (self.code(key, draft)?, self.code(argument, draft)?);
                draft.append(key, element);
            }
            ("w" | "write", Some(argument)) => {
                let (key, value) = (self.code(key, draft)?, self.code(argument, draft)?);
                draft.write(key, value);
            }
            ("add", Some(delta)) => {
                let (key, delta) = (self.code(key, draft)?, self.whole(delta)?);
                let after = parts.next().filter(|_| kind == Kind::Ok);
                let after = after.map_or(Ok(Observed::Pending), |after| self.balance(after))?;
                draft.add(key, delta, after);
            }
            ("r" | "read" | "rr" | "rl", _) => self.read(name, key, seen, draft)?,
            ("rp", _) => self.read_predicate(key, seen, draft)?,
            ("append" | "w" | "write" | "add", None) => {
                let message = format!("micro-operation {name} has a key and no value");
                return Err(self.error(node, message));
            }
            (name, _) => {
                let message = format!("micro-operation {name} is not one of r, w, append");
                return Err(self.error(node, message));
            }
        }
        Ok(())
    }

    fn code(&self, node: Node<'_, '_>, draft: &mut Draft<'_>) -> Result<Code, Bad> {
        match node.data() {
            Data::Int(int) => Ok(draft.int(*int)),
            _ => Ok(draft.code(&self.value(node)?)),
        }
    }

    fn read(
        &self,
        name: &str,
        key: Node<'_, '_>,
        seen: Option<Node<'_, '_>>,
        draft: &mut Draft<'_>,
    ) -> Result<(), Bad> {
        let key = self.code(key, draft)?;
        let nothing = match seen {
            None => Some(Observed::Pending),
            Some(seen) if is_pending(seen) => Some(Observed::Pending),
            Some(seen) if matches!(seen.data(), Data::Nil) => Some(Observed::Absent),
            Some(_) => None,
        };
        match (name, nothing, seen) {
            ("rl", Some(nothing), _) => draft.read_no_list(key, nothing),
            ("rr", Some(Observed::Absent), _) => draft.read(key, Observed::Absent),
            ("rr", Some(_), _) => draft.read(key, Observed::Pending),
            (_, Some(nothing), _) => draft.read_undecided(key, nothing == Observed::Absent),
            (name, None, Some(seen)) if name != "rr" && seen.is_sequence() => {
                draft.read_list(key);
                for element in seen.children() {
                    let element = self.code(element, draft)?;
                    draft.element(element);
                }
            }
            ("rl", None, Some(seen)) => {
                return Err(self.error(seen, "a read of a list returned no list"));
            }
            (_, None, Some(seen)) => {
                let value = self.code(seen, draft)?;
                draft.read(key, Observed::Present(value));
            }
            (_, None, None) => {}
        }
        Ok(())
    }

    fn read_predicate(
        &self,
        predicate: Node<'_, '_>,
        seen: Option<Node<'_, '_>>,
        draft: &mut Draft<'_>,
    ) -> Result<(), Bad> {
        let Some(text) = predicate.word() else {
            return Err(self.error(predicate, "a predicate must be a string"));
        };
        let text = draft.code(&crate::Value::text(text));
        match seen {
            None => draft.read_no_predicate(text, Observed::Pending),
            Some(seen) if is_pending(seen) => draft.read_no_predicate(text, Observed::Pending),
            Some(seen) if matches!(seen.data(), Data::Nil) => {
                draft.read_no_predicate(text, Observed::Absent);
            }
            Some(seen) => {
                draft.read_predicate(text);
                for child in seen.children() {
                    let Some((key, value)) = child.pair() else {
                        return Err(self.error(child, "a match must be [key value]"));
                    };
                    let (key, value) = (self.code(key, draft)?, self.code(value, draft)?);
                    draft.element(key);
                    draft.element(value);
                }
            }
        }
        Ok(())
    }
}
