//! What the `:f` and `:value` of a Jepsen event ask and answer.

use super::tape::{Data, Node, Shape, error_at};
use super::{CodecError, SOLE_KEY};
use crate::{Kind, Mop, Observed, Op, RegisterOp, TxnOp, Value};

/// Why reading stopped: for good, or to start again on another assumption.
#[derive(Debug)]
pub(super) enum Stop {
    Error(CodecError),
    /// Reads of transactions are of the other kind: lists where registers were assumed, or
    /// registers where lists were.
    OtherReads(CodecError),
    /// `:index` runs backwards.
    Unordered,
}

impl From<CodecError> for Stop {
    fn from(error: CodecError) -> Stop {
        Stop::Error(error)
    }
}

/// Families of Jepsen whose operations are known by name but not judged yet.
const FAMILIES: [(&str, &[&str]); 6] = [
    ("lock", &["acquire", "release"]),
    ("set or counter", &["add", "remove"]),
    ("bank", &["transfer"]),
    ("queue", &["enqueue", "dequeue", "drain"]),
    ("log", &["send", "poll", "subscribe", "assign", "crash"]),
    ("ids", &["generate"]),
];

#[derive(Debug)]
pub(super) struct Ops<'a> {
    text: &'a str,
    /// Whether `:r` reads lists.
    lists: bool,
    /// Whether values of registers are `[key value]`; unknown until the first one.
    independent: Option<bool>,
}

impl<'a> Ops<'a> {
    pub(super) fn new(text: &'a str, lists: bool, independent: Option<bool>) -> Ops<'a> {
        Ops { text, lists, independent }
    }

    fn error(&self, node: Node<'_, 'a>, message: impl Into<String>) -> CodecError {
        error_at(self.text.as_bytes(), node.at(), message)
    }

    /// The operation an event carries. `None` where it carries nothing that counts: what a failed
    /// or unknown operation says of itself is not an observation.
    pub(super) fn op(
        &mut self,
        at: usize,
        kind: Kind,
        f: Option<Node<'_, 'a>>,
        value: Option<Node<'_, 'a>>,
    ) -> Result<Option<Op>, Stop> {
        let name = f.and_then(Node::word);
        let known = match name {
            Some("read" | "write" | "cas" | "txn") => true,
            None => value.is_some_and(Node::is_sequence),
            Some(_) => false,
        };
        if !known {
            return Err(self.unsupported(at, f, name).into());
        }
        match (kind, name) {
            (Kind::Fail | Kind::Info, _) => Ok(None),
            (Kind::Invoke | Kind::Ok, None | Some("txn")) => self.txn(kind, value),
            (Kind::Invoke | Kind::Ok, Some(name)) => Ok(self.register(at, kind, name, value)?),
        }
    }

    fn unsupported(&self, at: usize, f: Option<Node<'_, 'a>>, name: Option<&str>) -> CodecError {
        let at = f.map_or(at, Node::at);
        let message = match name {
            None => "an event without :f and without micro-operations as its :value".to_owned(),
            Some(name) => {
                let family = FAMILIES.iter().find(|(_, names)| names.contains(&name));
                match family {
                    Some((family, _)) => format!(
                        "operation {name} is of family {family}, which is not supported yet"
                    ),
                    None => format!("operation {name} is not supported; read, write, cas, txn are"),
                }
            }
        };
        error_at(self.text.as_bytes(), at, message)
    }

    fn register(
        &mut self,
        at: usize,
        kind: Kind,
        name: &str,
        value: Option<Node<'_, 'a>>,
    ) -> Result<Option<Op>, CodecError> {
        let (key, value) = self.keyed(name, value)?;
        let nothing = value.is_none_or(|value| matches!(value.data(), Data::Nil));
        let op = match (name, value) {
            ("read", value) => {
                let value = match (kind, value) {
                    (Kind::Ok, Some(value)) => self.observed(value)?,
                    (Kind::Ok, None) => Observed::Absent,
                    (Kind::Invoke | Kind::Fail | Kind::Info, _) => Observed::Pending,
                };
                RegisterOp::Read { key, value }
            }
            // Some clients report a bare success.
            ("write" | "cas", _) if nothing && kind == Kind::Ok => return Ok(None),
            ("write", Some(value)) => RegisterOp::Write { key, value: self.value(value)? },
            ("cas", Some(node)) if node.pair().is_some() => {
                let Some((from, to)) = node.pair() else { return Ok(None) };
                RegisterOp::Cas { key, from: self.value(from)?, to: self.value(to)? }
            }
            (_, node) => {
                let at = node.map_or(at, Node::at);
                let message = match name {
                    "cas" => "a cas needs a value [from to]",
                    _ => "a write needs a :value",
                };
                return Err(error_at(self.text.as_bytes(), at, message));
            }
        };
        Ok(Some(Op::Register(op)))
    }

    /// Splits `[key value]` where registers are keyed. The first register operation decides, if
    /// the options do not: a pair is no value of a register, and a cas of pairs is one of keys.
    fn keyed<'t>(
        &mut self,
        name: &str,
        value: Option<Node<'t, 'a>>,
    ) -> Result<(Value, Option<Node<'t, 'a>>), CodecError> {
        let Some(node) = value else { return Ok((SOLE_KEY, None)) };
        let tuple = node.tagged().filter(|(tag, _)| tag.ends_with("tuple"));
        let pair = tuple.map_or(node, |(_, content)| content).pair();
        let looks = tuple.is_some()
            || match name {
                "cas" => pair.is_some_and(|(_, value)| value.is_sequence()),
                _ => pair.is_some(),
            };
        let independent = *self.independent.get_or_insert(looks);
        match (independent || tuple.is_some(), pair) {
            (true, Some((key, value))) => Ok((self.value(key)?, Some(value))),
            (true, None) => {
                let message = "a [key value] tuple was expected, as in the operations before";
                Err(self.error(node, message))
            }
            (false, _) => Ok((SOLE_KEY, Some(node))),
        }
    }

