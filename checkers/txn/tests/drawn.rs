//! One small history per kind of anomaly, with what it rules out.

use crate::testing::drawn;
use crate::txn::{ListAppend, Options};
use crate::{Budget, Checker, Consistency as C, Report, Verdict};

fn check(level: C, drawing: &str) -> Report {
    let checker = ListAppend::new(level);
    checker.check(&drawn(drawing), &Budget::unlimited()).expect("lists")
}

/// The strongest level is judged: kinds found, and the weakest levels they rule out.
fn finds(drawing: &str, kinds: &[&str], weakest: &[C]) -> Report {
    let report = check(C::StrictSerializable, drawing);
    let found: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.kind.0).collect();
    assert_eq!(found, kinds, "{:#?}", report.anomalies);
    let ruled_out = |verdict| {
        let answers = report.levels.iter().filter(|answer| answer.verdict == verdict);
        answers.map(|answer| answer.level).collect::<Vec<C>>()
    };
    assert_eq!(C::weakest(&ruled_out(Verdict::Invalid)), weakest);
    // What contradicts itself has no order, so that nobody can say whether it is written in one.
    let torn = kinds.contains(&"incompatible-order");
    let open = if torn { &[C::ReadUncommitted][..] } else { &[] };
    assert_eq!(ruled_out(Verdict::Unknown), open);
    report
}

#[test]
fn a_serial_history_keeps_every_promise() {
    let report = finds(
        "
        p0 |-[a(x)=1 r(x)=[1]]-|                       |-[r(x)=[1 2] a(y)=1]-|
        p1                       |-[r(x)=[1] a(x)=2]-|
        ",
        &[],
        &[],
    );
    assert_eq!(report.verdict, Verdict::Valid);
    assert_eq!(report.cost.certificates_verified, 1, "the order is replayed");
}

#[test]
fn dirty_writes_are_g0() {
    finds(
        "
        p0 |-[a(x)=1 a(y)=1]-|
        p1 |-[a(x)=2 a(y)=2]-|
        p2 |-[r(x)=[1 2] r(y)=[2 1]]-|
        ",
        &["G0"],
        &[C::ReadUncommitted],
    );
}

#[test]
fn an_aborted_read_is_g1a_and_building_on_it_a_dirty_update() {
    finds(
        "
        p0 |-[a(x)=1]-x
        p1 |-[r(x)=[1]]-|
        ",
        &["G1a"],
        &[C::ReadCommitted],
    );
    finds(
        "
        p0 |-[a(x)=1]-x
        p1 |-[a(x)=2]-|
        p2               |-[r(x)=[1 2]]-|
        ",
        &["G1a", "dirty-update"],
        &[C::ReadCommitted],
    );
}

#[test]
fn an_intermediate_read_is_g1b() {
    finds(
        "
        p0 |-[a(x)=1 a(x)=2]-|
        p1 |-[r(x)=[1]]-|
        p2                    |-[r(x)=[1 2]]-|
        ",
        &["G1b", "G-single"],
        &[C::ReadCommitted],
    );
}

#[test]
fn circular_information_flow_is_g1c() {
    let report = finds(
        "
        p0 |-[a(x)=1 r(y)=[1]]-|
        p1 |-[a(y)=1 r(x)=[1]]-|
        ",
        &["G1c"],
        &[C::ReadCommitted],
    );
    let summary = &report.anomalies[0].summary;
    assert_eq!(
        summary,
        "T1 observed T0's append of 1 to \"x\", yet T0 observed T1's append of 1 to \"y\""
    );
}

#[test]
fn read_skew_is_g_single() {
    finds(
        "
        p0 |-[a(x)=1 a(y)=1]-|
        p1 |-[r(x)=[1] r(y)=[]]-|
        p2                         |-[r(x)=[1] r(y)=[1]]-|
        ",
        &["G-single"],
        &[C::ConsistentView, C::MonotonicAtomicView],
    );
}

#[test]
fn what_was_seen_first_decides_between_two_views() {
    let report = finds(
        "
        p0 |-[a(x)=1 a(y)=1]-|
        p1 |-[r(y)=[] r(x)=[1]]-|
        ",
        &["G-single"],
        &[C::RepeatableRead, C::ConsistentView, C::ReadAtomic],
    );
    let answer = |level| report.levels.iter().find(|answer| answer.level == level).cloned();
    let because = answer(C::ReadAtomic).map(|answer| answer.because);
    assert_eq!(because.as_deref(), Some("fractured-read"));
}

#[test]
fn a_lost_update_is_named() {
    finds(
        "
        p0 |-[r(x)=[] a(x)=1]-|
        p1 |-[r(x)=[] a(x)=2]-|
        p2                      |-[r(x)=[1 2]]-|
        ",
        &["lost-update", "G-single"],
        &[C::CursorStability],
    );
}

#[test]
fn a_long_fork_is_g_nonadjacent() {
    finds(
        "
        p0 |-[a(x)=1]-|
        p1 |-[a(y)=1]-|
        p2 |-[r(x)=[1] r(y)=[]]-|
        p3 |-[r(x)=[] r(y)=[1]]-|
        ",
        &["G-nonadjacent"],
        &[C::RepeatableRead, C::Prefix],
    );
}

