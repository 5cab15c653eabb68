//! What tests of this crate share: drawn histories (see [`tribunal_history::drawn`] for the
//! notation), random numbers, and counts of verdicts that were compared with a definition.

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

/// SplitMix64: a number per call, the same for a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Of `0..many`.
    pub(crate) fn below(&mut self, many: u64) -> u64 {
        self.next() % many
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// How many random histories a test looks at: the oracle asks for more.
pub(crate) fn histories(default: u64) -> u64 {
    let asked = std::env::var("TRIBUNAL_HISTORIES").ok();
    asked.map_or(default, |asked| asked.parse().expect("TRIBUNAL_HISTORIES is a count"))
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
