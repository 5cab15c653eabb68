//! A streaming reader of EDN, and of JSON as a dialect of it: one form at a time onto a [`Tape`].
//! It executes nothing (tagged literals stay data), nests at most 64 deep, takes records of at
//! most 16 MiB, and never panics.
//!
//! As JSON it is lenient (a colon is white space): it reads histories, it does not validate JSON.

use std::borrow::Cow;

use crate::brief;
use crate::codec::tape::{Bad, Data, Shape, Tape};

/// Deepest nesting, tags and discards included.
const DEPTH: u32 = 64;
/// Longest top-level form in bytes.
pub(super) const FORM_LIMIT: usize = 16 << 20;

/// Forms of an EDN text, one after the other.
#[derive(Debug)]
pub(super) struct Forms<'a> {
    text: &'a str,
    json: bool,
    at: usize,
    start: usize,
}

impl<'a> Forms<'a> {
    pub(super) fn new(text: &'a str, json: bool) -> Forms<'a> {
        Forms { text, json, at: 0, start: 0 }
    }

    /// Where the next form is looked for.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn error(&self, at: usize, message: impl Into<String>) -> Bad {
        Bad::new(at, message)
    }

    /// The first byte of the next form.
    pub(super) fn next_byte(&mut self) -> Result<Option<u8>, Bad> {
        self.skip_blank()?;
        Ok(self.peek())
    }

    /// Continues at the form that starts at `offset`.
    pub(super) fn seek(&mut self, offset: usize) {
        self.at = offset;
    }

    /// Reads the next form onto the tape; false at the end of the text.
    pub(super) fn next(&mut self, tape: &mut Tape<'a>) -> Result<bool, Bad> {
        tape.tokens.clear();
        self.skip_blank()?;
        if self.peek().is_none() {
            return Ok(false);
        }
        let start = self.at;
        self.start = start;
        self.form(tape, 0)?;
        if self.at - start > FORM_LIMIT {
            return Err(self.error(start, "a form of more than 16 MiB"));
        }
        Ok(true)
    }