#[test]
fn write_skew_is_g2_item() {
    let report = finds(
        "
        p0 |-[r(x)=[] a(y)=1]-|
        p1 |-[r(y)=[] a(x)=1]-|
        ",
        &["G2-item"],
        &[C::RepeatableRead],
    );
    let summary = &report.anomalies[0].summary;
    assert_eq!(
        summary,
        "T0 did not observe T1's append of 1 to \"x\", yet T1 did not observe T0's append of 1 to \
         \"y\""
    );
}

#[test]
fn sessions_and_real_time_are_edges_of_stronger_levels() {
    finds(
        "
        p0 |-[a(x)=1]-|  |-[r(x)=[]]-|
        ",
        &["G-single-process"],
        &[C::StrongSessionReadAtomic],
    );
    finds(
        "
        p0 |-[a(x)=1]-|
        p1                |-[r(x)=[]]-|
        ",
        &["G-single-realtime"],
        &[C::StrongSnapshotIsolation],
    );
    finds(
        "
        p0 |-[a(x)=1]-|
        p1               |-[a(x)=2]-|
        p2                             |-[r(x)=[2 1]]-|
        ",
        &["G0-realtime"],
        &[C::StrongReadCommitted],
    );
}

#[test]
fn concurrent_transactions_are_not_ordered_in_real_time() {
    finds(
        "
        p0 |----[a(x)=1]----|
        p1                  |-[r(x)=[]]-|
        ",
        &[],
        &[],
    );
}

#[test]
fn unknown_outcomes_count_once_they_are_seen() {
    finds(
        "
        p0 |-[a(x)=1 a(y)=1]-?
        p1                       |-[r(x)=[1] r(y)=[]]-|
        ",
        &["G-single"],
        &[C::ConsistentView, C::MonotonicAtomicView],
    );
    finds(
        "
        p0 |-[a(x)=1 a(y)=1]-?
        p1                       |-[r(x)=[] r(y)=[]]-|
        ",
        &[],
        &[],
    );
}

#[test]
fn reads_that_contradict_each_other_or_themselves() {
    finds(
        "
        p0 |-[a(x)=1]-| |-[a(x)=2]-|
        p1 |-[r(x)=[1 2]]-|
        p2 |-[r(x)=[2]]-|
        ",
        &["incompatible-order"],
        &[C::ReadCommitted],
    );
    finds(
        "
        p0 |-[a(x)=1 a(x)=2]-|
        p1                     |-[r(x)=[2]]-|
        ",
        &["incompatible-order"],
        &[C::ReadCommitted],
    );
    finds("p0 |-[a(x)=1]-| |-[r(x)=[1 1]]-|", &["duplicate-elements"], &[C::ReadUncommitted]);
    finds("p0 |-[r(x)=[7]]-|", &["thin-air-read"], &[C::ReadUncommitted]);
    finds("p0 |-[a(x)=1 r(x)=[]]-|", &["internal"], &[C::ReadAtomic]);
}

#[test]
fn values_that_are_not_unique_are_said_and_leave_the_rest_judged() {
    let two = "
        p0 |-[a(x)=1]-| |-[a(x)=1]-|
        p1 |-[r(y)=[] a(z)=1]-|
        p2 |-[r(z)=[] a(y)=1]-|
    ";
    let report = check(C::Serializable, two);
    assert_eq!(report.verdict, Verdict::Invalid, "write skew on other keys");
    let report = check(C::SnapshotIsolation, two);
    assert_eq!(report.verdict, Verdict::Unknown);
    let reason = report.reason.expect("a reason");
    assert!(reason.contains("not unique") && reason.contains("T0"), "{reason}");
}

#[test]
fn own_writes_can_be_left_to_the_database() {
    let drawing = "p0 |-[a(x)=1 r(x)=[]]-|";
    assert_eq!(check(C::Serializable, drawing).verdict, Verdict::Invalid);
    let options = Options { own_writes: false, ..Options::default() };
    let checker = ListAppend::new(C::Serializable).with_options(options);
    let report = checker.check(&drawn(drawing), &Budget::unlimited()).expect("lists");
    assert_eq!(report.verdict, Verdict::Valid);
}

#[test]
fn more_dependencies_than_memory_are_unknown() {
    let drawing = "
        p0 |-[r(x)=[]]-| |-[a(x)=1]-|
        p1 |-[r(x)=[]]-| |-[a(x)=2]-|
    ";
    let budget = Budget::unlimited().with_bytes(100);
    let checker = ListAppend::new(C::Serializable);
    let report = checker.check(&drawn(drawing), &budget).expect("lists");
    assert_eq!(report.verdict, Verdict::Unknown);
    assert!(report.reason.is_some_and(|reason| reason.contains("memory")));
}

#[test]
fn nothing_is_not_exercised() {
    assert_eq!(check(C::Serializable, "").verdict, Verdict::Unknown);
}
