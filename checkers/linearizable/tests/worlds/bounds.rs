//! What a counter is said not to have shown it cannot have shown.

use tribunal_history::{Builder, CounterOp, Nanos, Observed, Op, Outcome, Process, Value};

use super::super::generate::Random;
use super::super::{histories, prepare};
use super::numbers::Sum;
use super::oracle::is_linearizable;
use super::{Act, World, history, settle, small};
use crate::linearizable::certificate::{Accepted, verify_counterexample};
use crate::linearizable::models::bounds::{Bug, Slips, beyond};
use crate::linearizable::partition::components;
use crate::linearizable::{Counter, Dialect, Model, Options, judge};
use crate::{Budget, Verdict};

/// Whether some key is claimed to be bad. Every claim is proved, unless a mistake was planted.
fn claims(world: &Sum, acts: &[Act], slips: Slips) -> bool {
    let (model, history) = (world.model(), history(acts));
    let mut claimed = false;
    for component in components(&model, &history) {
        let problem =
            prepare(&model, &history, &component, Dialect::TRIBUNAL).expect("a counter's history");
        let found = beyond(model.initial, &problem.entries, &problem.ops, slips);
        let Some(at) = found else { continue };
        claimed = true;
        if slips.trap.is_none() {
            let rank = problem.entries[at as usize].ret;
            let mut kept = crate::linearizable::shrink::before(&problem, rank);
            kept.retain(|other| {
                let op = problem.op(&problem.entries[*other as usize]);
                *other == at || !model.is_pure(op)
            });
            let proof = verify_counterexample(&model, &problem, &kept, rank, 10_000, &|| false);
            assert_eq!(proof, Ok(Accepted::Proved), "{acts:#?}");
        }
    }
    claimed
}

fn drawn(world: &Sum, random: &mut Random) -> Vec<Act> {
    let mut acts = small(world, random);
    settle(&mut acts);
    acts
}

#[test]
fn bounds_of_counters_are_right() {
    for world in [Sum { shrinks: true }, Sum { shrinks: false }] {
        let mut random = Random(59);
        let (mut claimed, mut invalid) = (0, 0);
        for _ in 0..histories(20_000) {
            let acts = drawn(&world, &mut random);
            let claim = claims(&world, &acts, Slips::default());
            let expected = is_linearizable(&world, &acts);
            assert!(!claim || !expected, "{acts:#?}");
            invalid += u64::from(!expected);
            claimed += u64::from(claim);
        }
        println!("{claimed} of {invalid} invalid histories are out of bounds");
        assert!(4 * claimed > invalid);
    }
}

#[test]
fn planted_mistakes_of_bounds_are_caught() {
    for bug in [Bug::PendingForgotten, Bug::PendingIsDone, Bug::CrashedForgotten] {
        let world = Sum { shrinks: true };
        let mut random = Random(59);
        let slips = Slips { trap: Some(bug) };
        let caught = (0..100_000).find(|_| {
            let acts = drawn(&world, &mut random);
            claims(&world, &acts, slips) && is_linearizable(&world, &acts)
        });
        let caught = caught.unwrap_or_else(|| panic!("{bug:?} was not caught"));
        println!("{bug:?} caught by history {caught}");
    }
}

/// Of twenty-five crashed additions a search has 2^25 subsets.
#[test]
fn more_than_was_ever_added_is_refuted_at_once() {
    let mut builder = Builder::as_given();
    let key = || Value::Nil;
    for at in 1..=25_u32 {
        let (time, delta) = (Nanos(u64::from(at)), i64::from(at));
        let add = Op::Counter(CounterOp::Add { key: key(), delta, value: Observed::Pending });
        builder.invoke(time, Process(at), None, None, &add).expect("in order");
        builder.complete(time, Process(at), Outcome::Info, Some(&add), None).expect("in order");
    }
    let read = |value| Op::Counter(CounterOp::Read { key: key(), value });
    let (seen, time) = (read(Observed::Present(1_000)), Nanos(26));
    builder.invoke(time, Process(0), None, None, &seen.pending()).expect("in order");
    builder.complete(time, Process(0), Outcome::Ok, Some(&seen), None).expect("in order");
    let history = builder.finish();
    let budget = Budget::unlimited().with_configurations(10_000);
    let (model, options) = (Counter { initial: 0, shrinks: false }, Options::default());
    let report = judge(&model, &history, Dialect::TRIBUNAL, &budget, options).expect("a counter");
    assert_eq!(report.verdict, Verdict::Invalid);
    let words = &report.anomalies[0].summary;
    assert!(words.ends_with(", where only 0 to 325 was possible"), "{words}");
}
