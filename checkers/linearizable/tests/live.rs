//! Events judged as they happen: the same answer as the whole history, as early as it can be known.

use tribunal_history::History;

use super::generate::{Random, history, small};
use super::{cas_register, check};
use crate::{Budget, Checker, Happened, Verdict, Watched};

fn events(history: &History) -> impl Iterator<Item = Happened> {
    history.events().map(|event| Happened {
        process: event.process,
        kind: event.kind,
        op: event.op,
        error: event.error,
    })
}

fn watched(history: &History) -> Watched {
    cas_register(0).watch(&mut events(history), &Budget::unlimited())
}

#[test]
fn a_violation_is_seen_iff_the_history_whose_operations_are_settled_is_invalid() {
    let mut random = Random(11);
    let (mut seen, mut missed) = (0, 0);
    for number in 0..super::histories(20_000) {
        let acts = small(&mut random);
        let history = history(&acts);
        let invalid = check(&history).verdict == Verdict::Invalid;
        match watched(&history) {
            Watched::Violation { summary } => {
                assert!(invalid, "history {number}: {summary}: {acts:?}");
                seen += 1;
            }
            // An operation that stays open to the end holds back what comes after its call.
            Watched::Nothing { why } => {
                assert_eq!(why, None);
                missed += u64::from(invalid);
            }
        }
    }
    assert!(seen > 20 * missed.max(1) / 10, "{seen} seen, {missed} missed");
}

#[test]
fn a_violation_is_said_in_words() {
    let history = crate::testing::drawn(
        "
        p0 |--w1--|
        p1            |--r1--|
        p2                      |--r0--|      ",
    );
    let Watched::Violation { summary } = watched(&history) else { panic!("nothing was seen") };
    assert_eq!(summary, "key nil: p2 read 0, where it could find 1");
}
