//! Sequential consistency of registers against its definition: orders of all operations that keep
//! each session's, by enumeration.

use super::oracle::{Axiom, Keep, holds};
use super::random::{answer, random_history, shown};
use crate::testing::{drawn, histories};
use crate::weak::RwRegister;
use crate::{Budget, Checker, Consistency as C, Verdict};
use tribunal_history::History;

fn said(level: C, history: &History) -> Verdict {
    let report = RwRegister::new(level).check(history, &Budget::unlimited()).expect("registers");
    assert_eq!(answer(&report, level), report.verdict);
    report.verdict
}

#[test]
fn random_histories_are_sequential_where_some_order_is() {
    for seed in 0..histories(2_000) {
        let history = random_history(seed);
        let wanted = holds(&history, Keep::Sessions, Axiom::Serial);
        let wanted = if wanted { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(said(C::Sequential, &history), wanted, "seed {seed}\n{}", shown(&history));
    }
}

/// Dekker: causal, for nobody knows of the other; in no one order (Lamport 1979).
#[test]
fn two_who_do_not_see_each_other_are_not_sequential() {
    let history = drawn(
        "
        p0 |-[w(x)=1]-| |-[r(y)=nil]-|
        p1 |-[w(y)=1]-| |-[r(x)=nil]-|
        ",
    );
    assert_eq!(said(C::Sequential, &history), Verdict::Invalid);
    assert_eq!(said(C::Causal, &history), Verdict::Valid);
}

#[test]
fn a_stale_read_is_sequential_and_not_linearizable() {
    let history = drawn(
        "
        p0 |-[w(x)=1]-|
        p1               |-[r(x)=nil]-|
        ",
    );
    assert_eq!(said(C::Sequential, &history), Verdict::Valid);
    assert_eq!(said(C::StrictSerializable, &history), Verdict::Invalid);
}

#[test]
fn it_is_told_to_those_who_ask_for_it() {
    let history = drawn("p0 |-[w(x)=1]-|");
    let report = RwRegister::new(C::Serializable).check(&history, &Budget::unlimited());
    let levels = report.expect("registers").levels;
    assert!(levels.iter().all(|answer| answer.level != C::Sequential));
}
