//! What the `:f` and `:value` of a Jepsen event ask and answer.

use super::jepsen_family::{Word, Words};
use super::tape::{Bad, Data, Node, Shape};
use super::{CodecError, SOLE_KEY};
use crate::{
    CounterOp, F, Family, HistoryError, IdOp, Kind, LockOp, Observed, Op, QueueOp, RegisterOp,
    SetOp, Value, brief,
};

/// Why reading stopped: for good, or to start again on another assumption.
#[derive(Debug)]
pub(super) enum Stop {
    Bad(Bad),
    /// The event that starts here cannot be.
    Impossible(usize, HistoryError),
    Error(CodecError),
    /// `:index` runs backwards.
    Unordered,
    /// A word occurred that may belong to a set or to a counter.
    Telling,
    /// Events without a process got numbers that other events name.
    Numbered,
}

impl From<Bad> for Stop {
    fn from(bad: Bad) -> Stop {
        Stop::Bad(bad)
    }
}

impl From<CodecError> for Stop {
    fn from(error: CodecError) -> Stop {
        Stop::Error(error)
    }
}

#[derive(Debug)]
pub(super) struct Ops {
    /// Whether values are `[key value]`; unknown until the first one.
    independent: Option<bool>,
    /// What `:read` and `:add` mean where an event does not say it; unknown as long as no word
    /// of a set or a counter occurs.
    words: Option<Words>,
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum About {
    Txn(Wording),
    One(F, Word),
}

/// How an event says what a transaction is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wording {
    /// By micro-operations.
    Mops,
    /// A transfer of a bank.
    Transfer,
    /// A read of every account of a bank.
    Balances,
}

/// The parts of an event that say what was asked and answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'t, 'a> {
    /// Where the event stands.
    pub(super) at: usize,
    pub(super) kind: Kind,
    pub(super) f: Option<Node<'t, 'a>>,
    pub(super) value: Option<Node<'t, 'a>>,
    /// Porcupine's way to name the key.
    pub(super) key: Option<Node<'t, 'a>>,
    /// Ours: what is answered beside the value.
    pub(super) result: Option<Node<'t, 'a>>,
    /// Ours: which family a shared word belongs to.
    pub(super) family: Option<Node<'t, 'a>>,
}

impl Ops {
    pub(super) fn new(independent: Option<bool>, words: Option<Words>) -> Ops {
        Ops { independent, words }
    }

    pub(super) fn error(&self, node: Node<'_, '_>, message: impl Into<String>) -> Bad {
        Bad::new(node.at(), message)
    }

    /// An error about a value; about the event where it has none.
    fn error_in(&self, said: &Said<'_, '_>, value: Option<Node<'_, '_>>, message: &str) -> Bad {
        Bad::new(value.map_or(said.at, Node::at), message)
    }

    /// What an event is about. A vector of micro-operations is a transaction, whatever `:f` says.
    pub(super) fn about(&self, said: &Said<'_, '_>) -> Result<About, Stop> {
        let mops = said.value.is_some_and(is_transaction);
        let word = match said.f.and_then(Node::word) {
            Some("txn") => return Ok(About::Txn(Wording::Mops)),
            Some(name) => match Word::of(name) {
                Some(Word::Read | Word::One(F::Read | F::Write)) | None if mops => {
                    return Ok(About::Txn(Wording::Mops));
                }
                Some(word) if word.is_of_bank(said.value) && self.words != Some(Words::Bank) => {
                    return Err(Stop::Telling);
                }
                Some(Word::Transfer) => return Ok(About::Txn(Wording::Transfer)),
                Some(Word::Read) if self.words == Some(Words::Bank) && said.family.is_none() => {
                    return Ok(About::Txn(Wording::Balances));
                }
                Some(word) => word,
                None => return Err(self.unknown(said, name).into()),
            },
            None if said.value.is_some_and(Node::is_sequence) => {
                return Ok(About::Txn(Wording::Mops));
            }
            None => {
                let message = "an event without :f and without micro-operations as its :value";
                return Err(Bad::new(said.f.map_or(said.at, Node::at), message).into());
            }
        };
        if self.words.is_none() && word.is_telling() {
            return Err(Stop::Telling);
        }
        Ok(About::One(self.meaning(word, said)?, word))
    }

