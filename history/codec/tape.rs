//! One parsed form as a flat list of tokens: EDN and JSON look the same from here, and the list
//! is reused from event to event, so that reading allocates nothing per event.

use std::borrow::Cow;

use super::CodecError;

/// What a token is.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Data<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer, as it was written.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// Without its colon.
    Keyword(&'a str),
    Symbol(&'a str),
    /// An opening bracket; `next` is the token after everything inside.
    Open(Shape, u32),
    /// A tagged literal, never executed: the next token is its content.
    Tag(&'a str),
}

/// What a bracket holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Vectors, lists and JSON arrays.
    Sequence,
    /// Keys and values, alternating.
    Map,
    Set,
}

/// A token and where it stands in the text.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Token<'a> {
    pub(super) at: usize,
    pub(super) data: Data<'a>,
}

/// The tokens of one form.
#[derive(Default, Debug)]
pub(super) struct Tape<'a> {
    pub(super) tokens: Vec<Token<'a>>,
}

/// One form of a tape: a scalar, or a bracket with what is inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'a> Tape<'a> {
    pub(super) fn push(&mut self, at: usize, data: Data<'a>) {
        self.tokens.push(Token { at, data });
    }

    /// Opens a bracket; give its position to [`Tape::close`].
    pub(super) fn open(&mut self, at: usize, shape: Shape) -> usize {
        self.push(at, Data::Open(shape, 0));
        self.tokens.len() - 1
    }

    pub(super) fn close(&mut self, open: usize) {
        let end = self.tokens.len() as u32;
        if let Data::Open(_, next) = &mut self.tokens[open].data {
            *next = end - open as u32;
        }
    }

    /// The form on the tape.
    pub(super) fn root(&self) -> Option<Node<'_, 'a>> {
        (!self.tokens.is_empty()).then_some(Node { tokens: &self.tokens })
    }
}

impl<'t, 'a> Node<'t, 'a> {
    pub(super) fn at(self) -> usize {
        self.tokens[0].at
    }

    pub(super) fn data(self) -> &'t Data<'a> {
        &self.tokens[0].data
    }

    fn len(self) -> usize {
        match self.data() {
            Data::Open(_, next) => *next as usize,
            Data::Tag(_) => 1 + Node { tokens: &self.tokens[1..] }.len(),
            _ => 1,
        }
    }

    /// The content of a tagged literal.
    pub(super) fn tagged(self) -> Option<(&'a str, Node<'t, 'a>)> {
        match self.data() {
            Data::Tag(tag) => Some((tag, Node { tokens: &self.tokens[1..] })),
            _ => None,
        }
    }

    /// What is inside a bracket, in order; of a map keys and values alternate.
    pub(super) fn children(self) -> Children<'t, 'a> {
        match self.data() {
            Data::Open(_, next) => Children { tokens: &self.tokens[1..*next as usize] },
            _ => Children { tokens: &[] },
        }
    }

    pub(super) fn is_sequence(self) -> bool {
        matches!(self.data(), Data::Open(Shape::Sequence, _))
    }

    pub(super) fn is_map(self) -> bool {
        matches!(self.data(), Data::Open(Shape::Map, _))
    }

    pub(super) fn is_set(self) -> bool {
        matches!(self.data(), Data::Open(Shape::Set, _))
    }

    /// The two elements of a sequence of two.
    pub(super) fn pair(self) -> Option<(Node<'t, 'a>, Node<'t, 'a>)> {
        if !self.is_sequence() {
            return None;
        }
        let mut children = self.children();
        match (children.next(), children.next(), children.next()) {
            (Some(one), Some(other), None) => Some((one, other)),
            _ => None,
        }
    }

    /// The word a keyword, string or symbol spells: JSON has strings where EDN has keywords.
    pub(super) fn word(self) -> Option<&'t str> {
        match self.data() {
            Data::Keyword(word) | Data::Symbol(word) => Some(word),
            Data::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// See [`Node::children`].
#[derive(Clone, Debug)]
pub(super) struct Children<'t, 'a> {
    tokens: &'t [Token<'a>],
}

impl<'t, 'a> Iterator for Children<'t, 'a> {
    type Item = Node<'t, 'a>;

    fn next(&mut self) -> Option<Node<'t, 'a>> {
        if self.tokens.is_empty() {
            return None;
        }
        let node = Node { tokens: self.tokens };
        self.tokens = &self.tokens[node.len()..];
        Some(node)
    }
}

/// What is wrong with a form, and where in the text at hand.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) at: usize,
    pub(super) message: String,
}

impl Bad {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Bad {
        Bad { at, message: message.into() }
    }
}

/// Line and column of an offset, both from 1; the column counts bytes.
pub(super) fn position(text: &[u8], at: usize) -> (u64, u64) {
    let before = &text[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (line, (before.len() - start) as u64 + 1)
}

/// An error at an offset of a text.
pub(super) fn error_at(text: &[u8], at: usize, message: impl Into<String>) -> CodecError {
    let (line, column) = position(text, at);
    CodecError::text(line, column, message)
}

/// The bytes as text.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, CodecError> {
    std::str::from_utf8(bytes).map_err(|error| {
        error_at(bytes, error.valid_up_to(), "a byte that is not UTF-8; is this a text file?")
    })
}

/// Where `part` stands in `whole`, of which it is a part.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize).min(whole.len())
}

/// A decimal integer of 64 bits and nothing else.
pub(super) fn ascii_int(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
