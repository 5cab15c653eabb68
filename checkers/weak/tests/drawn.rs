//! One small history per kind of finding, with what it rules out.

use tribunal_history::Value;

use crate::testing::drawn;
use crate::weak::{Options, RwRegister};
use crate::{Budget, Checker, Consistency as C, Evidence, Report, Verdict};

fn check(level: C, drawing: &str) -> Report {
    let checker = RwRegister::new(level);
    checker.check(&drawn(drawing), &Budget::unlimited()).expect("registers")
}

/// Causal consistency is judged: kinds found, and the weakest levels they rule out.
fn finds(drawing: &str, kinds: &[&str], weakest: &[C]) -> Report {
    let report = check(C::Causal, drawing);
    let found: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.kind.0).collect();
    assert_eq!(found, kinds, "{:#?}", report.anomalies);
    let out = report.levels.iter().filter(|answer| answer.verdict == Verdict::Invalid);
    let out: Vec<C> = out.map(|answer| answer.level).collect();
    assert_eq!(C::weakest(&out), weakest);
    report
}

fn says(report: &Report, sentence: &str) {
    let summary = report.anomalies.first().map_or("", |anomaly| &anomaly.summary);
    assert_eq!(summary, sentence);
}

#[test]
fn a_serial_history_is_strict_serializable() {
    let report = finds(
        "
        p0 |-[w(x)=1 r(x)=1]-|                      |-[r(x)=2 w(y)=1]-|
        p1                     |-[r(x)=1 w(x)=2]-|
        ",
        &[],
        &[],
    );
    assert_eq!(report.verdict, Verdict::Valid);
    assert_eq!(report.cost.certificates_verified, 2, "both orders are replayed");
    for answer in report.levels {
        assert_eq!(answer.verdict, Verdict::Valid, "{}", answer.level.name());
    }
}

#[test]
fn a_value_that_nobody_wrote_is_a_thin_air_read() {
    finds(
        "p0 |-[r(x)=3]-|",
        &["thin-air-read"],
        &[C::ReadUncommitted, C::WeakCausal, C::ReadYourWrites, C::MonotonicReads],
    );
}

#[test]
fn an_aborted_read_is_g1a() {
    let report = finds(
        "
        p0 |-[w(x)=1]-x
        p1 |-[r(x)=1]-|
        ",
        &["G1a"],
        &[C::ReadCommitted, C::WeakCausal, C::ReadYourWrites, C::MonotonicReads],
    );
    says(&report, "T1 read 1 in \"x\", which T0 wrote, but T0 failed");
}

#[test]
fn an_intermediate_read_is_g1b() {
    finds(
        "
        p0 |-[w(x)=1 w(x)=2]-|
        p1 |-[r(x)=1]-|
        ",
        &["G1b"],
        &[C::ReadCommitted, C::WeakCausal],
    );
}

#[test]
fn reads_that_go_round_are_g1c() {
    finds(
        "
        p0 |-[w(x)=1 r(y)=1]-|
        p1 |-[w(y)=1 r(x)=1]-|
        ",
        &["CyclicCO"],
        &[C::ReadCommitted, C::WeakCausal, C::WritesFollowReads],
    );
}

/// A rival takes the initial transaction for one more session.
#[test]
fn a_session_does_not_go_back_to_the_initial_version() {
    let report = finds(
        "p0 |-[w(x)=5]-|  |-[r(x)=nil]-|",
        &["WriteCOInitRead"],
        &[C::StrongSessionReadAtomic, C::WeakCausal, C::ReadYourWrites],
    );
    says(
        &report,
        "T0 wrote 5 to \"x\" before the initial state: T1 read \"x\" as nobody had written it, \
         although T0 came before T1 in session 0; yet the initial state is before T0, as it is \
         before everything",
    );
}

/// Two sessions write a key, and each then reads the other's value: a rival finds nothing.
#[test]
fn two_sessions_that_see_two_orders_are_not_convergent() {
    finds(
        "
        p0 |-[w(x)=1]-|  |-[r(x)=2]-|
        p1 |-[w(x)=2]-|  |-[r(x)=1]-|
        ",
        &["CyclicCF"],
        &[C::StrongSessionReadAtomic, C::ReadYourWrites],
    );
}

/// A version that is read twice does not hide the one before: a rival keeps the last two reads.
#[test]
fn a_repeated_read_hides_no_violation() {
    for twice in ["r(x)=2 r(x)=2", "r(x)=2"] {
        let drawing = format!(
            "
            p0 |-[w(x)=1]-| |-[w(x)=2 w(y)=2]-|
            p1                                  |-[r(y)=2 {twice} r(x)=1]-|
            "
        );
        let report = check(C::StrongSessionMonotonicAtomicView, &drawing);
        assert_eq!(report.verdict, Verdict::Invalid, "{twice}");
    }
}

