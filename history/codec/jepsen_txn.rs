//! Transactions of Jepsen: vectors of micro-operations.

use super::jepsen_op::{Ops, Stop, is_pending};
use super::tape::{Data, Node};
use crate::{Kind, Mop, Observed, Op, TxnOp};

impl<'a> Ops<'a> {
    pub(super) fn txn(
        &mut self,
        kind: Kind,
        value: Option<Node<'_, 'a>>,
    ) -> Result<Option<Op>, Stop> {
        let Some(value) = value.filter(|value| !matches!(value.data(), Data::Nil)) else {
            return Ok(None);
        };
        if !value.is_sequence() {
            let message = "a transaction must be a vector of micro-operations";
            return Err(self.error(value, message).into());
        }
        let mut mops = Vec::new();
        for node in value.children() {
            mops.push(self.mop(kind, node)?);
        }
        Ok(Some(Op::Txn(TxnOp { mops })))
    }

    fn mop(&self, kind: Kind, node: Node<'_, 'a>) -> Result<Mop, Stop> {
        let mut parts = node.children();
        let (Some(name), Some(key)) = (parts.next(), parts.next()) else {
            let message = "a micro-operation must be a vector like [:r key value]";
            return Err(self.error(node, message).into());
        };
        let argument = parts.next().filter(|_| node.is_sequence());
        let seen = argument.filter(|_| kind == Kind::Ok);
        let name = name.word().unwrap_or_default();
        match (name, argument) {
            ("append", Some(argument)) => {
                Ok(Mop::Append { key: self.value(key)?, element: self.value(argument)? })
            }
            ("w" | "write", Some(argument)) => {
                Ok(Mop::Write { key: self.value(key)?, value: self.value(argument)? })
            }
            ("rl", _) => self.read_list(key, seen),
            ("r", _) if self.lists => self.read_list(key, seen),
            ("r" | "rr" | "read", _) => self.read_register(name, key, seen),
            ("rp", _) => self.read_predicate(key, seen),
            (name, _) => {
                let message = format!("micro-operation {name} is not one of r, w, append");
                Err(self.error(node, message).into())
            }
        }
    }

    fn read_list(&self, key: Node<'_, 'a>, seen: Option<Node<'_, 'a>>) -> Result<Mop, Stop> {
        let elements = match seen {
            None => Observed::Pending,
            Some(seen) if is_pending(seen) => Observed::Pending,
            Some(seen) if matches!(seen.data(), Data::Nil) => Observed::Absent,
            Some(seen) if seen.is_sequence() => {
                let mut elements = Vec::new();
                for element in seen.children() {
                    elements.push(self.value(element)?);
                }
                Observed::Present(elements)
            }
            Some(seen) => {
                let message = "a read of a list, in a history of appends, returned no list";
                return Err(Stop::OtherReads(self.error(seen, message)));
            }
        };
        Ok(Mop::ReadList { key: self.value(key)?, elements })
    }

    fn read_register(
        &self,
        name: &str,
        key: Node<'_, 'a>,
        seen: Option<Node<'_, 'a>>,
    ) -> Result<Mop, Stop> {
        let value = match seen {
            None => Observed::Pending,
            Some(seen) if name == "r" && seen.is_sequence() => {
                let message = "a read of a register returned a list";
                return Err(Stop::OtherReads(self.error(seen, message)));
            }
            Some(seen) => self.observed(seen)?,
        };
        Ok(Mop::Read { key: self.value(key)?, value })
    }

    fn read_predicate(
        &self,
        predicate: Node<'_, 'a>,
        seen: Option<Node<'_, 'a>>,
    ) -> Result<Mop, Stop> {
        let Some(predicate) = predicate.word() else {
            return Err(self.error(predicate, "a predicate must be a string").into());
        };
        let matches = match seen {
            None => Observed::Pending,
            Some(seen) if is_pending(seen) => Observed::Pending,
            Some(seen) if matches!(seen.data(), Data::Nil) => Observed::Absent,
            Some(seen) => {
                let mut matches = Vec::new();
                for child in seen.children() {
                    let Some((key, value)) = child.pair() else {
                        return Err(self.error(child, "a match must be [key value]").into());
                    };
                    matches.push((self.value(key)?, self.value(value)?));
                }
                Observed::Present(matches)
            }
        };
        Ok(Mop::ReadPredicate { predicate: predicate.into(), matches })
    }
}