    /// The operation on one object that an event carries. `None` where it carries nothing that
    /// counts: what a failed or unknown operation says of itself is not an observation.
    pub(super) fn op(&mut self, f: F, word: Word, said: &Said<'_, '_>) -> Result<Option<Op>, Bad> {
        match said.kind {
            Kind::Fail | Kind::Info => Ok(None),
            Kind::Invoke | Kind::Ok => self.single(f, word, said),
        }
    }

    fn unknown(&self, said: &Said<'_, '_>, name: &str) -> Bad {
        let at = said.f.map_or(said.at, Node::at);
        let message = match name {
            "send" | "poll" | "subscribe" | "assign" | "crash" => {
                format!("operation {name} is of family log, which is not supported")
            }
            "drain" => {
                "operation drain is not supported: record its dequeues one by one".to_owned()
            }
            name => format!("operation {} is not supported", brief(name)),
        };
        Bad::new(at, message)
    }

    /// Which operation a word means here.
    fn meaning(&self, word: Word, said: &Said<'_, '_>) -> Result<F, Bad> {
        let own = match said.family {
            None => None,
            Some(node) => match node.word().and_then(Family::from_name) {
                Some(family) => Some(family),
                None => return Err(self.error(node, "a :family that is none of ours")),
            },
        };
        self.words.unwrap_or(Words::Plain).meaning(word, own).map_err(|message| {
            let at = said.f.map_or(said.at, Node::at);
            Bad::new(at, message)
        })
    }

    /// An operation on one object.
    fn single(&mut self, f: F, word: Word, said: &Said<'_, '_>) -> Result<Option<Op>, Bad> {
        let (key, value) = match said.key {
            Some(key) => (self.value(key)?, said.value),
            None => self.keyed(f, said.kind, said.value)?,
        };
        let ok = said.kind == Kind::Ok;
        let nothing = value.is_none_or(|value| matches!(value.data(), Data::Nil));
        if ok && nothing && said.result.is_none() && !observes_value(f) {
            // Some clients report a bare success.
            return Ok(None);
        }
        let seen = value.filter(|_| ok);
        Ok(Some(match f {
            F::Txn => unreachable!("transactions are read elsewhere"),
            F::Read => Op::Register(RegisterOp::Read { key, value: self.seen(ok, value)? }),
            F::Write => Op::Register(RegisterOp::Write { key, value: self.given(said, value)? }),
            F::Append => Op::Register(RegisterOp::Append { key, value: self.given(said, value)? }),
            F::Cas => {
                let Some((from, to)) = value.and_then(Node::pair) else {
                    return Err(self.error_in(said, value, "a cas needs a value [from to]"));
                };
                let (from, to) = (self.value(from)?, self.value(to)?);
                Op::Register(RegisterOp::Cas { key, from, to })
            }
            F::SetAdd => {
                let (element, added) = (self.given(said, value)?, self.told(said)?);
                Op::Set(SetOp::Add { key, element, added })
            }
            F::SetRemove => {
                let (element, removed) = (self.given(said, value)?, self.told(said)?);
                Op::Set(SetOp::Remove { key, element, removed })
            }
            F::SetContains => {
                let (element, found) = (self.given(said, value)?, self.told(said)?);
                Op::Set(SetOp::Contains { key, element, found })
            }
            F::SetRead => Op::Set(SetOp::Read { key, elements: self.elements(ok, seen)? }),
            F::CounterAdd => {
                let delta = self.delta(word, said, value)?;
                let value = self.number(ok, said.result, Observed::Pending)?;
                Op::Counter(CounterOp::Add { key, delta, value })
            }
            F::CounterRead => {
                let value = self.number(ok, seen, Observed::Absent)?;
                Op::Counter(CounterOp::Read { key, value })
            }
            F::Enqueue => Op::Queue(QueueOp::Enqueue { key, value: self.given(said, value)? }),
            F::Dequeue => Op::Queue(QueueOp::Dequeue { key, value: self.seen(ok, value)? }),
            F::Peek => Op::Queue(QueueOp::Peek { key, value: self.seen(ok, value)? }),
            F::Acquire => {
                let (permits, token) = self.lock(value)?;
                let token = if ok { token } else { Observed::Pending };
                Op::Lock(LockOp::Acquire { key, permits, token })
            }
            F::Release => {
                let (permits, token) = self.lock(value)?;
                Op::Lock(LockOp::Release { key, permits, token })
            }
            F::Generate => Op::Id(IdOp::Generate { key, id: self.seen(ok, value)? }),
        }))
    }