/// A rival calls both read-committed cycles.
#[test]
fn repeated_reads_of_one_version_are_no_anomaly() {
    finds(
        "
        p0 |-[w(x)=1]-|
        p1               |-[r(x)=1 r(x)=1]-|
        p2                                   |-[w(x)=3]-|
        ",
        &[],
        &[],
    );
    finds("p0 |-[w(x)=1 r(x)=1 w(x)=2]-|", &[], &[]);
}

#[test]
fn what_was_overwritten_before_it_is_not_read_after_it() {
    let report = finds(
        "
        p0 |-[w(x)=1]-|
        p1               |-[r(x)=1 w(x)=2]-|  |-[w(y)=1]-|
        p2                                                   |-[r(y)=1]-| |-[r(x)=1]-|
        ",
        &["WriteCORead"],
        &[C::WeakCausal],
    );
    says(
        &report,
        "T1 wrote 2 to \"x\" before T0: T4 read 1 in \"x\", which T0 wrote, although T1 came \
         before T2 in session 1, and T3 read 1 in \"y\", which T2 wrote, and T3 came before T4 in \
         session 2; yet T1 read 1 in \"x\", which T0 wrote",
    );
}

#[test]
fn a_part_of_a_transaction_is_a_fractured_read() {
    let report = check(
        C::ReadAtomic,
        "
        p0 |-[w(x)=1 w(y)=1]-|
        p1                      |-[r(y)=nil r(x)=1]-|
        ",
    );
    let kinds: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.kind.0).collect();
    assert_eq!(kinds, ["fractured-read"]);
    let answer = |level| report.levels.iter().find(|it| it.level == level).map(|it| it.verdict);
    assert_eq!(answer(C::StrongSessionMonotonicAtomicView), Some(Verdict::Valid));
}

#[test]
fn two_that_updated_one_version_lost_an_update_and_are_causal() {
    let report = finds(
        "
        p0 |-[r(x)=nil w(x)=1]-|
        p1 |-[r(x)=nil w(x)=2]-|
        ",
        &[],
        &[C::CursorStability],
    );
    assert_eq!(report.verdict, Verdict::Valid);
}

#[test]
fn a_seen_transaction_of_unknown_outcome_happened() {
    finds(
        "
        p0 |-[w(x)=1 w(y)=1]-?
        p1                      |-[r(x)=1 r(y)=nil]-|
        ",
        &["WriteCOInitRead"],
        &[C::MonotonicAtomicView, C::WeakCausal, C::MonotonicReads],
    );
}

#[test]
fn own_writes_may_be_unseen_where_one_says_so() {
    let drawing = "p0 |-[w(x)=1 r(x)=nil]-|";
    assert_eq!(check(C::ReadAtomic, drawing).verdict, Verdict::Invalid);
    assert_eq!(check(C::ReadCommitted, drawing).verdict, Verdict::Valid);
    let options = Options { own_writes: false, ..Options::default() };
    let checker = RwRegister::new(C::ReadAtomic).with_options(options);
    let report = checker.check(&drawn(drawing), &Budget::unlimited()).expect("registers");
    assert_eq!(report.verdict, Verdict::Valid);
}

#[test]
fn values_that_are_not_unique_are_said_and_their_key_is_left_out() {
    let report = check(C::Causal, "p0 |-[w(x)=1]-| |-[w(x)=1]-| |-[w(y)=2]-| |-[r(y)=2]-|");
    assert_eq!(report.verdict, Verdict::Unknown);
    let reason = report.reason.expect("a reason");
    assert_eq!(
        reason,
        "values are not unique: T0 and T1 write the same value to key \"x\", so reads of 1 of 2 \
         keys do not tell whose write they saw"
    );
    let broken = check(C::Causal, "p0 |-[w(x)=1]-| |-[w(x)=1]-| |-[w(y)=2]-| |-[r(y)=nil]-|");
    assert_eq!(broken.verdict, Verdict::Invalid, "the other key says enough");
}

#[test]
fn the_initial_value_is_that_of_the_setting() {
    let options = Options { initial: Value::Int(0), ..Options::default() };
    let checker = RwRegister::new(C::Causal).with_options(options);
    let verdict =
        |drawing| checker.check(&drawn(drawing), &Budget::unlimited()).expect("registers").verdict;
    assert_eq!(verdict("p0 |-[r(x)=0]-| |-[w(x)=1]-|"), Verdict::Valid);
    assert_eq!(verdict("p0 |-[w(x)=1]-| |-[r(x)=0]-|"), Verdict::Invalid);
    assert_eq!(verdict("p0 |-[w(x)=0]-| |-[r(x)=0]-|"), Verdict::Unknown, "0 says nothing");
}

