//! What messages quote of values that come from outside: a value of megabytes makes no message of
//! megabytes.

use std::fmt::{self, Display, Write};

/// Most bytes that a message quotes of one value.
pub const BRIEF_LIMIT: usize = 160;

/// Keeps a beginning and counts the rest.
struct Beginning {
    kept: String,
    limit: usize,
    bytes: usize,
}

impl Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Once something was cut, nothing that comes later may close the gap.
        if self.kept.len() == self.bytes {
            let room = (self.limit - self.kept.len()).min(text.len());
            let end = (0..=room).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            self.kept.push_str(&text[..end]);
        }
        self.bytes += text.len();
        Ok(())
    }
}

/// `value` as it is shown; where that takes more than [`BRIEF_LIMIT`] bytes the beginning, and how
/// many there are: `aaa… (10485760 bytes)`. Holds no more than it returns.
pub fn brief(value: &(impl Display + ?Sized)) -> String {
    within(value, BRIEF_LIMIT)
}

/// The same within another limit.
pub(crate) fn within(value: &(impl Display + ?Sized), limit: usize) -> String {
    let mut beginning = Beginning { kept: String::new(), limit, bytes: 0 };
    // What displays itself may refuse to; what it said until then is what there is to quote.
    let _ = write!(beginning, "{value}");
    let Beginning { kept, bytes, .. } = beginning;
    if kept.len() == bytes { kept } else { format!("{kept}… ({bytes} bytes)") }
}

#[cfg(test)]
mod tests {
    use super::{BRIEF_LIMIT, brief};
    use crate::Value;

    #[test]
    fn what_is_short_is_quoted_as_it_is() {
        let longest = "a".repeat(BRIEF_LIMIT);
        for text in ["", "a", "ü", longest.as_str()] {
            assert_eq!(brief(text), text);
        }
    }

    #[test]
    fn what_is_long_is_cut_between_characters_and_counted() {
        let cut = brief(&"a".repeat(10 << 20));
        assert_eq!(cut, format!("{}… (10485760 bytes)", "a".repeat(BRIEF_LIMIT)));
        let wide = brief(&format!("a{}", "ü".repeat(100)));
        assert_eq!(wide, format!("a{}… (201 bytes)", "ü".repeat(79)));
        assert!(brief(&Value::text("\n".repeat(10 << 20))).len() < 2 * BRIEF_LIMIT);
    }

    #[test]
    fn a_gap_is_not_closed_by_what_comes_later() {
        struct Parts;
        impl std::fmt::Display for Parts {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&"a".repeat(BRIEF_LIMIT - 1))?;
                f.write_str("ü")?;
                f.write_str("b")
            }
        }
        assert_eq!(brief(&Parts), format!("{}… (162 bytes)", "a".repeat(BRIEF_LIMIT - 1)));
    }
}
