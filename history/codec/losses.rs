//! What a format cannot say, counted, so that every export can tell.

use std::collections::BTreeMap;

#[derive(Default, Debug)]
pub(super) struct Losses {
    counts: BTreeMap<&'static str, u64>,
}

impl Losses {
    /// One more of `what`, a plural.
    pub(super) fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// `12 info writes dropped`, and so on.
    pub(super) fn sentences(self) -> Vec<String> {
        self.counts.into_iter().map(|(what, count)| format!("{count} {what}")).collect()
    }
}
