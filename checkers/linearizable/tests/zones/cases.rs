//! The traps of the theory, by name, each decided by zones.

use crate::linearizable::{CasRegister, Dialect, Linearizable};
use crate::testing::drawn;
use crate::{Budget, Checker, Evidence, Report, Verdict};

fn judged(drawing: &str, dialect: Dialect) -> Report {
    let checker = Linearizable::new(CasRegister { initial: 0.into() }, dialect);
    let report = checker.check(&drawn(drawing), &Budget::unlimited()).expect("a register history");
    assert_eq!(report.cost.certificates_verified, 1, "{drawing}");
    report
}

fn engine(report: &Report) -> &'static str {
    report.cost.engines.first().expect("a decided key").0
}

/// The verdict, which zones have reached.
#[track_caller]
fn check(expected: Verdict, drawing: &str) {
    let report = judged(drawing, Dialect::ETCD);
    assert_eq!((report.verdict, engine(&report)), (expected, "zones"), "{drawing}");
}

/// How many operations show it.
#[track_caller]
fn refuted(operations: usize, drawing: &str) {
    let report = judged(drawing, Dialect::ETCD);
    assert_eq!((report.verdict, engine(&report)), (Verdict::Invalid, "zones"), "{drawing}");
    let Evidence::Counterexample { operations: named, .. } = &report.anomalies[0].evidence else {
        panic!("{report:?}")
    };
    assert_eq!(named.len(), operations, "{drawing}");
}

#[test]
fn a_crashed_ring_that_nobody_entered_is_dropped() {
    check(
        Verdict::Valid,
        "
        p0 |--w1--|
        p1   |--c5:6--…
        p2   |--c6:7--…
        p3   |--c7:5--…
        p4           |--r1--|
    ",
    );
}

#[test]
fn a_ring_that_a_read_needs_is_refuted() {
    refuted(
        3,
        "
        p0 |--c5:6--…
        p1 |--c6:5--…
        p2              |--r6--|
    ",
    );
}

#[test]
fn a_ring_of_completed_operations_is_refuted() {
    refuted(
        2,
        "
        p0 |--c5:6--|
        p1 |--c6:5--|
    ",
    );
}

#[test]
fn a_chain_of_crashed_operations_is_kept_where_its_end_is_read() {
    check(
        Verdict::Valid,
        "
        p0 |--w1--…
        p1 |--c1:2--…
        p2 |--c2:3--…
        p3            |--r3--|
    ",
    );
    refuted(
        5,
        "
        p0 |--w1--…
        p1 |--c1:2--…
        p2 |--c2:3--…
        p3            |--r3--|
        p4                       |--r1--|
    ",
    );
}

#[test]
fn two_comparisons_may_not_find_one_value() {
    refuted(
        3,
        "
        p0 |--w1--|
        p1          |--c1:2--|
        p2          |--c1:3--|
    ",
    );
    refuted(
        2,
        "
        p1          |--c0:2--|
        p2          |--c0:3--|
    ",
    );
}

#[test]
fn a_failed_comparison_may_have_seen_a_crashed_write() {
    let report = judged(
        "
        p0 |--w1--|
        p1          |--w2--…
        p2                     |--c1:3--x
        p3                                  |--r1--|
    ",
        Dialect::ETCD,
    );
    assert_eq!(report.verdict, Verdict::Invalid, "1 is held from its write to its read");
    check(
        Verdict::Valid,
        "
        p0 |--w1--|
        p1          |--w2--…
        p2                     |--c1:3--x
        p3                                  |--r2--|
    ",
    );
}

#[test]
fn a_failed_comparison_is_refuted_inside_the_zone_of_its_value() {
    refuted(
        2,
        "
        p0 |--w1--|
        p1           |--c1:3--x
        p2                         |--r1--|
    ",
    );
    check(
        Verdict::Valid,
        "
        p0 |--w1--|
        p1     |--c1:3--x
        p2                         |--r1--|
    ",
    );
}

#[test]
fn a_failed_comparison_that_says_nothing_is_dropped() {
    let report = judged(
        "
        p0 |--w1--|
        p1           |--c1:3--x
        p2                         |--r1--|
    ",
        Dialect::KNOSSOS,
    );
    assert_eq!((report.verdict, engine(&report)), (Verdict::Valid, "zones"));
}

#[test]
fn touching_intervals_are_concurrent() {
    check(
        Verdict::Valid,
        "
        p0 |--w1--|
        p1        |--w2--|
        p2               |--r1--|
    ",
    );
    refuted(
        2,
        "
        p0 |--w1--|
        p1          |--w2--|
        p2                   |--r1--|
    ",
    );
}

#[test]
fn the_initial_value_is_written_before_everything() {
    check(
        Verdict::Valid,
        "
        p0 |--w1--|
        p1    |--r0--|
    ",
    );
    refuted(
        2,
        "
        p0 |--w1--|
        p1           |--r0--|
    ",
    );
}

#[test]
fn a_write_of_the_initial_value_is_told_apart_where_it_can_be() {
    check(
        Verdict::Valid,
        "
        p0 |--w1--|
        p0           |--w0--|
        p1                      |--r0--|
    "
        .replace("\n        p0           ", " ")
        .as_str(),
    );
    // The read can mean either: the search decides.
    let report = judged(
        "
        p0 |--w0--|
        p1    |--r0--|
    ",
        Dialect::ETCD,
    );
    assert_eq!(report.verdict, Verdict::Valid);
    assert_ne!(engine(&report), "zones");
}

#[test]
fn a_value_written_twice_is_told_apart_where_it_can_be() {
    check(
        Verdict::Valid,
        "
        p0 |--w1--| |--w2--| |--w1--|
        p1                            |--r1--|
    ",
    );
    refuted(
        2,
        "
        p0 |--w1--| |--w2--|         |--w1--|
        p1                   |--r1--|
    ",
    );
}

#[test]
fn a_value_from_nowhere_needs_no_other_operation() {
    refuted(
        1,
        "
        p0 |--w1--|
        p1           |--r7--|
    ",
    );
    refuted(
        1,
        "
        p0 |--r1--|
        p1          |--w1--|
    ",
    );
}

#[test]
fn nil_reads_follow_the_dialect() {
    let drawing = "
        p0 |--w1--|
        p1           |--rnil--|
    ";
    assert_eq!(judged(drawing, Dialect::ETCD).verdict, Verdict::Invalid);
    assert_eq!(judged(drawing, Dialect::KNOSSOS).verdict, Verdict::Valid);
    check(
        Verdict::Valid,
        "
        p0 |--wnil--|
        p1             |--rnil--|
    ",
    );
}

#[test]
fn crashed_reads_and_unseen_crashed_writes_are_dropped() {
    check(
        Verdict::Valid,
        "
        p0 |--w1--|
        p1    |--w2--…
        p2    |--r--…
        p3            |--r1--| |--r1--|
    ",
    );
}

#[test]
fn zones_may_not_cross() {
    refuted(
        4,
        "
        p0 |--w1--|
        p1 |--w2--|
        p2          |--r1--| |--r2--|
        p3                    |--r1--|
        p4                              |--r1--|
    "
        .replace("\n        p3                    |--r1--|", "")
        .as_str(),
    );
}
