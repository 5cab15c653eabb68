//! Predicates that are understood: which keys they may match.

use std::fmt;
use std::str::FromStr;

use crate::Value;

/// Every key of a range that holds something, as `keys 10..18`.
///
/// `keys` alone is all of them; one side may be missing (`keys 10..`). The end is not in it. With a
/// side, a key is an integer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyRange {
    /// The first key; `None`: from the least on.
    pub from: Option<i64>,
    /// The first key that is too great; `None`: there is none.
    pub to: Option<i64>,
}

impl KeyRange {
    /// Whether the predicate matches what `key` holds, whatever that is.
    pub fn contains(self, key: &Value) -> bool {
        match (self.from, self.to, key) {
            (None, None, _) => true,
            (from, to, Value::Int(key)) => {
                from.is_none_or(|from| from <= *key) && to.is_none_or(|to| *key < to)
            }
            (_, _, Value::Nil | Value::Text(_) | Value::Unparsed(_)) => false,
        }
    }
}

impl fmt::Display for KeyRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: Option<i64>| side.map_or(String::new(), |key| key.to_string());
        match (self.from, self.to) {
            (None, None) => f.write_str("keys"),
            (from, to) => write!(f, "keys {}..{}", side(from), side(to)),
        }
    }
}

/// A predicate in words that are not understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoKeyRange;

impl FromStr for KeyRange {
    type Err = NoKeyRange;

    fn from_str(text: &str) -> Result<KeyRange, NoKeyRange> {
        let Some(range) = text.strip_prefix("keys") else { return Err(NoKeyRange) };
        if range.is_empty() {
            return Ok(KeyRange { from: None, to: None });
        }
        let sides = range.strip_prefix(' ').and_then(|range| range.split_once(".."));
        let (from, to) = sides.ok_or(NoKeyRange)?;
        let side = |side: &str| match side {
            "" => Ok(None),
            side => side.parse().map(Some).map_err(|_| NoKeyRange),
        };
        Ok(KeyRange { from: side(from)?, to: side(to)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyRange, NoKeyRange};
    use crate::Value;

    #[test]
    fn a_range_is_read_as_it_is_written() {
        for text in ["keys", "keys 3..9", "keys 3..", "keys ..9", "keys -4..-1"] {
            assert_eq!(text.parse::<KeyRange>().expect(text).to_string(), text);
        }
        for text in ["", "key", "keys3..9", "keys 3", "keys 3..x", "balances", "keys 3...9"] {
            assert_eq!(text.parse::<KeyRange>(), Err(NoKeyRange), "{text}");
        }
    }

    #[test]
    fn the_end_is_not_in_it_and_a_text_only_where_everything_is() {
        let within = |text: &str, key: &Value| text.parse::<KeyRange>().expect(text).contains(key);
        let keys: Vec<i64> = (0..9).filter(|key| within("keys 3..6", &Value::Int(*key))).collect();
        assert_eq!(keys, [3, 4, 5]);
        assert!(within("keys ..6", &Value::Int(-1)) && !within("keys 3..", &Value::Int(2)));
        assert!(within("keys", &Value::text("x")) && !within("keys 3..", &Value::text("x")));
    }
}
