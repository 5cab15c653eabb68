//! `log` and `mark`: words in the record. Not operations; no slot, no client.

use super::wrap::plain;
use super::{Context, Gen, Generator, Next};
use crate::seed::Stream;

#[derive(Clone)]
struct Word {
    text: String,
    mark: bool,
    done: bool,
}

/// One note in the record.
pub fn log(text: impl Into<String>) -> Gen {
    Box::new(Word { text: text.into(), mark: false, done: false })
}

/// Marks the beginning of a phase, once.
pub fn mark(name: impl Into<String>) -> Gen {
    Box::new(Word { text: name.into(), mark: true, done: false })
}

impl Generator for Word {
    fn bind(&mut self, _stream: &Stream) {}

    fn next(&mut self, cx: &Context<'_>) -> Next {
        let (at, text) = (cx.time, self.text.clone());
        match (self.done, self.mark) {
            (true, _) => Next::Done,
            (false, true) => Next::Mark { at, name: text },
            (false, false) => Next::Note { at, text },
        }
    }

    fn commit(&mut self) {
        self.done = true;
    }

    plain!("log");
}
