//! Laws of the combinators that know time. The simulator's clock advances by a nanosecond when a
//! completion was read, so instants are compared in microseconds.

use tribunal_history::Nanos;

use super::super::*;
use super::{MS, keys, ms, ops, read, simulate, writes};

fn micros(ops: &[PlannedOp]) -> Vec<u64> {
    ops.iter().map(|op| op.at.0 / 1000).collect()
}

fn gaps(ops: &[PlannedOp]) -> Vec<f64> {
    ops.windows(2).map(|pair| (pair[1].at.0 - pair[0].at.0) as f64).collect()
}

#[test]
fn stagger_has_even_gaps_of_its_mean_over_all_slots() {
    let gaps = gaps(&ops(50, limit(20_000, stagger(ms(2), writes(0)))));
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    assert!((mean / 2e6 - 1.0).abs() < 0.02, "{mean}");
    assert!(gaps.iter().all(|gap| *gap <= 4e6 + 2.0));
    let below = gaps.iter().filter(|gap| **gap < 1e6).count() as f64 / gaps.len() as f64;
    assert!((below - 0.25).abs() < 0.02, "{below}");
}

#[test]
fn poisson_has_exponential_gaps() {
    let gaps = gaps(&ops(50, limit(20_000, poisson(500.0, writes(0)))));
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    assert!((mean / 2e6 - 1.0).abs() < 0.03, "{mean}");
    let long = gaps.iter().filter(|gap| **gap > 4e6).count() as f64 / gaps.len() as f64;
    assert!((long - (-2.0f64).exp()).abs() < 0.01, "{long}");
}

#[test]
fn delay_keeps_its_beat_and_catches_up() {
    assert_eq!(micros(&ops(9, limit(4, delay(ms(3), writes(0))))), [0, 3000, 6000, 9000]);
    // One slot that takes 1 ms cannot keep a beat of 0.4 ms; with three slots it can.
    let late = micros(&ops(1, limit(4, delay(Nanos(400_000), writes(0)))));
    assert_eq!(late, [0, 1000, 2000, 3000]);
}

#[test]
fn stagger_does_not_catch_up() {
    let ops = ops(1, limit(200, stagger(Nanos(100_000), writes(0))));
    assert!(gaps(&ops).iter().all(|gap| *gap >= 1e6));
}

#[test]
fn open_loop_keeps_its_schedule_and_counts_what_found_no_slot() {
    let generator = limit(20, open_loop(1000.0, writes(0)));
    let (on_time, simulated) = simulate(2, Fake::Perfect(MS), generator.fork());
    assert_eq!(simulated.missed, 0);
    assert_eq!(micros(&on_time), (0..20).map(|k| k * 1000).collect::<Vec<_>>());
    // 2 ms a piece in one slot: operation k is due at k ms and sent at 2k ms.
    let (late, simulated) = simulate(1, Fake::Perfect(ms(2)), generator);
    assert_eq!(micros(&late), (0..20).map(|k| k * 2000).collect::<Vec<_>>());
    assert_eq!(simulated.missed, 19);
}

#[test]
fn sleep_takes_its_time_and_no_slot() {
    let ops = ops(1, concat(vec![op(read(1)), sleep(ms(30)), op(read(2))]));
    assert_eq!(micros(&ops), [0, 31_000]);
}

#[test]
fn time_limit_counts_from_the_first_commit_and_cuts_nothing() {
    let late = concat(vec![sleep(ms(50)), time_limit(ms(10), delay(ms(3), writes(0)))]);
    let (ops, simulated) = simulate(9, Fake::Perfect(ms(5)), late);
    assert_eq!(micros(&ops), [50_000, 53_000, 56_000, 59_000]);
    assert_eq!((simulated.end, simulated.counts["write"].ok), (End::Done, 4));
    // A branch that would wait for ever ends, too.
    let waits = time_limit(ms(10), concat(vec![op(read(1)), deferred().1]));
    assert_eq!(simulate(2, Fake::Perfect(MS), waits).1.end, End::Done);
}

#[test]
fn time_limit_ends_with_the_offer_that_is_too_late_not_when_its_time_comes() {
    let mut limited = time_limit(ms(2), delay(ms(3), writes(0)));
    limited.bind(&crate::seed::Seed(1).root());
    let threads = Threads::new(2, 1);
    assert!(limited.next(&threads.context(ms(0))).due().is_some());
    limited.commit();
    assert_eq!(limited.next(&threads.context(ms(1))), Next::Done);
}

#[test]
fn cycle_times_goes_by_its_table() {
    let table = vec![(ms(2), writes(0)), (ms(3), writes(1))];
    let ops = ops(9, limit(12, delay(MS, cycle_times(table))));
    assert_eq!(keys(&ops), [0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0]);
}

/// G5: an offer in the past is dispatched at once, at the time it is then.
#[test]
fn a_late_offer_is_due_now() {
    let mut load = delay(MS, writes(0));
    load.bind(&crate::seed::Seed(1).root().child("gen"));
    let mut turns = Turns::new(load, Threads::new(9, 1));
    let mut handed_out = |now: u64| match turns.step(ms(now)) {
        Step::Invoke { due, .. } => Ok(due),
        Step::Wait { until } => Err(until),
        other => panic!("{other:?}"),
    };
    assert_eq!(handed_out(0), Ok(ms(0)));
    assert_eq!(handed_out(0), Err(Some(ms(1))));
    assert_eq!(handed_out(3), Ok(ms(3)));
    assert_eq!((handed_out(3), handed_out(3)), (Ok(ms(3)), Ok(ms(3))));
    assert_eq!(handed_out(3), Err(Some(ms(4))));
}
