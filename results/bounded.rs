//! Strings and values from outside, bounded and typed before they reach any output.

use serde::{Deserialize, Serialize};
use tribunal_history::{Observed, Value};

/// Longest text kept of one value or sentence, in bytes.
pub const TEXT_LIMIT: usize = 4096;

/// A value from the database: what it is, as much of it as is kept, and how long it was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Typed {
    /// `int`, `str`, `nil`, `absent`, `pending` or `unparsed`.
    pub t: String,
    /// Decimal digits or text, cut at [`TEXT_LIMIT`].
    pub v: String,
    /// Full length in bytes.
    pub len: u64,
}

/// The longest prefix of `text` within `limit` bytes that ends between characters.
pub fn prefix(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `text` within [`TEXT_LIMIT`] bytes, with an ellipsis where it was cut.
pub fn sentence(text: &str) -> String {
    shortened(text, TEXT_LIMIT)
}

/// `text` within about `limit` bytes, with an ellipsis where it was cut.
pub fn shortened(text: &str, limit: usize) -> String {
    let kept = prefix(text, limit);
    if kept.len() == text.len() { text.to_owned() } else { format!("{kept}…") }
}

/// `text` with control characters and bidirectional overrides written as escapes, so that no
/// terminal obeys it and no reader is misled.
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_override(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that reorder or hide what stands around them.
fn is_override(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
        || c == '\u{feff}'
}

impl Typed {
    /// The typed form of a value.
    pub fn of(value: &Value) -> Typed {
        match value {
            Value::Nil => Typed::new("nil", "nil", 0),
            Value::Int(int) => {
                let digits = int.to_string();
                Typed::new("int", &digits, digits.len())
            }
            Value::Text(text) => Typed::new("str", text, text.len()),
            Value::Unparsed(raw) => {
                Typed::new("unparsed", &String::from_utf8_lossy(raw), raw.len())
            }
        }
    }

    /// The typed form of what a read saw.
    pub fn observed(value: &Observed<Value>) -> Typed {
        match value {
            Observed::Pending => Typed::new("pending", "?", 0),
            Observed::Absent => Typed::new("absent", "nil", 0),
            Observed::Present(value) => Typed::of(value),
        }
    }

    fn new(kind: &str, text: &str, len: usize) -> Typed {
        Typed { t: kind.to_owned(), v: prefix(text, TEXT_LIMIT).to_owned(), len: len as u64 }
    }

    /// As people read it: text in quotes, at most `limit` bytes.
    pub fn short(&self, limit: usize) -> String {
        let text = visible(&shortened(&self.v, limit));
        match self.t.as_str() {
            "str" => format!("\"{text}\""),
            "unparsed" => format!("unparsed \"{text}\""),
            _ => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{TEXT_LIMIT, Typed, prefix, visible};
    use tribunal_history::Value;

    #[test]
    fn cuts_between_characters_and_keeps_the_length() {
        assert_eq!(prefix("aé", 2), "a");
        let long = Typed::of(&Value::text("é".repeat(5000)));
        assert_eq!((long.v.len(), long.len), (TEXT_LIMIT, 10_000));
    }

    #[test]
    fn nothing_a_terminal_obeys_is_left() {
        assert_eq!(visible("a\u{1b}[2Jb\u{202e}c\r\n"), "a\\u{1b}[2Jb\\u{202e}c\\u{d}\\u{a}");
    }
}