    fn txn(&mut self, kind: Kind, value: Option<Node<'_, 'a>>) -> Result<Option<Op>, Stop> {
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

    /// What an answered read saw. `nil` is nothing; our own tags say what EDN has no word for.
    fn observed(&self, node: Node<'_, 'a>) -> Result<Observed<Value>, CodecError> {
        if is_pending(node) {
            return Ok(Observed::Pending);
        }
        match node.data() {
            Data::Nil => Ok(Observed::Absent),
            _ => Ok(Observed::Present(self.value(node)?)),
        }
    }

    fn value(&self, node: Node<'_, 'a>) -> Result<Value, CodecError> {
        match node.data() {
            Data::Nil => Ok(Value::Nil),
            Data::Int(int) => Ok(Value::Int(*int)),
            Data::Bool(bool) => Ok(Value::text(bool.to_string())),
            Data::Text(text) => Ok(Value::text(&**text)),
            Data::Number(text) | Data::Keyword(text) | Data::Symbol(text) => Ok(Value::text(*text)),
            Data::Tag(tag) => {
                let Some((_, content)) = node.tagged() else { return Ok(Value::Nil) };
                match (*tag, content.data()) {
                    ("tribunal/unparsed", Data::Text(hex)) => {
                        super::hex::decode(hex).map(|raw| Value::unparsed(&raw)).ok_or_else(|| {
                            self.error(content, "an unparsed value must be hexadecimal digits")
                        })
                    }
                    _ => self.value(content),
                }
            }
            Data::Open(shape, _) => {
                let message = match shape {
                    Shape::Map => "a map as a value, as in family bank, is not supported yet",
                    Shape::Set => "a set as a value, as in family set, is not supported yet",
                    Shape::Sequence => {
                        "a vector as a value outside :f :txn is not supported, except for keyed \
                         registers, whose values are all [key value]"
                    }
                };
                Err(self.error(node, message))
            }
        }
    }
}

fn is_pending(node: Node<'_, '_>) -> bool {
    node.tagged().is_some_and(|(tag, _)| tag == "tribunal/pending")
}
