//! Which operation a word of Jepsen means. `:read` and `:add` are words of several families; what
//! the rest of the file says decides between them, and where it does not, nothing is guessed.

use super::CodecError;
use super::jepsen_events::{Fields, each_event};
use super::jepsen_op::Stop;
use super::tape::{Data, Node};
use super::window::Window;
use crate::{F, Family, Kind};

/// What an `:f` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    /// One operation, whatever the family.
    One(F),
    /// A read of a register, a set or a counter.
    Read,
    /// An addition to a set or a counter.
    Add,
    /// `inc`: an addition to a counter, of 1 if nothing else is said.
    Up,
    /// `dec`: a subtraction.
    Down,
    /// A transfer of a bank.
    Transfer,
}

impl Word {
    pub(super) fn of(name: &str) -> Option<Word> {
        Some(match name {
            "read" => Word::Read,
            "get" => Word::One(F::Read),
            "write" | "put" => Word::One(F::Write),
            "cas" => Word::One(F::Cas),
            "append" => Word::One(F::Append),
            "txn" => Word::One(F::Txn),
            "add" => Word::Add,
            "remove" => Word::One(F::SetRemove),
            "contains" => Word::One(F::SetContains),
            "inc" => Word::Up,
            "dec" => Word::Down,
            "transfer" => Word::Transfer,
            "enqueue" | "push" => Word::One(F::Enqueue),
            "dequeue" | "pop" => Word::One(F::Dequeue),
            "peek" => Word::One(F::Peek),
            "acquire" => Word::One(F::Acquire),
            "release" => Word::One(F::Release),
            "generate" => Word::One(F::Generate),
            _ => return None,
        })
    }
}

impl Word {
    /// Whether a file with it may be about sets or counters.
    pub(super) fn is_telling(self) -> bool {
        match self {
            Word::Add | Word::Up | Word::Down => true,
            Word::One(f) => matches!(f, F::SetRemove | F::SetContains),
            Word::Read | Word::Transfer => false,
        }
    }

    /// Whether it shows that the file is about a bank: a transfer, or a read of a map.
    pub(super) fn is_of_bank(self, value: Option<Node<'_, '_>>) -> bool {
        let content = value.map(|node| node.tagged().map_or(node, |(_, content)| content));
        self == Word::Transfer || (self == Word::Read && content.is_some_and(Node::is_map))
    }
}

/// What `:read` and `:add` mean in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Words {
    /// They are words of this family.
    Of(Family),
    /// Only `:read` occurs: one of a register.
    Plain,
    /// `:read` is one of a bank; sets and counters do not occur.
    Bank,
    /// Sets and counters both fit, or neither.
    Unclear,
}

impl Words {
    /// Which operation `word` is; `own` is the family an event names itself.
    pub(super) fn meaning(self, word: Word, own: Option<Family>) -> Result<F, String> {
        let family = match (own, self) {
            (Some(family), _) | (None, Words::Of(family)) => Some(family),
            (None, Words::Plain) => Some(Family::Register),
            (None, Words::Bank | Words::Unclear) => None,
        };
        let name = match (word, family) {
            (Word::One(f), _) => return Ok(f),
            (Word::Up | Word::Down, _) => return Ok(F::CounterAdd),
            (Word::Read, Some(Family::Register | Family::Txn)) => return Ok(F::Read),
            (Word::Read, Some(Family::Set)) => return Ok(F::SetRead),
            (Word::Read, Some(Family::Counter)) => return Ok(F::CounterRead),
            (Word::Add, Some(Family::Set)) => return Ok(F::SetAdd),
            (Word::Add, Some(Family::Counter)) => return Ok(F::CounterAdd),
            (Word::Read, _) => "read",
            (Word::Add, _) => "add",
            (Word::Transfer, _) => "transfer",
        };
        Err(match family {
            Some(family) => format!("operation {name} is not one of family {}", family.name()),
            None => format!("operation {name} may be of family set or counter: name the model"),
        })
    }

    /// What the whole file says about its words.
    pub(super) fn of(
        window: &mut Window<'_>,
        json: bool,
        independent: Option<bool>,
    ) -> Result<Words, CodecError> {
        let mut clues = Clues::default();
        let done = each_event(window, json, |fields, kind| clues.event(fields, kind, independent));
        match done {
            Ok(()) => Ok(clues.words()),
            Err(Stop::Error(error)) => Err(error),
            Err(_) => unreachable!("nothing but clues is looked for"),
        }
    }
}

/// What was seen in a file that tells sets from counters.
#[derive(Default, Debug)]
struct Clues {
    bank: bool,
    add: bool,
    register: bool,
    set: bool,
    counter: bool,
    /// Some argument is a `[key value]` pair.
    keyed: bool,
    /// Reads of collections and of integers, taken as they are and taken as `[key value]`.
    plain: Reads,
    inner: Reads,
}

#[derive(Default, Debug)]
struct Reads {
    collection: bool,
    integer: bool,
}

impl Reads {
    fn note(&mut self, node: Node<'_, '_>) {
        self.collection |= node.is_sequence() || node.is_set();
        self.integer |= matches!(node.data(), Data::Int(_));
    }
}

impl Clues {
    fn event(&mut self, fields: &Fields<'_, '_>, kind: Option<Kind>, independent: Option<bool>) {
        let Some(word) = fields.f.and_then(Node::word).and_then(Word::of) else { return };
        // What names its family itself says nothing about what does not.
        if fields.family.is_some() {
            return;
        }
        let value = fields.value.map(|node| node.tagged().map_or(node, |(_, content)| content));
        let pair = value.and_then(Node::pair).filter(|_| independent != Some(false));
        self.bank |= word.is_of_bank(fields.value);
        match word {
            Word::Transfer => {}
            Word::Read => {
                if let Some(value) = value.filter(|_| kind == Some(Kind::Ok)) {
                    self.plain.note(value);
                }
                match (kind, pair) {
                    (Some(Kind::Ok), Some((_, value))) => self.inner.note(value),
                    (Some(Kind::Invoke), Some(_)) => self.keyed = true,
                    (_, _) => {}
                }
            }
            Word::Add => {
                self.add = true;
                self.keyed |= pair.is_some();
                let value = pair.map(|(_, value)| value).or(value);
                let integer = |node: Node<'_, '_>| matches!(node.data(), Data::Int(_) | Data::Nil);
                self.set |= value.is_some_and(|value| !integer(value));
                match fields.result.map(Node::data) {
                    Some(Data::Bool(_)) => self.set = true,
                    Some(Data::Int(_)) => self.counter = true,
                    _ => {}
                }
            }
            Word::One(F::SetRemove | F::SetContains) => {
                self.set = true;
                self.keyed |= pair.is_some();
            }
            Word::Up | Word::Down => {
                self.counter = true;
                self.keyed |= pair.is_some();
            }
            Word::One(f) => self.register |= f.family() == Family::Register,
        }
    }

    fn words(&self) -> Words {
        if self.bank {
            return Words::Bank;
        }
        if !self.add && !self.set && !self.counter {
            return Words::Plain;
        }
        let reads = if self.keyed { &self.inner } else { &self.plain };
        let set = self.set || reads.collection;
        // Where registers occur, too, reads of integers may be theirs.
        let counter = self.counter || (reads.integer && !self.register);
        match (set, counter) {
            (true, false) if !self.register => Words::Of(Family::Set),
            (false, true) if !self.register => Words::Of(Family::Counter),
            (_, _) => Words::Unclear,
        }
    }
}
