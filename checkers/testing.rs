//! What tests of this crate share: drawn histories (see [`tribunal_history::drawn`] for the
//! notation) and counts of verdicts that were compared with a definition.

use std::collections::BTreeMap;

use tribunal_history::{ErrorClass, History, Kind, Nanos, Op, RegisterOp, drawn as notation};

use crate::Verdict;

/// The history of a drawing, a millisecond per column. A comparison that fails says `mismatch`, as
/// our own clients do.
///
/// # Panics
/// On what is no drawing: drawings are part of the tests.
pub(crate) fn drawn(drawing: &str) -> History {
    let history = notation::parse(drawing).unwrap_or_else(|error| panic!("{error}:\n{drawing}"));
    let events = history.events().map(|mut event| {
        event.time = Nanos::from_millis(event.time.0);
        let compares = matches!(event.op, Op::Register(RegisterOp::Cas { .. }));
        if compares && event.kind == Kind::Fail {
            event.error = Some(ErrorClass::MISMATCH);
        }
        event
    });
    History::new(events, Vec::new()).expect("the same history on another scale")
}

/// Verdicts that agreed with a definition, by what was judged. `cargo xtask nightly oracle` prints
/// the rows.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, [u64; 3]>);

impl Tally {
    pub(crate) fn add(&mut self, judged: String, verdict: Verdict) {
        let counts = self.0.entry(judged).or_default();
        counts[match verdict {
            Verdict::Valid => 0,
            Verdict::Invalid => 1,
            Verdict::Unknown => 2,
        }] += 1;
    }

    /// A row each. A disagreement would have ended the test before.
    pub(crate) fn print(&self) {
        for (judged, [valid, invalid, unknown]) in &self.0 {
            let all = valid + invalid + unknown;
            println!("| {judged} | {all} | {valid} | {invalid} | {unknown} | 0 |");
        }
    }
}
