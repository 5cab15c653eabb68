//! The texts written, such that what is built of them can be taken apart in one way only.

use super::decide::Stop;
use super::rows::{Rows, Write};
use super::traps::{Planted, Trap};

/// Most operations that write one text: each of them is looked at for every text seen.
const WRITES: usize = 64;

/// A text with the operations that wrote it. The initial text is one, unless it is empty.
pub(super) struct Token<'r> {
    pub(super) text: &'r str,
    first: u32,
    last: u32,
}

/// All texts, sorted. No one is a prefix of another.
pub(super) struct Dictionary<'r> {
    pub(super) tokens: Vec<Token<'r>>,
    /// Of each token; apart, because a search looks at little else.
    heads: Vec<u128>,
    /// By text, then by call.
    pub(super) writes: Vec<Write>,
}

impl<'r> Dictionary<'r> {
    /// The texts of `rows` and `initial`. O(n log n).
    pub(super) fn new(
        rows: &'r Rows<'_>,
        initial: &'r str,
        planted: Planted,
    ) -> Result<Dictionary<'r>, Stop> {
        let mut sorted: Vec<(u128, &str, Option<Write>)> =
            Vec::with_capacity(rows.writes.len() + 1);
        sorted.extend(rows.writes.iter().map(|(text, write)| (head(text), &**text, Some(*write))));
        if !initial.is_empty() {
            sorted.push((head(initial), initial, None));
        }
        let call = |write: &Option<Write>| write.map_or(0, |write| write.call);
        sorted.sort_unstable_by(|one, other| {
            let by_text = (one.0, one.1).cmp(&(other.0, other.1));
            by_text.then_with(|| call(&one.2).cmp(&call(&other.2)))
        });
        let mut tokens: Vec<Token<'r>> = Vec::with_capacity(sorted.len());
        let mut heads: Vec<u128> = Vec::with_capacity(sorted.len());
        let mut writes = Vec::with_capacity(sorted.len());
        for (head, text, write) in sorted {
            let first = writes.len() as u32;
            writes.extend(write);
            let last = writes.len() as u32;
            match tokens.last_mut() {
                Some(token) if token.text == text => token.last = last,
                Some(token) if text.starts_with(token.text) && !planted.has(Trap::AnyCode) => {
                    return Err(Stop::HandOver("a text begins with another one"));
                }
                Some(_) | None => {
                    heads.push(head);
                    tokens.push(Token { text, first, last });
                }
            }
        }
        if tokens.iter().any(|token| token.writes().len() > WRITES) {
            return Err(Stop::HandOver("a text is written too often to tell its writes apart"));
        }
        Ok(Dictionary { tokens, heads, writes })
    }

    /// The one token that `text` begins with. Were another one between it and `text` in order, that
    /// one would begin with it. O(log tokens).
    pub(super) fn first(&self, text: &str) -> Option<u32> {
        let head = head(text);
        let mut behind = self.heads.partition_point(|known| *known < head);
        if self.heads.get(behind) == Some(&head) {
            behind += self.tokens[behind..].partition_point(|token| token.text <= text);
        }
        let at = behind.checked_sub(1)?;
        text.starts_with(self.tokens[at].text).then_some(at as u32)
    }

    /// What a token reads.
    pub(super) fn text(&self, token: u32) -> &'r str {
        self.tokens[token as usize].text
    }

    /// The positions in `writes` of those that wrote a token.
    pub(super) fn writes_of(&self, token: u32) -> std::ops::Range<usize> {
        self.tokens[token as usize].writes()
    }

    pub(super) fn bytes(&self) -> u64 {
        let tokens = self.tokens.capacity() * (size_of::<Token<'_>>() + size_of::<u128>());
        (tokens + self.writes.capacity() * size_of::<Write>()) as u64
    }
}

impl Token<'_> {
    pub(super) fn writes(&self) -> std::ops::Range<usize> {
        self.first as usize..self.last as usize
    }
}

/// The first bytes as one number: in the same order as the texts, where it tells them apart.
fn head(text: &str) -> u128 {
    let text = text.as_bytes();
    if let Some(head) = text.first_chunk() {
        return u128::from_be_bytes(*head);
    }
    let mut head = [0; 16];
    head[..text.len()].copy_from_slice(text);
    u128::from_be_bytes(head)
}