    /// Splits `[key value]` where values are keyed. The first operation decides, if the options do
    /// not: a pair is no value of an object, a cas of pairs is one of keys, and so is a read of a
    /// set that holds a set.
    fn keyed<'t, 'a>(
        &mut self,
        f: F,
        kind: Kind,
        value: Option<Node<'t, 'a>>,
    ) -> Result<(Value, Option<Node<'t, 'a>>), Bad> {
        let Some(node) = value else { return Ok((SOLE_KEY, None)) };
        let tuple = node.tagged().filter(|(tag, _)| tag.ends_with("tuple"));
        let pair = tuple.map_or(node, |(_, content)| content).pair();
        let looks = tuple.is_some()
            || pair.is_some_and(|(_, value)| match f {
                F::Cas => value.is_sequence(),
                F::SetRead => kind == Kind::Invoke || value.is_sequence() || value.is_set(),
                F::Read
                | F::Write
                | F::Append
                | F::Txn
                | F::SetAdd
                | F::SetRemove
                | F::SetContains
                | F::CounterAdd
                | F::CounterRead
                | F::Enqueue
                | F::Dequeue
                | F::Peek
                | F::Acquire
                | F::Release
                | F::Generate => true,
            });
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

    /// An argument that must be there.
    fn given(&self, said: &Said<'_, '_>, value: Option<Node<'_, '_>>) -> Result<Value, Bad> {
        match value {
            Some(value) => self.value(value),
            None => {
                let name = said.f.and_then(Node::word).unwrap_or("operation");
                let article = if name.starts_with(['a', 'e']) { "an" } else { "a" };
                let message = format!("{article} {name} needs a :value");
                Err(Bad::new(said.at, message))
            }
        }
    }

    /// What a read saw: nothing of one that was not answered `ok`.
    fn seen(&self, ok: bool, value: Option<Node<'_, '_>>) -> Result<Observed<Value>, Bad> {
        match value {
            _ if !ok => Ok(Observed::Pending),
            None => Ok(Observed::Absent),
            Some(value) => self.observed(value),
        }
    }

    /// Yes, no, or not told.
    fn told(&self, said: &Said<'_, '_>) -> Result<Observed<bool>, Bad> {
        match said.result.filter(|_| said.kind == Kind::Ok) {
            None => Ok(Observed::Pending),
            Some(node) => match node.data() {
                Data::Nil => Ok(Observed::Absent),
                Data::Bool(yes) => Ok(Observed::Present(*yes)),
                _ => Err(self.error(node, "a :result of a set must be true or false")),
            },
        }
    }

    fn elements(&self, ok: bool, seen: Option<Node<'_, '_>>) -> Result<Observed<Vec<Value>>, Bad> {
        let Some(node) = seen else {
            return Ok(if ok { Observed::Absent } else { Observed::Pending });
        };
        if is_pending(node) {
            return Ok(Observed::Pending);
        }
        let content = node.tagged().map_or(node, |(_, content)| content);
        match content.data() {
            Data::Nil => Ok(Observed::Absent),
            Data::Open(Shape::Sequence | Shape::Set, _) => {
                let elements = content.children().map(|element| self.value(element));
                elements.collect::<Result<_, _>>().map(Observed::Present)
            }
            _ => Err(self.error(node, "a read of a set must return a set or a vector")),
        }
    }

    fn delta(
        &self,
        word: Word,
        said: &Said<'_, '_>,
        value: Option<Node<'_, '_>>,
    ) -> Result<i64, Bad> {
        let delta = match (value.map(Node::data), word) {
            (Some(Data::Int(int)), Word::Down) => int.checked_neg(),
            (Some(Data::Int(int)), _) => Some(*int),
            (Some(Data::Nil) | None, Word::Up) => Some(1),
            (Some(Data::Nil) | None, Word::Down) => Some(-1),
            (_, _) => None,
        };
        let message = "a counter is changed by an integer of 64 bits";
        delta.ok_or_else(|| self.error_in(said, value, message))
    }

    fn number(
        &self,
        ok: bool,
        node: Option<Node<'_, '_>>,
        missing: Observed<i64>,
    ) -> Result<Observed<i64>, Bad> {
        match node {
            _ if !ok => Ok(Observed::Pending),
            None => Ok(missing),
            Some(node) if is_pending(node) => Ok(Observed::Pending),
            Some(node) => match node.data() {
                Data::Nil => Ok(Observed::Absent),
                Data::Int(int) => Ok(Observed::Present(*int)),
                _ => Err(self.error(node, "a counter holds an integer of 64 bits")),
            },
        }
    }

    /// Permits and token of `nil` or `{:permits 2 :token 7}`.
    fn lock(&self, value: Option<Node<'_, '_>>) -> Result<(i64, Observed<i64>), Bad> {
        let (mut permits, mut token) = (1, Observed::Pending);
        let Some(node) = value.filter(|node| !matches!(node.data(), Data::Nil)) else {
            return Ok((permits, token));
        };
        if !node.is_map() {
            let message = "the value of a lock must be nil or a map like {:permits 2 :token 7}";
            return Err(self.error(node, message));
        }
        let mut children = node.children();
        while let (Some(name), Some(value)) = (children.next(), children.next()) {
            match (name.word().unwrap_or_default(), value.data()) {
                ("permits", Data::Int(int)) => permits = *int,
                ("token" | "fence", Data::Int(int)) => token = Observed::Present(*int),
                ("token" | "fence", Data::Nil) => token = Observed::Absent,
                ("permits" | "token" | "fence", _) => {
                    return Err(self.error(value, "an integer of 64 bits was expected here"));
                }
                _ => {}
            }
        }
        Ok((permits, token))
    }

    /// What an answered read saw. `nil` is nothing; our own tags say what EDN has no word for.
    pub(super) fn observed(&self, node: Node<'_, '_>) -> Result<Observed<Value>, Bad> {
        if is_pending(node) {
            return Ok(Observed::Pending);
        }
        match node.data() {
            Data::Nil => Ok(Observed::Absent),
            _ => Ok(Observed::Present(self.value(node)?)),
        }
    }

    pub(super) fn value(&self, node: Node<'_, '_>) -> Result<Value, Bad> {
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
                    Shape::Map => "a map as a value is not supported, except of locks and banks",
                    Shape::Set => "a set as a value is not supported, except read from a set",
                    Shape::Sequence => {
                        "a vector as a value outside :f :txn is not supported, except for keyed \
                         objects, whose values are all [key value]"
                    }
                };
                Err(self.error(node, message))
            }
        }
    }
}

/// A vector that holds at least one micro-operation and nothing else.
fn is_transaction(node: Node<'_, '_>) -> bool {
    const NAMES: [&str; 9] = ["r", "w", "append", "add", "read", "write", "rl", "rr", "rp"];
    let is_mop = |node: Node<'_, '_>| {
        let name = node.children().next().and_then(Node::word);
        node.is_sequence() && name.is_some_and(|name| NAMES.contains(&name))
    };
    let mut children = node.children();
    node.is_sequence() && children.clone().next().is_some() && children.all(is_mop)
}

pub(super) fn is_pending(node: Node<'_, '_>) -> bool {
    node.tagged().is_some_and(|(tag, _)| tag == "tribunal/pending")
}

/// Whether the `:value` of an answer is what was seen; of the others it repeats the question.
fn observes_value(f: F) -> bool {
    match f {
        F::Read | F::SetRead | F::CounterRead | F::Dequeue | F::Peek | F::Generate => true,
        F::Write
        | F::Cas
        | F::Txn
        | F::Append
        | F::SetAdd
        | F::SetRemove
        | F::SetContains
        | F::CounterAdd
        | F::Enqueue
        | F::Acquire
        | F::Release => false,
    }
}
