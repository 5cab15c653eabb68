//! Every format that claims to be read and written gives back what it was given.

#[path = "common/arbitrary.rs"]
mod arbitrary;

use arbitrary::{EVERYTHING, Flavor, history, told};
use proptest::prelude::*;
use tribunal_history::History;
use tribunal_history::codec::{Format, ReadOptions, detect, read, write};

/// Writes, detects by content, reads.
fn there_and_back(history: &History, format: Format) -> History {
    let mut bytes = Vec::new();
    write(history, format, &mut bytes).expect("the format can hold it");
    if history.event_count() > 0 {
        assert_eq!(detect(&bytes), Some(format), "{}", String::from_utf8_lossy(&bytes));
    }
    match read(&bytes, Some(format), &ReadOptions::default()) {
        Ok(read) => read.history,
        Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&bytes)),
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, u64)>> {
    prop::collection::vec((0_u8..4, any::<u64>()), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn native(steps in steps()) {
        let history = history(&steps, EVERYTHING);
        prop_assert_eq!(told(&there_and_back(&history, Format::Native)), told(&history));
    }

    #[test]
    fn jsonl(steps in steps()) {
        let history = history(&steps, EVERYTHING);
        prop_assert_eq!(told(&there_and_back(&history, Format::Jsonl)), told(&history));
    }

    #[test]
    fn edn(steps in steps(), registers in any::<bool>(), txns in any::<bool>()) {
        let flavor = Flavor { registers: registers || !txns, txns, bare: false, explicit_nil: false };
        let history = history(&steps, flavor);
        prop_assert_eq!(told(&there_and_back(&history, Format::Edn)), told(&history));
    }

    #[test]
    fn porcupine(steps in steps()) {
        let flavor = Flavor { registers: true, txns: false, bare: true, explicit_nil: false };
        let history = history(&steps, flavor);
        prop_assert_eq!(told(&there_and_back(&history, Format::Porcupine)), told(&history));
    }
}
