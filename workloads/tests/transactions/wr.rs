//! Transactions on registers.

use tribunal_checkers::Verdict;
use tribunal_harness::generator::register_machine;

use crate::common::{Load, judged, simulate, stale};

const WR: Load<'static> = Load("wr", &[]);

#[test]
fn a_correct_database_is_valid() {
    for seed in 0..10 {
        let history = simulate(WR, register_machine, seed);
        assert!(history.len() > 1_000, "{} transactions", history.len());
        for (name, report) in judged(&history, WR) {
            assert_eq!(report.verdict, Verdict::Valid, "seed {seed}: {name}: {report:?}");
        }
    }
}

#[test]
fn a_stale_read_is_found_and_is_no_matter_of_serializability() {
    for seed in 0..10 {
        let history = simulate(WR, stale, seed);
        let (name, report) = judged(&history, WR).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("strict-serializable", Verdict::Invalid));
        let weaker = [("level", "serializable")];
        let (name, report) = judged(&history, Load("wr", &weaker)).remove(0);
        assert_eq!((name.as_str(), report.verdict), ("serializable", Verdict::Valid));
    }
}