#[test]
fn an_operation_on_a_register_is_a_transaction_of_its_own() {
    let report = check(C::Causal, "p0 |--w1--|  |--rnil--|");
    assert_eq!(report.verdict, Verdict::Invalid);
    assert_eq!(check(C::Causal, "p0 |--w1--|  |--c1:2--|  |--r2--|").verdict, Verdict::Valid);
}

/// It takes two rounds to see.
pub(super) const NO_MEMORY: &str = "
    p0 |-[w(z)=1]-| |-[w(x)=1]-| |-[w(y)=1]-|
    p1 |-[w(x)=2]-| |-[r(z)=nil]-|              |-[r(y)=1]-| |-[r(x)=2]-|
    ";

/// Convergent, and yet a session has no order of what it had seen (POPL 2017, figure 3).
#[test]
fn convergence_is_no_memory() {
    let drawing = NO_MEMORY;
    assert_eq!(check(C::Causal, drawing).verdict, Verdict::Valid);
    let report = check(C::CausalMemory, drawing);
    let kinds: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.kind.0).collect();
    assert_eq!(kinds, ["WriteHBInitRead"]);
    let Some(Evidence::Cycle(steps)) = report.anomalies.first().map(|it| &it.evidence) else {
        panic!("a circle");
    };
    let sentences: Vec<&str> = steps.iter().map(|step| step.because.as_str()).collect();
    assert_eq!(
        sentences,
        [
            "T2 wrote 1 to \"x\" before T1: T6 read 2 in \"x\", which T1 wrote, although T2 came \
             before T4 in session 0, and T5 read 1 in \"y\", which T4 wrote, and T5 came before T6 \
             in session 1",
            "T0 wrote 1 to \"z\" before the initial state: T3 read \"z\" as nobody had written it, \
             although T0 came before T2 in session 0, and T2 comes before T1, as was shown, and T1 \
             came before T3 in session 1",
            "the initial state is before T0, as it is before everything",
        ]
    );
}

#[test]
fn memory_is_no_convergence_and_goes_not_round() {
    let drawing = "
        p0 |-[w(x)=1]-|  |-[r(x)=2]-|
        p1 |-[w(x)=2]-|  |-[r(x)=1]-|
        ";
    assert_eq!(check(C::CausalMemory, drawing).verdict, Verdict::Valid);
    let drawing = "
        p0 |-[w(x)=1]-|
        p1 |-[w(x)=2]-|
        p2               |-[r(x)=1]-| |-[r(x)=2]-| |-[r(x)=1]-|
        ";
    let report = check(C::CausalMemory, drawing);
    let kinds: Vec<&str> = report.anomalies.iter().map(|anomaly| anomaly.kind.0).collect();
    assert_eq!(kinds, ["CyclicHB"]);
    assert_eq!(check(C::WeakCausal, drawing).verdict, Verdict::Valid);
}

/// Each guarantee is broken by a history that keeps the others.
#[test]
fn guarantees_are_told_apart() {
    let all = [C::ReadYourWrites, C::MonotonicReads, C::MonotonicWrites, C::WritesFollowReads];
    let broken = |drawing: &str| {
        let report = check(C::Pram, drawing);
        let answer = |level: &C| report.levels.iter().find(|answer| answer.level == *level);
        let invalid = |level: &C| answer(level).is_some_and(|it| it.verdict == Verdict::Invalid);
        all.into_iter().filter(invalid).collect::<Vec<C>>()
    };
    let own = "p0 |-[w(x)=1]-| |-[r(x)=nil]-|";
    assert_eq!(broken(own), [C::ReadYourWrites]);
    let back = "
        p0 |-[w(x)=1]-|
        p1               |-[r(x)=1]-| |-[r(x)=nil]-|
        ";
    // Those that bind through what was seen are judged together with monotonic reads.
    assert_eq!(broken(back), [C::MonotonicReads, C::MonotonicWrites, C::WritesFollowReads]);
    let order = "
        p0 |-[w(x)=1]-| |-[w(y)=1]-|
        p1                             |-[r(y)=1]-| |-[r(x)=nil]-|
        ";
    assert_eq!(broken(order), [C::MonotonicWrites]);
    let follows = "
        p0 |-[w(x)=1]-|
        p1               |-[r(x)=1]-| |-[w(y)=1]-|
        p2                                          |-[r(y)=1]-| |-[r(x)=nil]-|
        ";
    assert_eq!(broken(follows), [C::WritesFollowReads]);
}