    /// White space, commas, comments and discarded forms.
    fn skip_blank(&mut self) -> Result<(), Bad> {
        loop {
            match self.peek() {
                Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b',') => self.at += 1,
                Some(b';') => self.skip_comment(),
                Some(b'#') if self.bytes().get(self.at + 1) == Some(&b'_') => self.discard(0)?,
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn discard(&mut self, depth: u32) -> Result<(), Bad> {
        self.at += 2;
        self.start = self.at;
        let mut scratch = Tape::default();
        self.inner(&mut scratch, depth)
    }

    /// The next form inside another one: discards may stand before it.
    fn inner(&mut self, tape: &mut Tape<'a>, depth: u32) -> Result<(), Bad> {
        self.blank_inside(depth)?;
        self.form(tape, depth + 1)
    }

    fn blank_inside(&mut self, depth: u32) -> Result<(), Bad> {
        loop {
            match self.peek() {
                Some(b' ' | b',' | b'\n') => self.at += 1,
                Some(b':') if self.json => self.at += 1,
                Some(b'#') if self.bytes().get(self.at + 1) == Some(&b'_') => {
                    let start = self.start;
                    if depth >= DEPTH {
                        return Err(self.too_deep());
                    }
                    self.discard(depth + 1)?;
                    self.start = start;
                }
                Some(b'\t' | b'\r' | b'\x0c') => self.at += 1,
                Some(b';') => self.skip_comment(),
                Some(_) | None => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) {
        let rest = &self.bytes()[self.at..];
        let line = rest.iter().position(|byte| *byte == b'\n');
        self.at += line.unwrap_or(rest.len());
    }

    fn too_deep(&self) -> Bad {
        self.error(self.at, format!("nested more than {DEPTH} deep"))
    }

    fn form(&mut self, tape: &mut Tape<'a>, depth: u32) -> Result<(), Bad> {
        if depth > DEPTH {
            return Err(self.too_deep());
        }
        let at = self.at;
        if at - self.start > FORM_LIMIT {
            return Err(self.error(self.start, "a form of more than 16 MiB"));
        }
        match self.peek() {
            None => Err(self.error(at, "the text ends in the middle of a form")),
            Some(b'[') => self.sequence(tape, Shape::Sequence, b']', depth),
            Some(b'(') => self.sequence(tape, Shape::Sequence, b')', depth),
            Some(b'{') => self.sequence(tape, Shape::Map, b'}', depth),
            Some(close @ (b']' | b')' | b'}')) => {
                let message = format!("`{}` closes nothing", char::from(close));
                Err(self.error(at, message))
            }
            Some(b'"') => {
                self.at += 1;
                let text = self.string()?;
                tape.push(at, Data::Text(text));
                Ok(())
            }
            Some(b':') => {
                self.at += 1;
                match self.atom() {
                    "" => Err(self.error(at, "a keyword without a name")),
                    name => {
                        tape.push(at, Data::Keyword(name));
                        Ok(())
                    }
                }
            }
            Some(b'\\') => self.character(tape),
            Some(b'#') => self.dispatch(tape, depth),
            Some(_) => self.scalar(tape),
        }
    }

    fn sequence(
        &mut self,
        tape: &mut Tape<'a>,
        shape: Shape,
        close: u8,
        depth: u32,
    ) -> Result<(), Bad> {
        let at = self.at;
        self.at += 1;
        let open = tape.open(at, shape);
        let mut forms = 0_usize;
        loop {
            self.blank_inside(depth)?;
            match self.peek() {
                None => {
                    let message = format!("nothing closes this: `{}` expected", char::from(close));
                    return Err(self.error(at, message));
                }
                Some(byte) if byte == close => {
                    self.at += 1;
                    if shape == Shape::Map && forms % 2 == 1 {
                        return Err(self.error(at, "a map with a key that has no value"));
                    }
                    tape.close(open);
                    return Ok(());
                }
                Some(_) => self.form(tape, depth + 1)?,
            }
            forms += 1;
        }
    }

    fn dispatch(&mut self, tape: &mut Tape<'a>, depth: u32) -> Result<(), Bad> {
        let at = self.at;
        match self.bytes().get(at + 1) {
            Some(b'{') => {
                self.at += 1;
                self.sequence(tape, Shape::Set, b'}', depth)
            }
            Some(b'#') => {
                self.at += 2;
                self.atom();
                tape.push(at, Data::Number(&self.text[at..self.at]));
                Ok(())
            }
            Some(byte) if byte.is_ascii_alphabetic() => {
                self.at += 1;
                let tag = self.atom();
                tape.push(at, Data::Tag(tag));
                self.inner(tape, depth)
            }
            _ => Err(self.error(at, "`#` must be followed by `{`, `_` or a tag")),
        }
    }

    /// Everything up to the next delimiter.
    fn atom(&mut self) -> &'a str {
        let rest = &self.bytes()[self.at..];
        let length = rest.iter().position(|byte| DELIMITER[usize::from(*byte)]);
        let start = self.at;
        self.at += length.unwrap_or(rest.len());
        // Delimiters are ASCII, so both ends are character boundaries.
        &self.text[start..self.at]
    }

    fn scalar(&mut self, tape: &mut Tape<'a>) -> Result<(), Bad> {
        let at = self.at;
        let atom = self.atom();
        let data = match atom.as_bytes() {
            b"nil" => Data::Nil,
            b"null" if self.json => Data::Nil,
            b"true" => Data::Bool(true),
            b"false" => Data::Bool(false),
            [b'0'..=b'9', ..] | [b'-' | b'+', b'0'..=b'9', ..] => match integer(atom) {
                Some(int) => Data::Int(int),
                None if is_number(atom) => Data::Number(atom),
                None => return Err(self.error(at, format!("`{atom}` is not a number"))),
            },
            [] => return Err(self.error(at, "a character that starts no form")),
            _ => Data::Symbol(atom),
        };
        tape.push(at, data);
        Ok(())
    }

    fn character(&mut self, tape: &mut Tape<'a>) -> Result<(), Bad> {
        let at = self.at;
        self.at += 1;
        let Some(first) = self.text[self.at..].chars().next() else {
            return Err(self.error(at, "a character literal without a character"));
        };
        self.at += first.len_utf8();
        let name = &self.text[at + 1..self.at + self.atom().len()];
        let character = match name {
            "newline" => '\n',
            "return" => '\r',
            "space" => ' ',
            "tab" => '\t',
            "formfeed" => '\x0c',
            "backspace" => '\x08',
            name if name.chars().count() == 1 => first,
            name => {
                let code = name.strip_prefix('u').and_then(|hex| u32::from_str_radix(hex, 16).ok());
                let Some(character) = code.and_then(char::from_u32) else {
                    return Err(self.error(at, format!("`\\{}` is not a character", brief(name))));
                };
                character
            }
        };
        tape.push(at, Data::Text(Cow::Owned(character.to_string())));
        Ok(())
    }

    /// The rest of a string whose opening quote is read.
    fn string(&mut self) -> Result<Cow<'a, str>, Bad> {
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut run = start;
        loop {
            let rest = &self.bytes()[self.at..];
            let Some(stop) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) else {
                return Err(self.error(start - 1, "nothing closes this string"));
            };
            self.at += stop;
            let plain = &self.text[run..self.at];
            if rest[stop] == b'"' {
                self.at += 1;
                return Ok(match owned {
                    None => Cow::Borrowed(plain),
                    Some(mut text) => {
                        text.push_str(plain);
                        Cow::Owned(text)
                    }
                });
            }
            owned.get_or_insert_default().push_str(plain);
            let escaped = self.escape()?;
            owned.get_or_insert_default().push(escaped);
            run = self.at;
        }
    }

    fn escape(&mut self) -> Result<char, Bad> {
        let at = self.at;
        let Some(name) = self.text[at + 1..].chars().next() else {
            return Err(self.error(at, "the text ends in an escape"));
        };
        self.at += 1 + name.len_utf8();
        Ok(match name {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\x08',
            'f' => '\x0c',
            '"' | '\\' | '/' | '\'' => name,
            'u' => self.unicode(at)?,
            other => return Err(self.error(at, format!("`\\{other}` is no escape"))),
        })
    }

    /// A UTF-16 unit, or the two of a surrogate pair. A lone surrogate is no character.
    fn unicode(&mut self, at: usize) -> Result<char, Bad> {
        let Some(unit) = hex4(self.bytes(), self.at) else {
            return Err(self.error(at, "`\\u` needs four hexadecimal digits"));
        };
        self.at += 4;
        if let Some(character) = char::from_u32(unit) {
            return Ok(character);
        }
        let low =
            self.bytes()[self.at..].starts_with(b"\\u").then(|| hex4(self.bytes(), self.at + 2));
        if let (0xd800..0xdc00, Some(Some(low @ 0xdc00..0xe000))) = (unit, low) {
            self.at += 6;
            let code = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }
}

/// The four hexadecimal digits at `at`.
fn hex4(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = std::str::from_utf8(bytes.get(at..at + 4)?).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u32::from_str_radix(digits, 16).ok()
}

/// Bytes that end a keyword, symbol or number.
static DELIMITER: [bool; 256] = {
    let mut table = [false; 256];
    let delimiters = b" \t\n\r\x0c,;\"()[]{}\\";
    let mut at = 0;
    while at < delimiters.len() {
        table[delimiters[at] as usize] = true;
        at += 1;
    }
    table
};

fn integer(atom: &str) -> Option<i64> {
    let digits = atom.strip_suffix('N').unwrap_or(atom);
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    digits.parse().ok()
}

/// Floats, ratios, integers beyond 64 bits: recognised, never computed with.
fn is_number(atom: &str) -> bool {
    atom.bytes().all(|byte| {
        matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-' | b'/' | b'N' | b'M')
    })
}
